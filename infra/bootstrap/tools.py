"""The tools of a deployment, apart from the rest of the write side: looking at tools needs no driver of a server."""

from __future__ import annotations

from pathlib import Path

from adapters.tools.registry import BUILT_IN, RunScopedTools, ToolRegistry, found_in_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from infra.settings import Settings


def tool_runner(settings: Settings, run_scoped: tuple[RunScopedTools, ...] = ()) -> LocalToolRunner:
    """The built-in tools and those of the configured modules."""
    found = found_in_modules([*BUILT_IN, *settings.tools])
    registry = ToolRegistry(found.tools, (*found.run_scoped, *run_scoped))
    reached = ToolSettings(root=Path.cwd(), hidden=hidden_paths(settings), http_hosts=settings.http.allow)
    return LocalToolRunner(registry, reached)


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
