"""Forms that choose: `if` and its kin, `cond`, `case`, `match`, `and`, `or`."""

from __future__ import annotations

from collections.abc import Sequence

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.destructuring import Steps, bind, check_name, hold, without_keys
from domain.rtfs.compiler.expressions import (
    AllOf,
    AnyOf,
    Bind,
    Choose,
    Clause,
    Constant,
    Expression,
    LibraryCall,
    Read,
    Test,
)
from domain.rtfs.compiler.inference import literal_type
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.compiler.type_names import is_type, type_at
from domain.rtfs.compiler.type_tests import type_test
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.source import Span
from domain.rtfs.types import BOOL, NEVER, NIL, union


def choose(clauses: Sequence[Clause], otherwise: Expression | None, span: Span) -> Choose:
    """Make a choice; its type is that of any of its bodies."""
    bodies = [clause.body.type for clause in clauses] + ([otherwise.type] if otherwise is not None else [])
    return Choose(tuple(clauses), otherwise, span, union(*bodies))


def nil(span: Span) -> Constant:
    """Make the constant nil."""
    return Constant(None, span, NIL)


def library(name: str, *arguments: Expression, span: Span) -> LibraryCall:
    """Apply a function of the library to what is known to fit."""
    entry = FUNCTIONS[name]
    return LibraryCall(entry, arguments, span, entry.type.result)


def constant(value: Keyword | str | int, span: Span) -> Constant:
    """Make a constant."""
    return Constant(value, span, literal_type(value))


def negate(condition: Expression) -> Expression:
    """Turn a condition around."""
    return LibraryCall(FUNCTIONS["not"], (condition,), condition.span, BOOL)


