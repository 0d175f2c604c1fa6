"""The tools of a deployment, apart from the rest of the write side: looking at tools needs no driver of a server."""

from __future__ import annotations

from pathlib import Path

from adapters.tools.registry import BUILT_IN, RunScopedTools, ToolRegistry, found_in_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.sandbox.limits import MEBIBYTE, SandboxLimits
from adapters.tools.settings import ToolSettings
from infra.settings import Settings


def tool_runner(settings: Settings, run_scoped: tuple[RunScopedTools, ...] = ()) -> LocalToolRunner:
    """The built-in tools and those of the configured modules."""
    found = found_in_modules([*BUILT_IN, *settings.tools])
    registry = ToolRegistry(found.tools, (*found.run_scoped, *run_scoped))
    return LocalToolRunner(registry, reach(settings))


def reach(settings: Settings) -> ToolSettings:
    """What the tools of this deployment reach and may use."""
    given = settings.toolbox
    sandbox = SandboxLimits(
        cpu_seconds=given.sandbox.cpu_seconds,
        memory_bytes=given.sandbox.memory_mb * MEBIBYTE,
        tree_bytes=given.sandbox.tree_mb * MEBIBYTE,
        file_bytes=given.sandbox.file_mb * MEBIBYTE,
        scratch_bytes=given.sandbox.scratch_mb * MEBIBYTE,
        processes=given.sandbox.processes,
        open_files=given.sandbox.open_files,
    )
    return ToolSettings(
        root=Path.cwd() if given.root is None else given.root.expanduser().absolute(),
        hidden=hidden_paths(settings),
        http_hosts=settings.http.allow,
        databases=dict(given.databases),
        query_seconds=given.query_seconds,
        result_bytes=given.result_mb * MEBIBYTE,
        sandboxes=given.sandboxes,
        threads=given.threads,
        sandbox=sandbox,
    )


def hidden_paths(settings: Settings) -> tuple[Path, ...]:
    """What no tool may see, wherever the root is: whoever reads a key signs, whoever changes the data changes all."""
    keys = [path for path in (settings.ledger.key, settings.programs.key) if path is not None]
    named = (
        settings.data,
        settings.content_directory,
        settings.config_file,
        settings.nats.credentials,
        settings.content.credentials,
        settings.ledger.pkcs11.pin_file if settings.ledger.pkcs11 is not None else None,
        *keys,
        *(key.with_name(f"{key.name}.next") for key in keys),
    )
    return tuple(path.expanduser().absolute() for path in named if path is not None)
