"""Which tools this worker has: from modules listed in the configuration, and those made anew for each run."""

import importlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, ModuleType
from typing import Protocol, TypeGuard

from adapters.tools.declare import Tool, declared_tool
from adapters.tools.stateful import tools_of_class
from domain.kernel.errors import InvalidInput
from domain.kernel.values import Value
from domain.tools import ToolDeclaration, ToolNotDeclarable

BUILT_IN = (
    "adapters.tools.builtin.files",
    "adapters.tools.builtin.sql",
    "adapters.tools.builtin.web",
    "adapters.tools.builtin.commands",
    "adapters.tools.builtin.packages",
    "adapters.tools.builtin.ambient",
)
"""Modules of the tools that come with Precedent."""


class ToolModuleUnusable(InvalidInput):
    """Correct the module name in the configuration, or the module: the message says what went wrong in it."""

    code = "tool.module-unusable"


class RunScopedTools(Protocol):
    """Tools that keep state during a run, and only for it."""

    def declarations(self) -> Iterable[ToolDeclaration]:
        """Every tool that `open` will give, each declared `stateful`."""
        ...

    def open(self, run: str, inputs: Mapping[str, Value]) -> Iterable[Tool]:
        """Make the tools of one run in their initial state; later calls journaled in it are then made again."""
        ...


class ToolRegistry:
    """Tools by name. A name stands for one tool only."""

    def __init__(self, tools: Iterable[Tool], run_scoped: Iterable[RunScopedTools] = ()) -> None:
        """Take these tools. Raises `ToolNotDeclarable` for a name that is there twice."""
        self._tools: dict[str, Tool] = {}
        self._run_scoped = tuple(run_scoped)
        self._of_runs: dict[str, dict[str, Tool]] = {}
        declarations: dict[str, ToolDeclaration] = {}
        for tool in tools:
            _add(declarations, tool.declaration)
            self._tools[tool.declaration.name] = tool
        for scoped in self._run_scoped:
            for declaration in scoped.declarations():
                _add(declarations, declaration)
        self.declarations: Mapping[str, ToolDeclaration] = MappingProxyType(dict(sorted(declarations.items())))
        """Every tool by name, in order of names."""

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        """Give a run its stateful tools, in their initial state even if they were open before."""
        self._of_runs[run] = {
            made.declaration.name: made for scoped in self._run_scoped for made in scoped.open(run, inputs)
        }

    def close_run(self, run: str) -> None:
        """Forget the state of a run's tools."""
        self._of_runs.pop(run, None)

    def find(self, name: str, run: str) -> Tool | None:
        """Give the tool that this run means by a name; None where there is none, or the run is not open for it."""
        return self._tools.get(name) or self._of_runs.get(run, {}).get(name)


def _add(declarations: dict[str, ToolDeclaration], declaration: ToolDeclaration) -> None:
    if declaration.name in declarations:
        raise ToolNotDeclarable(f"two tools are named {declaration.name}; rename one or list only one module")
    declarations[declaration.name] = declaration


@dataclass(frozen=True, slots=True)
class FoundTools:
    """What modules declare."""

    tools: Sequence[Tool]
    run_scoped: Sequence[RunScopedTools]


def found_in_modules(names: Iterable[str]) -> FoundTools:
    """Give the tools declared in these modules, in order of declaration. Raises `ToolModuleUnusable`.

    Functions marked with ``@tool``; classes with methods so marked; and objects that give tools to runs.
    """
    tools: list[Tool] = []
    run_scoped: dict[int, RunScopedTools] = {}
    for name in names:
        module = _imported(name)
        own, scoped = _tools_of(module), list(_run_scoped_of(module))
        if not own and not scoped:
            raise ToolModuleUnusable(f"module {module.__name__} declares no tool; mark its functions with @tool(…)")
        tools += own
        run_scoped |= {id(each): each for each in scoped}  # an object that two modules have is one
    return FoundTools(tools, tuple(run_scoped.values()))


def tools_of_modules(names: Iterable[str]) -> Sequence[Tool]:
    """Give the tools of these modules that keep no state. Raises `ToolModuleUnusable`."""
    return found_in_modules(names).tools


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ToolNotDeclarable:
        raise
    except Exception as error:
        raise ToolModuleUnusable(f"tool module {name} cannot be imported: {type(error).__name__}: {error}") from error


def _tools_of(module: ModuleType) -> list[Tool]:
    # A tool that a module merely imported belongs to the module that declares it.
    found = [declared_tool(value) for value in vars(module).values() if _is_own(value, module)]
    tools = [tool for tool in found if tool is not None]
    for tool in tools:
        if tool.declaration.stateful:
            raise ToolNotDeclarable(f"{tool.declaration.name} takes self, and is no method: put it into a class")
    return tools


def _run_scoped_of(module: ModuleType) -> Iterator[RunScopedTools]:
    for value in vars(module).values():
        if isinstance(value, type):
            if _is_own(value, module) and (found := tools_of_class(value)) is not None:
                yield found
        elif _gives_tools(value):
            yield value


def _is_own(value: object, module: ModuleType) -> bool:
    return getattr(value, "__module__", None) == module.__name__


def _gives_tools(value: object) -> TypeGuard[RunScopedTools]:
    # Asked of its type: an object may make up any attribute that it is asked for.
    return all(callable(getattr(type(value), name, None)) for name in ("declarations", "open"))
