"""Capabilities drawn from a declared set: a `call` whose first argument is one of a few names that are known."""

from __future__ import annotations

from collections.abc import Iterable

from domain.kernel.values import Keyword, Value
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.expressions import Cast, Choose, Constant, Expression, Read, Step
from domain.rtfs.compiler.scope import Scope, outermost
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, Symbol
from domain.rtfs.types import Enum, Type, Union, Val, print_type

Name = Keyword | str


def one_of(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(one-of value :a :b)``: the value, which must be one of these literals."""
    if len(node.items) < 3:
        analyzer.fail("`one-of` takes a value and what it may be", node.span, "(one-of kind :a.b :c.d)")
    values: list[Value] = []
    for each in node.items[2:]:
        if not isinstance(each, Literal):
            analyzer.fail("what a value may be is written out", each.span, "(one-of kind :a.b :c.d)")
        values.append(each.value)
    by_text = {print_type(Val(value)): value for value in values}
    enum = Enum(tuple(by_text[text] for text in sorted(by_text)))
    return Cast(analyzer.expression(node.items[1], scope), node.span, enum)


def names_of(analyzer: Analyzer, expression: Expression) -> list[Name] | None:
    """Give the names that an expression can come to, in canonical order; none when these are not known."""
    found = _values(analyzer, expression)
    names: dict[str, Name] = {}
    for value in found or [None]:
        if not isinstance(value, Keyword | str):
            return None
        names[value.name if isinstance(value, Keyword) else value] = value
    return [names[name] for name in sorted(names)]


def _values(analyzer: Analyzer, expression: Expression) -> list[Value] | None:
    if isinstance(expression, Constant):
        return [expression.value]
    if isinstance(expression, Step):
        return _values(analyzer, expression.body)
    if isinstance(expression, Choose):
        bodies = [clause.body for clause in expression.clauses]
        bodies += [expression.otherwise] if expression.otherwise else []
        return _together(_values(analyzer, body) for body in bodies)
    if isinstance(expression, Read):
        bound = analyzer.values.get(outermost(expression.variable))
        if bound is not None:
            return _values(analyzer, bound)
    return _values_of_type(expression.type)


def _values_of_type(given: Type) -> list[Value] | None:
    if isinstance(given, Val):
        return [given.value]
    if isinstance(given, Enum):
        return list(given.values)
    return _together(_values_of_type(member) for member in given.members) if isinstance(given, Union) else None


def _together(parts: Iterable[list[Value] | None]) -> list[Value] | None:
    found: list[Value] = []
    for part in parts:
        if part is None:
            return None
        found.extend(part)
    return found


def arguments_once(nodes: tuple[Node, ...]) -> tuple[tuple[Node, ...], list[tuple[Symbol, Node]]]:
    """Name the arguments, so that they are worked out once for all capabilities; give how they are passed on."""
    given: list[tuple[Symbol, Node]] = []

    def name(node: Node) -> Symbol:
        symbol = Symbol(f" argument {len(given)}", node.span)
        given.append((symbol, node))
        return symbol

    if len(nodes) == 1 and isinstance(nodes[0], MapNode):
        pairs = tuple([(key, name(value)) for key, value in nodes[0].pairs])
        return (MapNode(pairs, nodes[0].span),), given
    return tuple([name(node) for node in nodes]), given
