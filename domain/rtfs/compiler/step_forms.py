"""The `step` family: named parts of a plan, choices, loops, and effects side by side.

Options stand before the rest, as ``(step-parallel :merge-policy :overwrite …)``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.kernel.values import Keyword, Value
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.choice_forms import choose, constant, if_form, library
from domain.rtfs.compiler.destructuring import Steps, hold
from domain.rtfs.compiler.expressions import (
    Choose,
    Clause,
    Constant,
    Expression,
    LibraryCall,
    Loop,
    MakeFunction,
    MakeMap,
    MakeVector,
    Parallel,
    Read,
    Recur,
    Step,
    Test,
)
from domain.rtfs.compiler.function_forms import make
from domain.rtfs.compiler.inference import map_type
from domain.rtfs.compiler.scope import Definition, Group, Scope, Variable
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, VectorNode, moved
from domain.rtfs.reader import read
from domain.rtfs.source import Span
from domain.rtfs.types import ANY, INT, NEVER, NIL, Record, Tuple, Vector

_POLICIES: Final = {
    "keep-existing": "keep-existing",
    "parent-wins": "keep-existing",
    "overwrite": "overwrite",
    "child-wins": "overwrite",
    "merge": "merge",
}
"""Spellings of the merge policies: the first map wins, the last map wins, or both go together."""

_DEEP_MERGE: Final = """
(fn deep [left right]
  (cond (and (map? left) (map? right))
        (reduce (fn [all key] (assoc all key (if (contains? all key)
                                               (deep (get all key) (get right key))
                                               (get right key))))
                left (keys right))
        (and (vector? left) (vector? right)) (concat left right)
        :else right))"""

_NAMES: Final = "name"
_IGNORED: Final = ("expose-context", "expose_context", "context-keys", "context_keys")
"""Options of the specification about a context that programs here do not have: their inputs are all they are given."""


def step(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(step "name" body…)``: a named part of the plan."""
    items = node.items
    if len(items) < 2 or not (isinstance(items[1], Literal) and isinstance(items[1].value, Keyword | str)):
        analyzer.fail("`step` takes a name and a body", node.span, '(step "fetch" (call :http.get url))')
    name = items[1].value.name if isinstance(items[1].value, Keyword) else items[1].value
    _, body_nodes = _options(analyzer, items[2:], ())
    body = analyzer.body(body_nodes, scope, node.span)
    return Step(name, body, node.span, body.type)


