"""Names and what they stand for; which function owns a variable, and how inner functions come to hold it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from domain.rtfs.compiler.expressions import Expression, Read, Sibling
from domain.rtfs.source import Span
from domain.rtfs.types import ANY, Type


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
    captured: list[Binding] = field(default_factory=list)
    sources: tuple[Expression, ...] = ()
    """What the owner puts into the captured values, once all members are analysed."""


@dataclass(eq=False, slots=True)
class Named:
    """A name of a function of a group: a variable in its owner, a sibling within the group."""

    definition: Definition
    variable: Variable


Binding: TypeAlias = Variable | Named


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
    def captured(self) -> list[Binding]:
        """What is captured, in the order of the registers."""
        assert self.group is not None
        return self.group.captured

    def capture(self, binding: Binding) -> Variable:
        """Give this function's own variable for a binding of an outer function."""
        captured = self.captured
        place = next((place for place, each in enumerate(captured) if each is binding), len(captured))
        if place == len(captured):
            captured.append(binding)
        if place not in self.inner:
            variable = binding if isinstance(binding, Variable) else binding.variable
            self.inner[place] = Variable(variable.name, self, variable.type)
        return self.inner[place]

    def resolve(self, binding: Binding, span: Span) -> Expression:
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


class Scope:
    """The names that can be seen at one place."""

    def __init__(self, definition: Definition, outer: Scope | None = None) -> None:
        self.definition = definition
        self.outer = outer
        self.names: dict[str, Binding] = {}

    def find(self, name: str) -> Binding | None:
        """Give what a name stands for."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None

    def inner(self) -> Scope:
        """Make a scope within this one."""
        return Scope(self.definition, self)

    def bind(self, name: str, type_: Type) -> Variable:
        """Name a new variable; an earlier one of the same name is hidden from here on."""
        variable = Variable(name, self.definition, type_)
        self.names[name] = variable
        return variable

    def known(self) -> list[str]:
        """Give every name that can be seen."""
        names: list[str] = []
        scope: Scope | None = self
        while scope is not None:
            names.extend(scope.names)
            scope = scope.outer
        return names
