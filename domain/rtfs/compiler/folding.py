"""Constant folding: what is known before the program runs is worked out once, by the functions of the library itself.

Folding changes neither values nor errors nor effects. What fails is left to fail where it stands; a branch that can
never be taken goes only if nothing in it reaches the world, so that the effect row of a program does not depend on
how much of it was worked out; and nothing is worked out that takes long or becomes large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, get_args

from domain.rtfs.compiler.dropping import Reach, parts_of
from domain.rtfs.compiler.expressions import (
    AllOf,
    AnyOf,
    Bind,
    Cast,
    Choose,
    Clause,
    Constant,
    Expression,
    LibraryCall,
    LibraryFunction,
    MakeFunction,
    MakeMap,
    MakeVector,
    Read,
    Sequence,
    Test,
    Try,
)
from domain.rtfs.compiler.scope import Definition, Variable
from domain.rtfs.functions import Applying, Entry
from domain.rtfs.functions.items import KEYS
from domain.rtfs.functions.predicates import truthy
from domain.rtfs.metering import Fault, Limits, Meter
from domain.rtfs.types import mismatch, widen

MAX_CELLS: Final = 64
"""Cells of a value that folding may put into a module in place of what gives it."""

_LIMITS: Final = Limits(fuel=2_000, memory=2_000, depth=10, output=MAX_CELLS)
_PROGRAM_FUEL: Final = 100_000
"""For all the folding of one program."""

_FAILURES: Final = (Fault, TypeError, ValueError, AttributeError, KeyError, IndexError, OverflowError, RecursionError)

_UNICODE: Final = frozenset({"upper", "lower", "trim", "split-lines", "parse-int", "parse-float", "int", "float"})
"""Functions that look characters up in Python's Unicode tables, which differ between releases."""

_ENGINE: Final = frozenset({"re-find", "re-matches", "re-seq"})
"""Functions of an engine whose version must not decide what the bytes of a module are."""

_NO_CODE: Final = (Constant, Read, LibraryFunction)


def fold_program(main: Definition) -> None:
    """Fold every function that a program reaches, in place."""
    folding = _Folding()
    folding.reached(main)
    # The list grows while functions make or call further ones.
    for definition in folding.definitions:
        folding.definition(definition)


class _Folding:
    def __init__(self) -> None:
        self.known: dict[Variable, Constant] = {}
        """Variables that hold constants."""
        self.definitions: list[Definition] = []
        """Functions in the order in which they are come to; one after the other, so that long chains are not deep."""
        self.seen: set[Definition] = set()
        self.reach = Reach()
        self.fuel = _PROGRAM_FUEL

    def reached(self, definition: Definition) -> None:
        """Note a function that is to be folded."""
        if definition not in self.seen:
            self.seen.add(definition)
            self.definitions.append(definition)

    def definition(self, definition: Definition) -> None:
        """Fold a function, which knows the constants that it captures."""
        sources = definition.group.sources if definition.group is not None else ()
        for place, variable in definition.inner.items():
            source = sources[place] if place < len(sources) else None
            if isinstance(source, Constant):
                self.known[variable] = source
        if definition.body is not None:
            definition.body = self.fold(definition.body)

    def fold(self, expression: Expression) -> Expression:
        """Give an expression of the same meaning, with all that is known worked out."""
        if isinstance(expression, Read):
            known = self.known.get(expression.variable)
            return expression if known is None else Constant(known.value, expression.span, known.type)
        special = _FOLDS.get(type(expression))
        if special is not None:
            return special(self, expression)
        folded: Expression = self.parts(expression)
        return folded

    def parts(self, expression: Any) -> Any:
        """Fold the expressions that another one is made of."""
        changed = {}
        for name in parts_of(type(expression)):
            part = getattr(expression, name)
            folded = self.part(part)
            if folded is not part:
                changed[name] = folded
        return replace(expression, **changed) if changed else expression

    def part(self, part: Any) -> Any:
        if type(part) is tuple:
            items = tuple([self.part(item) for item in part])
            return part if all(old is new for old, new in zip(part, items, strict=True)) else items
        if isinstance(part, Definition):
            self.reached(part)
            return part
        return self.fold(part) if type(part) in _EXPRESSIONS else part

    def function(self, expression: MakeFunction) -> Expression:
        """Fold what a function captures; its body comes later."""
        group = expression.definition.group
        assert group is not None
        group.sources = tuple([self.fold(source) for source in group.sources])
        self.reached(expression.definition)
        return expression

    def library_call(self, expression: LibraryCall) -> Expression:
        folded: LibraryCall = self.parts(expression)
        values = _constants(folded.arguments)
        if values is None or isinstance(folded.entry.implementation, Applying):
            return folded
        return self.worked_out(folded, lambda meter: _applied(folded.entry, meter, values))

    def cast(self, expression: Cast) -> Expression:
        folded: Cast = self.parts(expression)
        values = _constants((folded.value,))
        if values is None:
            return folded
        value = widen(values[0], folded.type)
        return folded if mismatch(value, folded.type) is not None else Constant(value, folded.span, folded.type)

    def vector(self, expression: MakeVector) -> Expression:
        folded: MakeVector = self.parts(expression)
        values = _constants(folded.items)
        return folded if values is None else self.worked_out(folded, lambda _: values)

    def map(self, expression: MakeMap) -> Expression:
        folded: MakeMap = self.parts(expression)
        keys, values = _constants(key for key, _ in folded.pairs), _constants(value for _, value in folded.pairs)
        if keys is None or values is None or not all(type(key) in KEYS for key in keys):
            return folded
        return self.worked_out(folded, lambda _: dict(zip(keys, values, strict=True)))

    def worked_out(self, expression: Expression, work: Callable[[Meter], Any]) -> Expression:
        """Give the constant that an expression comes to; itself, when that fails, takes long or is large."""
        meter = Meter(_LIMITS, min(_LIMITS.fuel, self.fuel), 0)
        before = meter.fuel
        try:
            value = work(meter)
            cells = meter.walk(value, leaving=True)
        except _FAILURES:
            return expression
        finally:
            self.fuel -= 1 + before - max(0, meter.fuel)
        return expression if cells > MAX_CELLS else Constant(value, expression.span, expression.type)

    def any_or_all(self, expression: AllOf | AnyOf) -> Expression:
        """Leave out what cannot be the value, and what comes after what surely is."""
        stops = isinstance(expression, AnyOf)
        items = [self.fold(item) for item in expression.items]
        kept: list[Expression] = []
        for place, item in enumerate(items):
            last = place == len(items) - 1
            if not isinstance(item, Constant) or last:
                kept.append(item)
            elif truthy(item.value) is stops:
                if not self.reach.droppable(items[place + 1 :]):
                    return replace(expression, items=tuple(items))
                kept.append(item)
                break
        return kept[0] if len(kept) == 1 else replace(expression, items=tuple(kept))

    def sequence(self, expression: Sequence) -> Expression:
        *first, last = [self.fold(item) for item in expression.items]
        kept = [item for item in first if not isinstance(item, _NO_CODE)]
        return replace(expression, items=(*kept, last)) if kept else last

    def attempt(self, expression: Try) -> Expression:
        body, handler = self.fold(expression.body), self.fold(expression.handler)
        if isinstance(body, Constant) and self.reach.droppable((handler,)):
            return body
        return replace(expression, body=body, handler=handler)

    def choose(self, expression: Choose) -> Expression:
        """Leave out clauses that are never taken, and all that comes after one that always is."""
        clauses = [self.clause(clause) for clause in expression.clauses]
        otherwise = None if expression.otherwise is None else self.fold(expression.otherwise)
        kept: list[Clause] = []
        for place, clause in enumerate(clauses):
            certain, steps = _decided(clause)
            after = [*clauses[place + 1 :], *([otherwise] if otherwise is not None else [])]
            if certain is False and not steps and self.reach.droppable((clause,)):
                continue
            if certain is True and self.reach.droppable(after):
                kept.append(Clause(steps, clause.body))
                return _chosen(expression, kept, None)
            kept.append(Clause(steps, clause.body) if certain is None else clause)
        return _chosen(expression, kept, otherwise)

    def clause(self, clause: Clause) -> Clause:
        steps: list[Test | Bind] = []
        for step in clause.steps:
            if isinstance(step, Test):
                steps.append(Test(self.fold(step.condition)))
                continue
            value = self.fold(step.value)
            if isinstance(value, Constant):
                self.known[step.variable] = value
                if step.variable.name == "_" or step.variable.name.startswith(" "):
                    continue  # a variable that has a name is shown where a recorded run is looked into
            steps.append(Bind(step.variable, value))
        return Clause(tuple(steps), self.fold(clause.body))


