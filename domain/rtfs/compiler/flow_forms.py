"""Forms that are short for others: threading, comprehensions, functions made of functions."""

from __future__ import annotations

from collections.abc import Sequence

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import LIBRARY, Analyzer
from domain.rtfs.compiler.choice_forms import choose, library, nil
from domain.rtfs.compiler.destructuring import Steps, bind, check_name
from domain.rtfs.compiler.expressions import Bind, Choose, Clause, Constant, Expression, MakeVector, Read, Test
from domain.rtfs.compiler.function_forms import make
from domain.rtfs.compiler.scope import Definition, Group, Scope, Variable
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.nodes import ListNode, Literal, Node, Symbol, VectorNode
from domain.rtfs.source import Span
from domain.rtfs.types import ANY, NIL, Vector

_THREADED = " threaded"
"""Cannot be written in a source, so that it hides no name."""


def thread(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(-> value (f a) g)``: the value goes first in each call; with ``->>`` it goes last.

    Each step names its value for the next, so that long chains are not deep.
    """
    if len(node.items) < 2:
        analyzer.fail("this takes a value and calls", node.span, "(-> 1 inc (+ 2))")
    name = node.items[0]
    last = isinstance(name, Symbol) and name.name == "->>"
    value = analyzer.expression(node.items[1], scope)
    steps: list[Test | Bind] = []
    for each in node.items[2:]:
        inner = scope.inner()
        steps.append(Bind(inner.bind(Symbol(_THREADED, each.span), value.type), value))
        value = analyzer.expression(_threaded(each, last=last), inner)
    if not steps:
        return value
    return Choose((Clause(tuple(steps), value),), None, node.span, value.type)


def _threaded(node: Node, *, last: bool) -> ListNode:
    value = Symbol(_THREADED, node.span)
    if not isinstance(node, ListNode) or not node.items:
        return ListNode((node, value), node.span)
    head, *others = node.items
    return ListNode((head, *others, value) if last else (head, value, *others), node.span)


def thread_as(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(as-> value name expression…)``: each expression sees under the name what the one before it gave."""
    name = node.items[2] if len(node.items) > 2 else node
    if not isinstance(name, Symbol):
        analyzer.fail("`as->` takes a value, a name and expressions", name.span, "(as-> 1 x (+ x 1) [x x])")
    check_name(analyzer, name)
    value = analyzer.expression(node.items[1], scope)
    steps: list[Test | Bind] = []
    for each in node.items[3:]:
        inner = scope.inner()
        steps.append(Bind(inner.bind(name, value.type), value))
        value = analyzer.expression(each, inner)
    return Choose((Clause(tuple(steps), value),), None, node.span, value.type) if steps else value


def thread_some(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(some-> value (f a) g)``: like `->`, but ends with nil at the first value that is nil."""
    if len(node.items) < 2:
        analyzer.fail("this takes a value and calls", node.span, "(some-> {:a {:b 1}} :a :b inc)")
    name = node.items[0]
    last = isinstance(name, Symbol) and name.name == "some->>"
    value = analyzer.expression(node.items[1], scope)
    steps: list[Test | Bind] = []
    for each in node.items[2:]:
        inner = scope.inner()
        variable = inner.bind(Symbol(_THREADED, each.span), value.type)
        steps.append(Bind(variable, value))
        steps.append(Test(library("some?", Read(variable, each.span, value.type), span=each.span)))
        value = analyzer.expression(_threaded(each, last=last), inner)
    return choose([Clause(tuple(steps), value)], nil(node.span), node.span) if steps else value


def comprehension(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(for [x xs :when condition :let [y …] z zs] body)``, and `doseq`, which gives nil."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail("this takes bindings in brackets and a body", node.span, "(for [x [1 2] :when (odd? x)] (* x x))")
    parts = node.items[1].items
    if len(parts) % 2 or not parts or isinstance(parts[0], Literal):
        analyzer.fail("bindings are [name collection …]", node.items[1].span, "(for [x [1 2]] x)")
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    effects_only = isinstance(node.items[0], Symbol) and node.items[0].name == "doseq"
    values = _comprehend(analyzer, pairs, node.items[2:], scope, node)
    if not effects_only:
        return values
    step = Bind(Variable("_", scope.definition, values.type), values)
    return Choose((Clause((step,), Constant(None, node.span, NIL)),), None, node.span, NIL)


Pairs = list[tuple[Node, Node]]


def _comprehend(analyzer: Analyzer, pairs: Pairs, body: Sequence[Node], scope: Scope, node: ListNode) -> Expression:
    """Give a vector of the values: the innermost collection is mapped, outer ones and conditions join vectors."""
    if not pairs:
        value = analyzer.body(body, scope, node.span)
        return MakeVector((value,), node.span, Vector(value.type))
    (pattern, source), *others = pairs
    if not isinstance(pattern, Literal):
        collection = analyzer.expression(source, scope)
        definition = Definition("", scope.definition, Group(scope.definition))
        parameter = Variable(" item", definition, ANY)
        definition.parameters.append(parameter)
        inner = Scope(definition, scope)
        steps: Steps = []
        bind(analyzer, pattern, Read(parameter, pattern.span, ANY), inner, steps)
        with analyzer.target(1):
            direct = not others
            result = (
                analyzer.body(body, inner, node.span) if direct else _comprehend(analyzer, others, body, inner, node)
            )
        definition.result = result.type
        definition.body = Choose((Clause(tuple(steps), result),), None, node.span, result.type)
        function = make(definition, node.span)
        return analyzer.library_call(FUNCTIONS["map" if direct else "mapcat"], (function, collection), node.span)
    return _qualify(analyzer, pattern, source, (others, body), scope, node)


def _qualify(
    analyzer: Analyzer, key: Literal, source: Node, inside: tuple[Pairs, Sequence[Node]], scope: Scope, node: ListNode
) -> Expression:
    others, body = inside
    if key.value is Keyword("when"):
        condition = analyzer.expression(source, scope)
        values = _comprehend(analyzer, others, body, scope, node)
        return choose([Clause((Test(condition),), values)], MakeVector((), key.span, Vector(ANY)), node.span)
    if key.value is Keyword("let") and isinstance(source, VectorNode):
        inner = scope.inner()
        steps: Steps = []
        for pattern, value in zip(source.items[::2], source.items[1::2], strict=False):
            bind(analyzer, pattern, analyzer.expression(value, inner), inner, steps)
        values = _comprehend(analyzer, others, body, inner, node)
        return Choose((Clause(tuple(steps), values),), None, node.span, values.type)
    return analyzer.fail("this is no binding", key.span, "a name, :when condition or :let [name value]")


def dotimes(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(dotimes [i n] body…)``: the body for 0 up to n; nil."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode) or len(node.items[1].items) != 2:
        analyzer.fail("`dotimes` takes a name and a number in brackets", node.span, "(dotimes [i 3] (call :log i))")
    name, count = node.items[1].items
    span = node.span
    items = ListNode((_function("range", span), count), span)
    return comprehension(
        analyzer, ListNode((Symbol("doseq", span), VectorNode((name, items), span), *node.items[2:]), span), scope
    )


def function_of_functions(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(partial f a…)``, ``(comp f g)``, ``(complement f)``, ``(constantly x)``."""
    span = node.span
    head = node.items[0]
    kind = head.name if isinstance(head, Symbol) else ""
    if len(node.items) < 2:
        analyzer.fail(f"`{kind}` takes at least one argument", span)
    # The parts are worked out once, when the function is made.
    names = [Symbol(f" part {number}", span) for number in range(len(node.items) - 1)]
    inner = scope.inner()
    steps: list[Test | Bind] = []
    for name, part in zip(names, node.items[1:], strict=True):
        value = analyzer.expression(part, scope)
        steps.append(Bind(inner.bind(name, value.type), value))
    definition = Definition("", scope.definition, Group(scope.definition))
    within = Scope(definition, inner)
    definition.rest = within.bind(Symbol(" others", span), Vector(ANY))
    definition.body = analyzer.expression(_applied(kind, names, span), within)
    made = make(definition, span)
    return Choose((Clause(tuple(steps), made),), None, span, made.type)


def _function(name: str, span: Span) -> Symbol:
    return Symbol(LIBRARY + name, span)


def _applied(kind: str, names: list[Symbol], span: Span) -> Node:
    others = Symbol(" others", span)
    if kind == "constantly":
        return names[0]
    if kind == "complement":
        return ListNode((_function("not", span), ListNode((_function("apply", span), names[0], others), span)), span)
    if kind == "partial":
        return ListNode((_function("apply", span), *names, others), span)
    inner: Node = ListNode((_function("apply", span), names[-1], others), span)
    for name in reversed(names[:-1]):
        inner = ListNode((name, inner), span)
    return inner
