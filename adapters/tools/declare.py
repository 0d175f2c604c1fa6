"""Declares a Python function as a tool: its types, documentation and limits follow from this one place."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from adapters.tools.context import ToolContext
from adapters.tools.signatures import Convert, shape_of
from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value
from domain.rtfs.capability import Capability, EffectMode, Parameter, kebab
from domain.rtfs.types import TypeMismatch, coerce, mismatch, print_type
from domain.tools import Isolation, ToolDeclaration, ToolNotDeclarable, Upcast, Volatility

F = TypeVar("F", bound=Callable[..., Any])

_DECLARED = "__precedent_tool__"
_CONTAINERS = (list, dict)
_WAITS = {"thread": False, "sandbox": True}
_UNLIMITED_KINDS = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD, inspect.Parameter.POSITIONAL_ONLY)


class ArgumentsRefused(PrecedentError):
    """Call the tool with the arguments that it declares; the message says which one is wrong."""

    code = "tool.arguments"


@dataclass(frozen=True, slots=True)
class Tool:
    """A declaration with the function behind it."""

    declaration: ToolDeclaration
    function: Callable[..., Any]
    names: Mapping[str, str]
    """Name of an argument -> name of the function's parameter."""
    loads: Mapping[str, Convert]
    """Name of an argument -> what makes the function's own type of it; absent where nothing is to be done."""
    dump: Convert | None
    takes_context: bool
    waits: bool = False
    """Whether it is a coroutine function."""
    gives_copies: bool = False
    """Whether what it returns is held by nobody else, so that it need not be copied."""

    def arguments(self, given: Mapping[str, Value]) -> dict[str, Any]:
        """Give the keyword arguments of the function. Raises `ArgumentsRefused`."""
        prepared: dict[str, Any] = {}
        for parameter in self.declaration.capability.parameters:
            name = parameter.name
            if name not in given:
                if parameter.required:
                    self._refuse_unknown(given)  # a misspelt name explains what is missing
                    raise ArgumentsRefused(f"{self._asked()} lacks {name}: {print_type(parameter.type)}")
                continue
            value = given[name]
            # Containers are copied, because a tool may change what it is given and values never change.
            if isinstance(value, _CONTAINERS) or mismatch(value, parameter.type) is not None:
                value = self._coerced(name, value, parameter)
            load = self.loads.get(name)
            prepared[self.names[name]] = load(value) if load else value
        if len(prepared) < len(given):
            self._refuse_unknown(given)
        return prepared

    def _refuse_unknown(self, given: Mapping[str, Value]) -> None:
        unknown = ", ".join(sorted(name for name in given if name not in self.names))
        if unknown:
            raise ArgumentsRefused(f"{self.declaration.name} has no parameter {unknown}; it takes {self._taken()}")

    def _coerced(self, name: str, value: Value, parameter: Parameter) -> Value:
        try:
            return coerce(value, parameter.type)
        except TypeMismatch as error:
            raise ArgumentsRefused(f"{self._asked()}: argument {name}: {error}") from error

    def _asked(self) -> str:
        return f"{self.declaration.name} ({', '.join(each.name for each in self.declaration.capability.parameters)})"

    def _taken(self) -> str:
        parameters = self.declaration.capability.parameters
        return ", ".join(f"{each.name} {print_type(each.type)}" for each in parameters) or "none"


