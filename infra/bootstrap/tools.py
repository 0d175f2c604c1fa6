"""The tools of a deployment, apart from the rest of the write side: looking at tools needs no driver of a server."""

from __future__ import annotations

from pathlib import Path

from adapters.tools.registry import BUILT_IN, RunScopedTools, ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from infra.settings import Settings


def tool_runner(settings: Settings, run_scoped: tuple[RunScopedTools, ...] = ()) -> LocalToolRunner:
    """The built-in tools and those of the configured modules."""
    registry = ToolRegistry(tools_of_modules([*BUILT_IN, *settings.tools]), run_scoped)
    return LocalToolRunner(registry, ToolSettings(root=Path.cwd(), http_hosts=settings.http.allow))
