"""A class whose methods are tools: every run has an instance of its own, made of the run's inputs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from adapters.tools.context import ToolFault
from adapters.tools.declare import Tool, declared_tool
from domain.agents.data import plain_data
from domain.kernel.values import Value
from domain.tools import ToolDeclaration


@dataclass(frozen=True, slots=True)
class ToolsOfClass:
    """Run-scoped tools (`adapters.tools.registry.RunScopedTools`) of one class."""

    made: Callable[[dict[str, Any]], Any]
    """Makes the instance of a run, given the run's inputs as plain data by name."""
    methods: Mapping[str, Tool]
    """Name of a method -> what it was declared as."""

    def declarations(self) -> Iterable[ToolDeclaration]:
        """Every tool of the class."""
        return [tool.declaration for tool in self.methods.values()]

    def open(self, run: str, inputs: Mapping[str, Value]) -> Sequence[Tool]:  # noqa: ARG002  # its state is its inputs'
        """Make the instance; where that raises, each call fails with what was raised."""
        try:
            instance = self.made({name: plain_data(value) for name, value in inputs.items()})
        except Exception as error:  # noqa: BLE001  # whatever it raises is the tools' failure, not the worker's
            function = _failing(f"the state of this run could not be made: {type(error).__name__}: {error}")
            return [replace(tool, function=function) for tool in self.methods.values()]
        return [replace(tool, function=getattr(instance, name)) for name, tool in self.methods.items()]


def tools_of_class(made: type) -> ToolsOfClass | None:
    """Give what a class declares; None where none of its methods is a tool."""
    methods = {name: tool for name in dir(made) if (tool := declared_tool(getattr(made, name, None))) is not None}
    return ToolsOfClass(made, methods) if methods else None


def _failing(message: str) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise ToolFault("tool.not-open", message)

    return fail