def tool(
    name: str,
    *,
    effects: EffectMode,
    version: str = "1",
    timeout: float = 30.0,
    idempotent: bool = False,
    isolation: Isolation | None = None,
    momentary: bool = False,
    data: str | None = None,
    volatility: Volatility | None = None,
    tags: tuple[str, ...] = (),
    upcast: Mapping[str, Upcast] | None = None,
) -> Callable[[F], F]:
    """Declare the function below as a tool; a method keeps state in its instance, which is its run's own.

    The function itself stays as it is.

    `timeout` is in seconds. An async function runs in the event loop, any other in a thread of its own;
    `isolation="in-process"` runs a plain function in the event loop too, which is right only if it never waits
    (nothing can interrupt it). `momentary` is for what depends on clock, randomness or network: a replay never calls
    it again. `data` names the family of data that it reads or writes, and `volatility` how soon its answers may change:
    they say whether the cache may give an answer again (docs/caching.md). `upcast` has, by earlier version, a pure
    function from its result to one of this version, with which runs of then replay under the tool of now. Raises
    `ToolNotDeclarable`.
    """

    def declare_it(function: F) -> F:
        declared = declare(
            function,
            name,
            effects=effects,
            version=version,
            timeout=timeout,
            idempotent=idempotent,
            isolation=isolation,
            momentary=momentary,
            data=data,
            volatility=volatility,
            tags=tags,
            upcast=upcast,
        )
        setattr(function, _DECLARED, declared)
        return function

    return declare_it


def declare(
    function: Callable[..., Any],
    name: str,
    *,
    effects: EffectMode,
    version: str = "1",
    timeout: float = 30.0,
    idempotent: bool = False,
    isolation: Isolation | None = None,
    stateful: bool = False,
    momentary: bool = False,
    data: str | None = None,
    volatility: Volatility | None = None,
    tags: tuple[str, ...] = (),
    upcast: Mapping[str, Upcast] | None = None,
) -> Tool:
    """Make a tool of a function or bound method, as `tool` does, without marking it."""
    if upcast and version in upcast:
        raise ToolNotDeclarable(f"{name}: upcast is for earlier versions; {version} is the present one")
    document = inspect.getdoc(function)
    if not document:
        raise ToolNotDeclarable(f"{name}: give the function a docstring; planners and people choose tools by it")
    hints = _hints(function, name)
    signature = list(inspect.signature(function).parameters.values())
    if signature and signature[0].name == "self":  # a method of a class, of which every run has an instance of its own
        stateful, signature = True, signature[1:]
    takes_context = bool(signature) and hints.get(signature[0].name) is ToolContext
    shapes = {}
    parameters = []
    for parameter in signature[1:] if takes_context else signature:
        shapes[parameter.name] = shape_of(
            _annotation(parameter, hints, name), result=False, where=f"{name}, parameter {parameter.name}"
        )
        required = parameter.default is inspect.Parameter.empty
        parameters.append(Parameter(kebab(parameter.name), shapes[parameter.name].type, required))
    if "return" not in hints:
        raise ToolNotDeclarable(f"{name}: annotate what it returns (None for nothing)")
    waits = inspect.iscoroutinefunction(function)
    if isolation is not None and waits is not _WAITS.get(isolation, waits):
        raise ToolNotDeclarable(f"{name}: isolation {isolation!r} needs {'a plain' if waits else 'an async'} function")
    result = shape_of(hints["return"], result=True, where=f"{name}, result")
    return Tool(
        declaration=ToolDeclaration(
            capability=Capability(name, version, effects, tuple(parameters), result.type, document),
            timeout=timeout,
            idempotent=idempotent,
            isolation=isolation or ("in-process" if waits else "thread"),
            stateful=stateful,
            momentary=momentary,
            data=data,
            volatility=volatility,
            tags=tags,
            upcasts=upcast or {},
        ),
        function=function,
        names={kebab(name): name for name in shapes},
        loads={kebab(name): shape.load for name, shape in shapes.items() if shape.load},
        dump=result.dump,
        takes_context=takes_context,
        waits=waits,
    )


def declared_tool(function: object) -> Tool | None:
    """Give the tool that a function was declared as, if it was."""
    found = getattr(function, _DECLARED, None)
    return found if isinstance(found, Tool) else None


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function)
    except NameError as error:
        raise ToolNotDeclarable(f"{name}: an annotation cannot be read ({error}); import it at the top") from error


def _annotation(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> Any:
    if parameter.kind in _UNLIMITED_KINDS:
        raise ToolNotDeclarable(f"{name}: parameter {parameter} has no name to call it by; name each parameter")
    if parameter.name not in hints:
        raise ToolNotDeclarable(f"{name}: annotate the parameter {parameter.name}; its type is checked at every call")
    return hints[parameter.name]