def _decided(clause: Clause) -> tuple[bool | None, tuple[Test | Bind, ...]]:
    """Tell whether a clause is surely taken or surely not, and which of its steps are left to be done before."""
    steps: list[Test | Bind] = []
    certain: bool | None = True
    for step in clause.steps:
        if isinstance(step, Test) and isinstance(step.condition, Constant):
            if not truthy(step.condition.value):
                return False, tuple(steps)
        else:
            certain = None if isinstance(step, Test) else certain
            steps.append(step)
    return certain, tuple(steps)


def _chosen(expression: Choose, clauses: list[Clause], otherwise: Expression | None) -> Expression:
    """Make what is left of a choice."""
    if not clauses:
        return otherwise if otherwise is not None else expression
    if len(clauses) == 1 and otherwise is None and _does_nothing(clauses[0]):
        return clauses[0].body
    return replace(expression, clauses=tuple(clauses), otherwise=otherwise)


def _does_nothing(clause: Clause) -> bool:
    """Tell whether only the body of a clause matters."""
    return not clause.steps or (
        isinstance(clause.body, Constant)
        and all(isinstance(step, Bind) and isinstance(step.value, _NO_CODE) for step in clause.steps)
    )


def _constants(expressions: Iterable[Expression]) -> list[Any] | None:
    """Give the values of constants; none unless all are."""
    values = []
    for each in expressions:
        if not isinstance(each, Constant):
            return None
        values.append(each.value)
    return values


def _applied(entry: Entry, meter: Meter, values: list[Any]) -> Any:
    if entry.name in _ENGINE:
        raise ValueError
    if entry.name in _UNICODE and not all(value.isascii() for value in values if type(value) is str):
        raise ValueError
    implementation = entry.binary if entry.binary is not None and len(values) == 2 else entry.implementation
    assert callable(implementation)
    # What is looked at costs, too: one text could be named a thousand times.
    meter.spend(1 + sum(len(value) >> 3 for value in values if type(value) in (str, list, dict)))
    return implementation(meter, *values) if entry.metered else implementation(*values)


_EXPRESSIONS: Final = frozenset(get_args(Expression))

_FOLDS: Final[dict[type, Callable[[_Folding, Any], Expression]]] = {
    Constant: lambda _, expression: expression,
    LibraryCall: _Folding.library_call,
    MakeFunction: _Folding.function,
    MakeVector: _Folding.vector,
    MakeMap: _Folding.map,
    Cast: _Folding.cast,
    AllOf: _Folding.any_or_all,
    AnyOf: _Folding.any_or_all,
    Sequence: _Folding.sequence,
    Try: _Folding.attempt,
    Choose: _Folding.choose,
}
"""What is more than the sum of its parts."""
