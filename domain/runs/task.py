"""What is wanted: the task file that people write, and the task that a run keeps.

The file has plain YAML or JSON data; the accepted task has typed, encoded inputs and says nothing that is not settled.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from domain.kernel.errors import InvalidInput, PrecedentError
from domain.kernel.values import Keyword, Value, decode, encode
from domain.rtfs.compiler.linking import MAX_CHARACTERS, MAX_MODULES
from domain.rtfs.importing import check_module
from domain.rtfs.program import compile_program
from domain.rtfs.types import Type, coerce, infer, parse_type, print_type


class TaskInvalid(InvalidInput):
    """Correct the field of the task file that the message names."""

    code = "task.invalid"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelChoice(_Part):
    """Which model plans, and how often it may try."""

    name: str = Field("default", max_length=64)
    max_attempts: int = Field(3, ge=1, le=20)


class Limits(_Part):
    """What a run may use. The first limit reached ends it."""

    seconds: float = Field(300, gt=0, le=31_536_000)
    """Active time; waiting for a person and being paused do not count."""
    tokens: int = Field(100_000, ge=0)
    usd: float = Field(1.0, ge=0, allow_inf_nan=False)
    tool_calls: int = Field(1_000, ge=0, le=1_000_000)


DEFAULT_LIMITS: Final = Limits()


class LimitsFile(_Part):
    """Limits as a task file names them; what it leaves out is the deployment's default."""

    seconds: float | None = Field(None, gt=0, le=31_536_000)
    tokens: int | None = Field(None, ge=0)
    usd: float | None = Field(None, ge=0, allow_inf_nan=False)
    tool_calls: int | None = Field(None, ge=0, le=1_000_000)

    def over(self, defaults: Limits) -> Limits:
        """Give these limits, and the defaults for the rest."""
        return defaults.model_copy(update=self.model_dump(exclude_none=True))


CacheLevel = Literal["L1", "L2", "L3", "L4"]


class CacheChoice(_Part):
    """Which levels may answer, within which namespace."""

    levels: tuple[CacheLevel, ...] = ()
    namespace: str = Field("default", pattern=r"^[A-Za-z0-9_-]{1,64}$")


class TaskFile(_Part):
    """A task as people write it. ``docs/tasks.md`` describes each field with an example."""

    goal: str = Field(min_length=1, max_length=100_000)
    inputs: dict[str, Any] = Field(default_factory=dict)
    input: str | None = None
    """RTFS type of ``inputs``; inferred when absent."""
    output: str = ":any"
    """RTFS type of the result."""
    tools: tuple[str, ...] = ()
    approvals: tuple[str, ...] = ()
    """Those of ``tools`` whose every call waits for a person."""
    plan: str | None = None
    modules: dict[str, str] = Field(default={})
    """Texts of the modules that the plan may import, by name; what they import themselves is among them."""
    agent: str | None = Field(None, max_length=128)
    """Name of the agent that pursues it, in place of a plan."""
    checks: tuple[str, ...] = ()
    """Postconditions: RTFS expressions over ``inputs`` and ``output`` that must be true."""
    model: ModelChoice = ModelChoice()
    limits: LimitsFile = LimitsFile()
    cache: CacheChoice = CacheChoice()

    @classmethod
    def read(cls, document: object) -> Self:
        """Read parsed YAML or JSON. Raises ``TaskInvalid`` that lists every wrong field."""
        if not isinstance(document, Mapping):
            raise TaskInvalid("a task is a map of fields (goal, inputs, output, tools, plan, ...); see docs/tasks.md")
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise TaskInvalid("\n".join(_describe(item) for item in error.errors())) from error


def _describe(item: Mapping[str, Any]) -> str:
    place, path = item["loc"], ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        allowed = list(_part_at(place[:-1]).model_fields)
        near = get_close_matches(str(place[-1]), allowed, n=1)
        return f"{path}: no such field; {f'did you mean {near[0]}? ' if near else ''}allowed here: {', '.join(allowed)}"
    if item["type"] == "missing":
        return f"{path}: it is missing"
    if item["type"] == "model_type":
        return f"{path}: expected a map of {', '.join(_part_at(place).model_fields)}, found {str(item['input'])[:80]!r}"
    return f"{path}: {item['msg']} (found {repr(item['input'])[:80]})"


def _part_at(place: Sequence[str | int]) -> type[BaseModel]:
    """The part of a task file that stands at this place."""
    part: type[BaseModel] = TaskFile
    for name in place:
        part = type(part.model_fields[str(name)].default)
    return part


