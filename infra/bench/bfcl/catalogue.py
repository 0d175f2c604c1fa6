"""What the package's classes offer, as capabilities: names, types, effects and documentation follow from the source.

`VehicleControlAPI.fillFuelTank` is the tool `vehicle-control-api.fillFuelTank`, `GorillaFileSystem.rmdir` is
`gorilla-file-system.rmdir` with the parameter `:dir-name`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.kernel.errors import NotFound
from domain.rtfs.capability import Capability, Parameter, kebab
from domain.rtfs.types import ANY, BOOL, FLOAT, INT, NIL, STRING, MapOf, Type, Vector, union
from domain.tools import ToolDeclaration
from infra.bench.bfcl.corpus import Corpus
from infra.bench.bfcl.effects import Finding, examine
from infra.bench.bfcl.isolation import FOLDER, MODULES, Sources

SECONDS: Final = 10.0
"""Timeout of a call; the slowest takes some milliseconds."""

_NUMBER: Final = union(INT, FLOAT)
_PRIMITIVES: Final[Mapping[Any, Type]] = {str: STRING, int: INT, bool: BOOL, type(None): NIL, float: _NUMBER}
"""`float` takes integers too (PEP 484), and they stay integers, because the package's results show the difference."""

_CONTRADICTED: Final[Mapping[tuple[str, str], Type]] = {("close_ticket", "ticket_id"): union(INT, STRING)}
"""Annotations that the ground truth contradicts: some configurations number their tickets ``ticket_001``."""


class NoSuchMethod(NotFound):
    """Check the entry's classes: none of them has the method that its ground truth calls."""

    code = "bench.no-such-method"


@dataclass(frozen=True, slots=True)
class Method:
    """One public method of a class, and the tool it is."""

    class_name: str
    name: str
    names: Mapping[str, str]
    """Name of the tool's parameter -> the method's, in order."""
    declaration: ToolDeclaration
    reads_clock: bool

    @property
    def tool(self) -> str:
        """Name of the tool."""
        return self.declaration.name


class Catalogue:
    """Every method of every class, by class and name."""

    def __init__(self, corpus: Corpus, sources: Sources) -> None:
        """Read the classes of this package."""
        isolated = sources.isolate(long_context=False)
        self.classes: dict[str, dict[str, Method]] = {}
        for class_name, module in MODULES.items():
            findings = examine(corpus.root / FOLDER / f"{module}.py", class_name)
            class_ = isolated.type(class_name)
            self.classes[class_name] = {
                name: _describe(class_, name, finding, corpus.release) for name, finding in findings.items()
            }

    def methods(self, classes: Sequence[str]) -> list[Method]:
        """All methods of these classes."""
        return [method for class_name in classes for method in self.classes[class_name].values()]

    def resolve(self, classes: Sequence[str], name: str) -> Method:
        """What a plain call means in an entry with these classes. Raises ``NoSuchMethod``."""
        for class_name in reversed(classes):
            if method := self.classes[class_name].get(name):
                return method
        raise NoSuchMethod(f"none of the classes {', '.join(classes)} has a method {name!r}")


def _describe(class_: type[Any], name: str, finding: Finding, release: str) -> Method:
    function = getattr(class_, name)
    signature = list(inspect.signature(function).parameters.values())[1:]
    hints = typing.get_type_hints(function)
    parameters = tuple(
        Parameter(
            kebab(one.name),
            _CONTRADICTED.get((name, one.name)) or type_of(hints.get(one.name, Any)),
            one.default is inspect.Parameter.empty,
        )
        for one in signature
    )
    tool = f"{_words(class_.__name__)}.{kebab(name)}"
    # Results are `:any`: what the methods return often is not what they are annotated with (error maps, `None`).
    capability = Capability(tool, release, finding.effects, parameters, ANY, inspect.getdoc(function) or name)
    return Method(
        class_name=class_.__name__,
        name=name,
        names={kebab(one.name): one.name for one in signature},
        declaration=ToolDeclaration(
            capability=capability,
            timeout=SECONDS,
            # Nothing outside the run's own objects changes, and those are made anew from the journal.
            idempotent=True,
            isolation="in-process",
            stateful=True,
            tags=("bfcl",),
        ),
        reads_clock=finding.reads_clock,
    )


def _words(class_name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", class_name).lower()


def type_of(annotation: Any) -> Type:
    """Give the type of a parameter's annotation; ``:any`` where it says nothing clear."""
    if annotation in _PRIMITIVES:
        return _PRIMITIVES[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Union:
        return union(*(type_of(argument) for argument in arguments))
    if origin is list and arguments:
        return Vector(type_of(arguments[0]))
    if origin is dict and arguments:
        return MapOf(type_of(arguments[0]), type_of(arguments[1]))
    return ANY