def step_if(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(step-if condition then else?)``."""
    options, items = _options(analyzer, node.items[1:], (_NAMES,))
    return _named(if_form(analyzer, ListNode((node.items[0], *items), node.span), scope), options)


def step_loop(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(step-loop condition body)``: the body for as long as the condition holds; gives its last value, or nil."""
    options, items = _options(analyzer, node.items[1:], (_NAMES, "max-iterations"))
    span = node.span
    if len(items) != 2:
        hint = "(step-loop :max-iterations 5 (call :queue.waiting) (call :queue.next))"
        analyzer.fail("`step-loop` takes a condition and a body", span, hint)
    result, turn = Variable(" result", scope.definition, ANY), Variable(" turn", scope.definition, INT)
    with analyzer.target(None):
        condition = analyzer.expression(items[0], scope)
        body = analyzer.expression(items[1], scope)
    most = options.get("max-iterations")
    variables: tuple[Variable, ...] = (result,)
    first: tuple[Expression, ...] = (Constant(None, span, NIL),)
    going: Expression = Recur((body,), span, NEVER)
    if most is not None:
        if type(most) is not int or most < 1:
            analyzer.fail(":max-iterations takes a number above 0", span, "(step-loop :max-iterations 5 …)")
        count = Read(turn, span, INT)
        again = Recur((body, library("inc", count, span=span)), span, NEVER)
        below = library("<", count, constant(most, span), span=span)
        going = choose([Clause((Test(below),), again)], _still_going(most, span), span)
        variables, first = (result, turn), (*first, constant(0, span))
    turns = choose([Clause((Test(condition),), going)], Read(result, span, ANY), span)
    return _named(Loop(variables, first, turns, span, ANY), options)


def _still_going(most: int, span: Span) -> Expression:
    message = constant(f"the condition of this `step-loop` still holds after {most} iterations", span)
    kind = constant(Keyword("iterations-exceeded"), span)
    return LibraryCall(FUNCTIONS["error"], (kind, message), span, NEVER)


def step_parallel(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(step-parallel expression…)``: the values of expressions whose effects go on side by side, as a vector.

    ``(step-parallel {:name expression …})`` gives a map of the same names. With a merge policy the values are maps,
    which are merged into one in the order of the text, whichever lane was the first to end.
    """
    options, items = _options(analyzer, node.items[1:], (_NAMES, "merge-policy", "merge_policy"))
    span = node.span
    named = items[0] if len(items) == 1 and isinstance(items[0], MapNode) and items[0].pairs else None
    keys = _keys(analyzer, named) if named is not None else []
    nodes = [value for _, value in named.pairs] if named is not None else items
    lanes = tuple([_lane(analyzer, each, scope) for each in nodes])
    policy = options.get("merge-policy", options.get("merge_policy"))
    if policy is not None:
        return _named(_merged(analyzer, lanes, policy, scope, span), options)
    if not lanes:
        return MakeVector((), span, Vector(NIL))
    values = _parallel(lanes, span)
    if named is None:
        return _named(values, options)
    steps: Steps = []
    held = hold(values, scope, steps)
    pairs = tuple((key, _value(held, place, lane)) for place, (key, lane) in enumerate(zip(keys, lanes, strict=True)))
    made = MakeMap(pairs, span, map_type(pairs))
    return _named(Choose((Clause(tuple(steps), made),), None, span, made.type), options)


def _parallel(lanes: tuple[MakeFunction, ...], span: Span) -> Parallel:
    return Parallel(lanes, span, Tuple(tuple(lane.definition.result for lane in lanes)))


def _value(held: Read, place: int, lane: MakeFunction) -> Expression:
    arguments = (held, constant(place, lane.span))
    return LibraryCall(FUNCTIONS["get"], arguments, lane.span, lane.definition.result)


def _keys(analyzer: Analyzer, named: MapNode) -> list[Constant]:
    keys: list[Constant] = []
    for key, _ in named.pairs:
        if not (isinstance(key, Literal) and isinstance(key.value, Keyword | str)):
            analyzer.fail("lanes are named by keywords or strings", key.span, "(step-parallel {:a (call :x)})")
        if any(key.value == other.value for other in keys):
            analyzer.fail("two lanes have the same name", key.span)
        keys.append(constant(key.value, key.span))
    return keys


def _merged(analyzer: Analyzer, lanes: tuple[MakeFunction, ...], policy: Value, scope: Scope, span: Span) -> Expression:
    name = _POLICIES.get(_text(policy).replace("_", "-"))
    if name is None:
        hint = ":keep-existing (the first value of a key stays), :overwrite (the last one does) or :merge"
        analyzer.fail("this is no merge policy", span, hint)
    if not lanes:
        return Constant({}, span, Record((), NEVER))
    steps: Steps = []
    held = hold(_parallel(lanes, span), scope, steps)
    values = [_value(held, place, lane) for place, lane in enumerate(lanes)]
    made: Expression
    if name == "merge":
        deep = analyzer.expression(moved(read(_DEEP_MERGE)[0], span), Scope(scope.definition))
        # Each value is looked at as a map, so that what is none is told as an error of this step.
        maps = [analyzer.library_call(FUNCTIONS["merge"], (value,), span) for value in values]
        every = MakeVector(tuple(maps), span, Vector(ANY))
        made = analyzer.library_call(FUNCTIONS["reduce"], (deep, every), span)
    else:
        ordered = values if name == "overwrite" else values[::-1]
        made = analyzer.library_call(FUNCTIONS["merge"], tuple(ordered), span)
    return Choose((Clause(tuple(steps), made),), None, span, made.type)


def _text(value: Value) -> str:
    return value.name if isinstance(value, Keyword) else value if isinstance(value, str) else ""


def _lane(analyzer: Analyzer, node: Node, scope: Scope) -> MakeFunction:
    definition = Definition("", scope.definition, Group(scope.definition))
    with analyzer.target(0):
        definition.body = analyzer.expression(node, Scope(definition, scope))
    definition.result = definition.body.type
    return make(definition, node.span)


def _options(
    analyzer: Analyzer, nodes: Sequence[Node], known: Sequence[str]
) -> tuple[dict[str, Value], tuple[Node, ...]]:
    """Read the options that stand before the rest; their values are written out."""
    items = tuple(nodes)
    options: dict[str, Value] = {}
    while len(items) > 1 and isinstance(items[0], Literal) and isinstance(items[0].value, Keyword):
        name = items[0].value.name
        if name not in known and name not in _IGNORED:
            break
        value = items[1]
        if isinstance(value, Literal):
            options[name] = value.value
        elif not (isinstance(value, VectorNode) and name in _IGNORED):
            analyzer.fail(f"the value of :{name} is written out", value.span)
        items = items[2:]
    return options, items


def _named(expression: Expression, options: dict[str, Value]) -> Expression:
    name = options.get("name")
    return expression if name is None else Step(_text(name), expression, expression.span, expression.type)