def if_form(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(if condition then else?)``."""
    items = node.items
    if len(items) not in (3, 4):
        analyzer.fail(f"`{_name(node)}` takes a condition and one or two branches", node.span, "(if (> x 0) :yes :no)")
    condition = analyzer.expression(items[1], scope)
    if _name(node) == "if-not":
        condition = negate(condition)
    then = analyzer.expression(items[2], scope)
    otherwise = analyzer.expression(items[3], scope) if len(items) == 4 else nil(node.span)
    return choose([Clause((Test(condition),), then)], otherwise, node.span)


def when_form(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(when condition body…)`` and ``(when-not condition body…)``."""
    if len(node.items) < 3:
        analyzer.fail(f"`{_name(node)}` takes a condition and a body", node.span, "(when (> x 0) x)")
    condition = analyzer.expression(node.items[1], scope)
    if _name(node) == "when-not":
        condition = negate(condition)
    body = analyzer.body(node.items[2:], scope, node.span)
    return choose([Clause((Test(condition),), body)], nil(node.span), node.span)


def if_let(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(if-let [name value] then else?)`` and ``(when-let [name value] body…)``."""
    items = node.items
    if len(items) < 3 or not isinstance(items[1], VectorNode) or len(items[1].items) != 2:
        analyzer.fail(f"`{_name(node)}` takes one binding in brackets and a body", node.span, "(when-let [x (:a m)] x)")
    inner = scope.inner()
    steps: Steps = []
    held = hold(analyzer.expression(items[1].items[1], scope), scope, steps)
    steps.append(Test(held))
    bind(analyzer, items[1].items[0], held, inner, steps)
    if _name(node) == "when-let":
        body, otherwise = analyzer.body(items[2:], inner, node.span), nil(node.span)
        return choose([Clause(tuple(steps), body)], otherwise, node.span)
    if len(items) > 4:
        analyzer.fail("`if-let` takes one or two branches", node.span)
    then = analyzer.expression(items[2], inner)
    last = analyzer.expression(items[3], scope) if len(items) == 4 else nil(node.span)
    return choose([Clause(tuple(steps), then)], last, node.span)


def cond(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(cond condition value … :else value)``."""
    items = node.items[1:]
    if len(items) % 2 or not items:
        analyzer.fail("`cond` takes conditions and values in pairs", node.span, "(cond (> x 0) :above :else :below)")
    clauses: list[Clause] = []
    for condition, value in zip(items[::2], items[1::2], strict=True):
        tested = analyzer.expression(condition, scope)
        if isinstance(tested, Constant) and tested.value is not None and tested.value is not False:
            return choose(clauses, analyzer.expression(value, scope), node.span)
        clauses.append(Clause((Test(tested),), analyzer.expression(value, scope)))
    return choose(clauses, nil(node.span), node.span)


def and_form(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(and value…)``."""
    items = analyzer.expressions(node.items[1:], scope)
    if len(items) < 2:
        return items[0] if items else Constant(True, node.span, BOOL)  # noqa: FBT003  # the value of (and)
    return AllOf(items, node.span, union(*(item.type for item in items)))


def or_form(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(or value…)``."""
    items = analyzer.expressions(node.items[1:], scope)
    if len(items) < 2:
        return items[0] if items else nil(node.span)
    return AnyOf(items, node.span, union(*(item.type for item in items)))


def case(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(case value literal result … default?)``; a list of literals stands for any of them."""
    items = node.items
    if len(items) < 3:
        analyzer.fail("`case` takes a value and choices", node.span, "(case x :a 1 :b 2 0)")
    steps: Steps = []
    subject = hold(analyzer.expression(items[1], scope), scope, steps)
    choices = items[2:]
    clauses: list[Clause] = []
    for literal, value in zip(choices[::2], choices[1::2], strict=False):
        literals = literal.items if isinstance(literal, ListNode) else (literal,)
        tests = [library("=", subject, analyzer.expression(each, scope), span=each.span) for each in literals]
        test: Expression = tests[0] if len(tests) == 1 else AnyOf(tuple(tests), literal.span, BOOL)
        clauses.append(Clause((Test(test),), analyzer.expression(value, scope)))
    otherwise = analyzer.expression(choices[-1], scope) if len(choices) % 2 else no_match("case", node.span)
    chosen = choose(clauses, otherwise, node.span)
    return Choose((Clause(tuple(steps), chosen),), None, node.span, chosen.type)


def no_match(form: str, span: Span) -> Expression:
    """Make the error of a choice in which nothing fits."""
    message = constant(f"no clause of this `{form}` fits the value", span)
    return LibraryCall(FUNCTIONS["error"], (constant(Keyword("no-match"), span), message), span, NEVER)


def match(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(match value pattern body pattern when guard body …)``."""
    items = list(node.items[2:])
    if len(node.items) < 4:
        analyzer.fail(
            "`match` takes a value and clauses", node.span, '(match x 0 "none" n when (> n 9) "many" _ "some")'
        )
    first: Steps = []
    subject = hold(analyzer.expression(node.items[1], scope), scope, first)
    clauses: list[Clause] = []
    while items:
        inner = scope.inner()
        steps: Steps = []
        pattern = items.pop(0)
        match_pattern(analyzer, pattern, subject, inner, steps)
        if items and isinstance(items[0], Symbol) and items[0].name == "when":
            del items[0]
            if not items:
                analyzer.fail("`when` takes a guard", pattern.span)
            steps.append(Test(analyzer.expression(items.pop(0), inner)))
        if not items:
            analyzer.fail(
                "this pattern has no body", pattern.span, "clauses are: pattern body, or pattern when guard body"
            )
        clauses.append(Clause(tuple(steps), analyzer.expression(items.pop(0), inner)))
    chosen = choose(clauses, no_match("match", node.span), node.span)
    return Choose((Clause(tuple(first), chosen),), None, node.span, chosen.type)


def match_pattern(analyzer: Analyzer, pattern: Node, value: Read, scope: Scope, steps: Steps) -> None:
    """Add the steps that test a value against a pattern and bind its names."""
    span = pattern.span
    if isinstance(pattern, Literal):
        steps.append(Test(library("=", value, analyzer.expression(pattern, scope), span=span)))
    elif isinstance(pattern, Symbol):
        check_name(analyzer, pattern)
        if pattern.name != "_":
            steps.append(Bind(scope.bind(pattern, value.type), value))
    elif isinstance(pattern, VectorNode) and is_type(analyzer, pattern, scope):
        steps.append(Test(type_test(value, type_at(analyzer, pattern, scope), span)))
    elif isinstance(pattern, VectorNode):
        _match_vector(analyzer, pattern, value, scope, steps)
    elif isinstance(pattern, MapNode):
        _match_map(analyzer, pattern, value, scope, steps)
    elif isinstance(pattern, ListNode) and len(pattern.items) in (2, 3):
        _match_list(analyzer, pattern, value, scope, steps)
    else:
        analyzer.fail(
            "this is no pattern", span, "patterns: literal, name, _, [a & b], {:key a}, (:int n), (:as name pattern)"
        )


def _match_list(analyzer: Analyzer, pattern: ListNode, value: Read, scope: Scope, steps: Steps) -> None:
    """``(:as name pattern)`` names what a pattern fits; ``(:int n)`` fits a type."""
    head, name = pattern.items[0], pattern.items[1]
    if not isinstance(name, Symbol):
        analyzer.fail("a name is expected here", name.span, "(:as name pattern) or (:int name)")
    if isinstance(head, Literal) and head.value is Keyword("as"):
        if len(pattern.items) != 3:
            analyzer.fail("`:as` takes a name and a pattern", pattern.span, "(:as whole [a b])")
        match_pattern(analyzer, name, value, scope, steps)
        match_pattern(analyzer, pattern.items[2], value, scope, steps)
        return
    if len(pattern.items) != 2:
        analyzer.fail("a type pattern is a type and a name", pattern.span, "(:int n)")
    expected = type_at(analyzer, head, scope)
    steps.append(Test(type_test(value, expected, pattern.span)))
    narrowed = Read(value.variable, value.span, expected)
    match_pattern(analyzer, name, narrowed, scope, steps)


def _match_vector(analyzer: Analyzer, pattern: VectorNode, value: Read, scope: Scope, steps: Steps) -> None:
    items = pattern.items
    rest: Node | None = None
    for place, item in enumerate(items):
        if isinstance(item, Symbol) and item.name == "&":
            if place != len(items) - 2:
                analyzer.fail("`&` is followed by one name", item.span, "[a b & others]")
            rest, items = items[-1], items[:place]
            break
    span = pattern.span
    steps.append(Test(library("vector?", value, span=span)))
    compare = "=" if rest is None else ">="
    count = library("count", value, span=span)
    steps.append(Test(library(compare, count, constant(len(items), span), span=span)))
    for place, item in enumerate(items):
        part = hold(library("get", value, constant(place, item.span), span=item.span), scope, steps)
        match_pattern(analyzer, item, part, scope, steps)
    if rest is not None:
        others = hold(library("drop", constant(len(items), span), value, span=rest.span), scope, steps)
        match_pattern(analyzer, rest, others, scope, steps)


def _match_map(analyzer: Analyzer, pattern: MapNode, value: Read, scope: Scope, steps: Steps) -> None:
    steps.append(Test(library("map?", value, span=pattern.span)))
    for key, target in pattern.pairs:
        if isinstance(key, Symbol) and key.name == "&":
            others = hold(without_keys(analyzer, pattern, value, key.span), scope, steps)
            match_pattern(analyzer, target, others, scope, steps)
            continue
        if not (isinstance(key, Literal) and isinstance(key.value, Keyword | str | int)):
            analyzer.fail("the keys of a map pattern are literals", key.span, "{:name n :age a}")
        if key.value is Keyword("keys") and isinstance(target, VectorNode):
            bind(analyzer, MapNode(((key, target),), target.span), value, scope, steps)
            continue
        wanted = constant(key.value, key.span)
        steps.append(Test(library("contains?", value, wanted, span=key.span)))
        part = hold(library("get", value, wanted, span=target.span), scope, steps)
        match_pattern(analyzer, target, part, scope, steps)


def _name(node: ListNode) -> str:
    head = node.items[0]
    return head.name if isinstance(head, Symbol) else ""
