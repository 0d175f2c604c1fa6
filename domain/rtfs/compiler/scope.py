"""Names and what they stand for; which function owns a variable, and how inner functions come to hold it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from domain.rtfs.compiler.expressions import Expression, Read, Sibling
from domain.rtfs.nodes import ListNode, Node, Symbol
from domain.rtfs.source import Span
from domain.rtfs.types import ANY, Type

if TYPE_CHECKING:
    from domain.rtfs.compiler.analysis import Analyzer


@dataclass(eq=False, slots=True)
class Variable:
    """A value of one function that has a name in the source. Two of the same name are different variables."""

    name: str
    owner: Definition
    type: Type


@dataclass(eq=False, slots=True)
class Group:
    """Functions defined together: they may call one another, and all hold the same captured values."""

    owner: Definition
    captured: list[ValueBinding] = field(default_factory=list)
    sources: tuple[Expression, ...] = ()
    """What the owner puts into the captured values, once all members are analysed."""


@dataclass(eq=False, slots=True)
class Named:
    """A name of a function of a group: a variable in its owner, a sibling within the group."""

    definition: Definition
    variable: Variable


@dataclass(eq=False, slots=True)
class Macro:
    """A name that stands for code which makes code, at compile time."""

    name: str
    parameters: tuple[Node, ...]
    body: tuple[Node, ...]
    scope: Scope
    """What the names that its templates bring in mean."""


@dataclass(eq=False, slots=True)
class Mark:
    """What one expansion of a macro puts on the names that its templates bring in.

    They are the same name only among themselves; what they do not bind means what it did where the macro was defined.
    """

    scope: Scope
    outer: Mark | None
    """The mark that the name had in the text of the macro, when that text was itself made by a macro."""


ValueBinding: TypeAlias = Variable | Named
"""Names that stand for values at run time."""


@dataclass(eq=False, slots=True)
class Special:
    """A name with a meaning of its own where it is called, read, or stands for a type."""

    called: Callable[[Analyzer, ListNode, Scope], Expression]
    read: Callable[[Analyzer, Symbol, Scope], Expression]
    type: Type | None = None


Binding: TypeAlias = ValueBinding | Macro | Special


@dataclass(eq=False)
class Definition:
    """One function of the program while it is analysed."""

    name: str
    parent: Definition | None
    group: Group | None
    parameters: list[Variable] = field(default_factory=list)
    rest: Variable | None = None
    inner: dict[int, Variable] = field(default_factory=dict)
    """Captured bindings: number within the group to this function's own variable."""
    body: Expression | None = None
    result: Type = ANY

    @property
    def captured(self) -> list[ValueBinding]:
        """What is captured, in the order of the registers."""
        assert self.group is not None
        return self.group.captured

    def capture(self, binding: ValueBinding) -> Variable:
        """Give this function's own variable for a binding of an outer function."""
        captured = self.captured
        place = next((place for place, each in enumerate(captured) if each is binding), len(captured))
        if place == len(captured):
            captured.append(binding)
        if place not in self.inner:
            variable = binding if isinstance(binding, Variable) else binding.variable
            self.inner[place] = Variable(variable.name, self, variable.type)
        return self.inner[place]

    def resolve(self, binding: ValueBinding, span: Span) -> Expression:
        """Give what reads a binding from within this function."""
        if isinstance(binding, Named):
            if self.group is not None and self.group is binding.definition.group:
                return Sibling(binding.definition, span, binding.variable.type)
            if binding.variable.owner is self:
                return Read(binding.variable, span, binding.variable.type)
        elif binding.owner is self:
            return Read(binding, span, binding.type)
        variable = self.capture(binding)
        return Read(variable, span, variable.type)


Key: TypeAlias = str | tuple[str, Mark]
"""A name, with its mark when it has one."""


class Scope:
    """The names that can be seen at one place."""

    def __init__(self, definition: Definition, outer: Scope | None = None) -> None:
        self.definition = definition
        self.outer = outer
        self.names: dict[Key, Binding] = {}

    def find(self, symbol: Symbol) -> Binding | None:
        """Give what a name stands for."""
        mark = mark_of(symbol)
        found = self._find(symbol.name if mark is None else (symbol.name, mark))
        while found is None and mark is not None:
            scope, mark = mark.scope, mark.outer
            found = scope._find(symbol.name if mark is None else (symbol.name, mark))  # noqa: SLF001  # one of its own
        return found

    def _find(self, key: Key) -> Binding | None:
        scope: Scope | None = self
        while scope is not None:
            if key in scope.names:
                return scope.names[key]
            scope = scope.outer
        return None

    def inner(self) -> Scope:
        """Make a scope within this one."""
        return Scope(self.definition, self)

    def bind(self, symbol: Symbol, type_: Type) -> Variable:
        """Name a new variable; an earlier one of the same name is hidden from here on."""
        variable = Variable(name_of(symbol), self.definition, type_)
        self.put(symbol, variable)
        return variable

    def put(self, symbol: Symbol, binding: Binding) -> None:
        """Let a name stand for something from here on."""
        self.names[key_of(symbol)] = binding

    def known(self) -> list[str]:
        """Give every name that can be seen."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.extend(key for key in scope.names if isinstance(key, str))
            scope = scope.outer
        return names


def name_of(symbol: Symbol) -> str:
    """Give the name of a variable: one that a macro brings in is the compiler's own, and so begins with a space."""
    return symbol.name if symbol.mark is None else f" {symbol.name}"


def outermost(variable: Variable) -> Variable:
    """Give the variable whose value a captured one holds."""
    while True:
        owner = variable.owner
        place = next((place for place, inner in owner.inner.items() if inner is variable), None)
        if place is None:
            return variable
        binding = owner.captured[place]
        variable = binding if isinstance(binding, Variable) else binding.variable


def mark_of(symbol: Symbol) -> Mark | None:
    """Give the mark of a name."""
    mark = symbol.mark
    assert mark is None or isinstance(mark, Mark)
    return mark


def key_of(symbol: Symbol) -> Key:
    """Give what a scope keeps a name under."""
    mark = mark_of(symbol)
    return symbol.name if mark is None else (symbol.name, mark)
