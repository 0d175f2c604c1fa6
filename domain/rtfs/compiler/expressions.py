"""A program with its names resolved and its forms reduced to few: what analysis gives and generation takes.

Nothing changes an expression, but they are not frozen: a program has thousands, and making a frozen one takes three
times as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from domain.kernel.values import Value
from domain.rtfs.bytecode.module import EffectSignature
from domain.rtfs.functions import Entry
from domain.rtfs.source import Span
from domain.rtfs.types import Type

if TYPE_CHECKING:
    from domain.rtfs.compiler.scope import Definition, Variable


@dataclass(slots=True, eq=False)
class Constant:
    """A literal, or a collection of nothing but literals."""

    value: Value
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Read:
    """The value of a variable of this function (captured ones are variables of it too)."""

    variable: Variable
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class LibraryFunction:
    """A function of the library as a value."""

    entry: Entry
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Sibling:
    """The value of a function defined together with this one."""

    definition: Definition
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Call:
    """A function value applied."""

    function: Expression
    arguments: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class SiblingCall:
    """A function defined together with this one applied; the rest arguments are still apart."""

    definition: Definition
    arguments: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class LibraryCall:
    """A function of the library applied."""

    entry: Entry
    arguments: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Effect:
    """A capability called; arguments by number of the parameter."""

    effect: EffectSignature
    arguments: tuple[tuple[int, Expression], ...]
    span: Span
    type: Type
    hints: dict[Any, Value] | None = None


@dataclass(slots=True, eq=False)
class MakeVector:
    """A vector with parts to be worked out."""

    items: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class MakeMap:
    """A map with parts to be worked out, in the order of the text."""

    pairs: tuple[tuple[Expression, Expression], ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Test:
    """A step of a clause that must be true for the clause to go on."""

    condition: Expression


@dataclass(slots=True, eq=False)
class Bind:
    """A step of a clause that names a value."""

    variable: Variable
    value: Expression


@dataclass(slots=True, eq=False)
class Clause:
    """Steps, one after the other, then a body."""

    steps: tuple[Test | Bind, ...]
    body: Expression


@dataclass(slots=True, eq=False)
class Choose:
    """The body of the first clause whose tests are all true: `let`, `if`, `cond`, `match` and their kin."""

    clauses: tuple[Clause, ...]
    otherwise: Expression | None
    """``None`` when the last clause has no tests."""
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class AllOf:
    """``and``: the first value that is not true, else the last."""

    items: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class AnyOf:
    """``or``: the first true value, else the last."""

    items: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Sequence:
    """``do``: the value of the last."""

    items: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class MakeFunction:
    """A function value."""

    definition: Definition
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Loop:
    """Variables with their first values, and a body that may go on with others."""

    variables: tuple[Variable, ...]
    first: tuple[Expression, ...]
    body: Expression
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Recur:
    """Go on with the loop, or with the function, with these values."""

    values: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Try:
    """A body whose error is bound to a variable for the handler."""

    body: Expression
    variable: Variable
    handler: Expression
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Cast:
    """A value that must be of a type."""

    value: Expression
    span: Span
    type: Type
    reason: str = ""
    """Why it must, for messages at compile time."""


@dataclass(slots=True, eq=False)
class Parallel:
    """Functions without parameters, each run in a lane."""

    lanes: tuple[Expression, ...]
    span: Span
    type: Type


@dataclass(slots=True, eq=False)
class Step:
    """A named part of a plan; its name is told by the source map only."""

    name: str
    body: Expression
    span: Span
    type: Type


Expression: TypeAlias = (
    Constant
    | Read
    | LibraryFunction
    | Sibling
    | Call
    | SiblingCall
    | LibraryCall
    | Effect
    | MakeVector
    | MakeMap
    | Choose
    | AllOf
    | AnyOf
    | Sequence
    | MakeFunction
    | Loop
    | Recur
    | Try
    | Cast
    | Parallel
    | Step
)