class Task(_Part):
    """A task that was accepted: types are canonical, inputs are encoded values of the input type."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    goal: str
    inputs: Any
    input: str
    output: str
    tools: tuple[str, ...]
    approvals: tuple[str, ...]
    plan: str | None
    ADDED: ClassVar[frozenset[str]] = frozenset({"agent", "modules"})
    """As of events: left out of what is written while it holds its default."""
    agent: str | None = None
    modules: dict[str, str] = Field(default={})
    checks: tuple[str, ...]
    model: ModelChoice
    limits: Limits
    cache: CacheChoice

    @property
    def input_type(self) -> Type:
        """Type of ``inputs``."""
        return parse_type(self.input)

    @property
    def output_type(self) -> Type:
        """Type of the result."""
        return parse_type(self.output)

    @property
    def input_values(self) -> Value:
        """The inputs, decoded."""
        return decode(self.inputs)

    @property
    def inputs_by_name(self) -> dict[str, Value]:
        """The same by plain names."""
        inputs = self.input_values
        assert isinstance(inputs, dict), "a task's inputs are a map"
        return {key.name if isinstance(key, Keyword) else str(key): value for key, value in inputs.items()}


class ForkPoint(BaseModel):
    """Where a run leaves another: it inherits what the first events of its parent settled."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    run: str
    """Id of the parent, of the same tenant."""
    at: int
    """How many of its events count, from the first."""
    digest: str
    """Of those events as stored (``domain/runs/inheritance.py``): a parent that has others is not this one's."""


LONGEST_COMPARED: Final = 80
"""Characters of an unknown name that are compared with the known ones."""


def accept(
    file: TaskFile, known_tools: Collection[str], default_limits: Limits, known_agents: Collection[str] = ()
) -> Task:
    """Settle a task file: types parsed, inputs typed, checks compiled, tools known. Raises ``TaskInvalid``."""
    # A task keeps its types as text, so an inferred one must be readable too.
    input_type = _settle("input", lambda: parse_type(file.input or print_type(infer(file.inputs))))
    output_type = _settle("output", lambda: parse_type(file.output))
    inputs = _settle("inputs", lambda: encode(coerce(file.inputs, input_type)))
    _check_tools(file, known_tools)
    _check_agent(file, known_agents)
    _check_modules(file)
    for number, check in enumerate(file.checks):
        _settle(f"checks.{number}", lambda check=check: compile_check(check, input_type, output_type))
    return Task(
        goal=file.goal,
        inputs=inputs,
        input=print_type(input_type),
        output=print_type(output_type),
        tools=file.tools,
        approvals=file.approvals,
        plan=file.plan,
        agent=file.agent,
        modules=file.modules,
        checks=file.checks,
        model=file.model,
        limits=file.limits.over(default_limits),
        cache=file.cache,
    )


def compile_check(check: str, input_type: Type, output_type: Type) -> bytes:
    """Module of one postcondition; it has no effects. Raises ``CompileError``."""
    parameters = {"inputs": input_type, "output": output_type}
    return compile_program(check, parameters=parameters, output=None, capabilities={}).module


def _settle(field: str, settle: Any) -> Any:
    try:
        return settle()
    except PrecedentError as error:
        raise TaskInvalid(f"{field}: {error}") from error


def _check_agent(file: TaskFile, known: Collection[str]) -> None:
    if file.agent is None:
        return
    if file.plan is not None:
        raise TaskInvalid("agent: a task brings a plan or names an agent, not both; remove one of them")
    if file.agent not in known:
        near = " or ".join(get_close_matches(file.agent[:LONGEST_COMPARED], known, n=3))
        meant = f"did you mean {near}? " if near else ""
        raise TaskInvalid(f"agent: {file.agent!r} is no agent here; {meant}see `precedent agents ls`")


def _check_modules(file: TaskFile) -> None:
    """Compile each once, so that what is wrong in one is told before anything runs."""
    if file.modules and file.agent is not None:
        raise TaskInvalid("modules: an agent imports none; remove them, or bring a plan")
    if (size := sum(map(len, file.modules.values()))) > MAX_CHARACTERS or len(file.modules) > MAX_MODULES:
        limits = f"at most {MAX_MODULES} and {MAX_CHARACTERS} characters in all"
        raise TaskInvalid(f"modules: {len(file.modules)} of {size} characters are too many; {limits}")
    for name in file.modules:
        _settle(f"modules.{name[:LONGEST_COMPARED]}", lambda name=name: check_module(name, file.modules))


def _check_tools(file: TaskFile, known: Collection[str]) -> None:
    for name in file.tools:
        if name not in known:
            near = " or ".join(get_close_matches(name[:LONGEST_COMPARED], known, n=3))
            meant = f"did you mean {near}? " if near else ""
            raise TaskInvalid(f"tools: {name!r} is no tool here; {meant}see `precedent tools ls`")
    for name in file.approvals:
        if name not in file.tools:
            raise TaskInvalid(f"approvals: {name!r} is not among the task's tools")
