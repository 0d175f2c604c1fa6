"""Calls of single tools, as the worker makes them."""

from pathlib import Path
from typing import Any

import pytest

from adapters.tools.declare import Tool
from adapters.tools.registry import BUILT_IN, ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.sandbox.availability import unavailable_reason
from adapters.tools.settings import ToolSettings
from domain.rtfs.types import plain
from domain.tools import CallContext, ToolFailed, ToolSucceeded

CALL = CallContext(tenant="acme", run="r1", effect="0")

needs_sandbox = pytest.mark.skipif(unavailable_reason() is not None, reason=str(unavailable_reason()))


def runner_of(*tools: Tool, **settings: Any) -> LocalToolRunner:
    return LocalToolRunner(ToolRegistry(tools), ToolSettings(**settings))


class BuiltIn:
    """The built-in tools over one root."""

    def __init__(self, root: Path, **settings: Any) -> None:
        self._runner = LocalToolRunner(ToolRegistry(tools_of_modules(BUILT_IN)), ToolSettings(root=root, **settings))

    async def outcome(self, name: str, **arguments: Any) -> ToolSucceeded | ToolFailed:
        given = {key.replace("_", "-"): value for key, value in arguments.items()}
        return await self._runner.run(name, given, CALL)

    async def value(self, name: str, **arguments: Any) -> Any:
        """The value as plain data; fails the test when the tool failed."""
        outcome = await self.outcome(name, **arguments)
        assert isinstance(outcome, ToolSucceeded), outcome
        return plain(outcome.value)

    async def failure(self, name: str, **arguments: Any) -> ToolFailed:
        outcome = await self.outcome(name, **arguments)
        assert isinstance(outcome, ToolFailed), outcome
        return outcome
