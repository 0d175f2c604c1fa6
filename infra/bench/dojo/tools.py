"""AgentDojo's functions as tools of a run: each run works on an environment of its own, made of its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from pydantic import TypeAdapter

from adapters.tools.context import ToolFault
from adapters.tools.declare import Tool
from domain.agents.data import plain_data
from domain.kernel.values import Keyword, Value, format_time, parse_time
from domain.rtfs.capability import Capability, EffectMode, Parameter, kebab
from domain.rtfs.printer import print_value
from domain.rtfs.types import ANY
from domain.tools import ToolDeclaration
from infra.bench.dojo.corpus import MOMENT, RELEASE, Call, Dojo, Task

READING: Final = ("get_", "search_", "list_", "read_", "check_")
"""What the names of functions that change nothing begin with."""
UNLIKE_ITS_NAME: Final = frozenset({"get_unread_emails", "get_webpage"})
"""Functions that mark what they give as read, or count who asked."""

AGENT: Final = "dojo.clerk"
"""The agent of ``infra.bench.dojo.listed``."""

_AS_JSON: Final[TypeAdapter[Any]] = TypeAdapter(Any)


class DojoTools:
    """Run-scoped tools (``adapters.tools.registry.RunScopedTools``) of the four suites."""

    def __init__(self, dojo: Dojo) -> None:
        """Describe the functions of this package."""
        self._dojo = dojo
        self._tools = {
            suite: [_described(suite, each) for each in dojo.functions(suite).values()] for suite in dojo.suites
        }

    def declarations(self) -> Iterable[ToolDeclaration]:
        """Every tool of every suite."""
        return [tool.declaration for tools in self._tools.values() for tool in tools]

    def open(self, run: str, inputs: Mapping[str, Value]) -> Iterable[Tool]:  # noqa: ARG002  # its state is its inputs'
        """Make the environment of a run's task; no tools where its inputs name none."""
        suite, task, now = (inputs.get(name) for name in ("suite", "task", "now"))
        if not isinstance(suite, str) or not isinstance(task, str) or not isinstance(now, str):
            return ()
        return self.on(self._dojo.environment(suite, task), suite, parse_time(now))

    def on(self, environment: Any, suite: str, now: datetime) -> Iterable[Tool]:
        """The tools of a suite, on this environment, at this time always."""
        return [
            Tool(
                declaration=tool.declaration,
                function=partial(_call, tool.function, environment, now),
                names=tool.names,
                loads={},
                dump=None,
                takes_context=False,
                gives_copies=True,
            )
            for tool in self._tools[suite]
        ]


def tool_name(suite: str, function: str) -> str:
    """What a function is called as a tool."""
    return f"{suite}.{kebab(function)}"


def planned(task: Task, now: datetime) -> dict[str, Any]:
    """The task file of a task whose calls are a program."""
    calls = [
        f"(call :{tool_name(task.suite, call.tool)} "
        f"{print_value({Keyword(kebab(name)): value for name, value in _arguments(call).items()})})"
        for call in task.calls
    ]
    names = [f"r{number}" for number in range(len(calls))]
    bound = "\n      ".join(f"{name} {call}" for name, call in zip(names, calls, strict=True))
    return _file(task, now) | {"plan": f"(let [{bound}]\n  [{' '.join(names)}])\n"}


def handed_over(task: Task, now: datetime) -> dict[str, Any]:
    """The task file of a task whose calls are an agent's, who finds them in its inputs."""
    file = _file(task, now)
    calls = [
        {"tool": tool_name(task.suite, call.tool), "arguments": _arguments(call), "reads": reads(call.tool)}
        for call in task.calls
    ]
    return file | {"agent": AGENT, "inputs": {**file["inputs"], "calls": calls}}


def _file(task: Task, now: datetime) -> dict[str, Any]:
    return {
        "goal": task.goal,
        "inputs": {"suite": task.suite, "task": task.name, "now": format_time(now)},
        "tools": sorted({tool_name(task.suite, call.tool) for call in task.calls}),
    }


def _arguments(call: Call) -> dict[str, Any]:
    return {name: _AS_JSON.dump_python(value, mode="json") for name, value in call.arguments.items()}


def reads(function: str) -> bool:
    """Whether a function changes nothing."""
    return function.startswith(READING) and function not in UNLIKE_ITS_NAME


def _described(suite: str, function: Any) -> Tool:
    fields = function.parameters.model_fields
    parameters = tuple(Parameter(kebab(name), ANY, field.is_required()) for name, field in fields.items())
    name = tool_name(suite, function.name)
    mode: EffectMode = "read" if reads(function.name) else "write"
    return Tool(
        declaration=ToolDeclaration(
            capability=Capability(name, RELEASE, mode, parameters, ANY, function.description),
            timeout=30.0,
            # Nothing outside the run's own environment changes, and that is made anew from the journal.
            idempotent=True,
            isolation="in-process",
            stateful=True,
            tags=("dojo",),
        ),
        function=function,
        names={kebab(name): name for name in fields},
        loads={},
        dump=None,
        takes_context=False,
    )


def _call(function: Callable[..., Any], environment: Any, now: datetime, /, **arguments: Value) -> Any:
    """What the package's own runtime does with a call, which gives errors to the model as text."""
    described: Any = function
    try:
        given = {name: plain_data(value) for name, value in arguments.items()}
        checked = described.parameters.model_validate(given).model_dump()
        needed = {name: each.extract_dep_from_env(environment) for name, each in described.dependencies.items()}
        seen = MOMENT.set(now)
        try:
            return _AS_JSON.dump_python(described(**checked, **needed), mode="json")
        finally:
            MOMENT.reset(seen)
    except Exception as error:
        raise ToolFault("dojo.raised", f"{type(error).__name__}: {error}") from error
