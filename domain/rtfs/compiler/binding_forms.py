"""Forms that name values: `let`, definitions, loops."""

from __future__ import annotations

from collections.abc import Sequence

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.destructuring import Steps, bind_value, check_name, hold, is_type
from domain.rtfs.compiler.expressions import (
    Bind,
    Choose,
    Clause,
    Constant,
    Expression,
    Loop,
    Read,
    Recur,
)
from domain.rtfs.compiler.expressions import Sequence as SequenceExpression
from domain.rtfs.compiler.function_forms import declare, define, make, signature
from domain.rtfs.compiler.scope import Definition, Group, Named, Scope, Variable
from domain.rtfs.nodes import ListNode, MapNode, Node, Symbol, VectorNode
from domain.rtfs.source import CompileError
from domain.rtfs.types import (
    ANY,
    NEVER,
    NIL,
    Type,
    type_of_node,
)


def let(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(let [pattern value …] body…)``."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail("`let` takes bindings in brackets and a body", node.span, "(let [x 1 y 2] (+ x y))")
    inner = scope.inner()
    steps: Steps = []
    for pattern, annotation, value in bindings(analyzer, node.items[1]):
        bind_value(analyzer, pattern, annotation, analyzer.expression(value, inner), inner, steps)
    body = analyzer.body(node.items[2:], inner, node.span)
    return Choose((Clause(tuple(steps), body),), None, node.span, body.type)


def bindings(analyzer: Analyzer, node: VectorNode) -> list[tuple[Node, Type | None, Node]]:
    """Cut bindings into pattern, annotation and value; an annotation is a type between the two."""
    items = node.items
    found: list[tuple[Node, Type | None, Node]] = []
    place = 0
    annotated = _annotations(analyzer, items)
    while place < len(items):
        pattern = items[place]
        if not isinstance(pattern, Symbol | VectorNode | MapNode):
            analyzer.fail("this is no name", pattern.span, "bindings are [name value name value …]")
        annotation = annotated.get(place)
        width = 2 if annotation is None else 3
        if place + width > len(items):
            analyzer.fail("this name has no value", pattern.span, "bindings are [name value name value …]")
        found.append((pattern, annotation, items[place + width - 1]))
        place += width
    return found


def _annotations(analyzer: Analyzer, items: Sequence[Node]) -> dict[int, Type]:
    """Find where bindings are annotated: only where they cannot be read as plain pairs."""
    fits = [False] * (len(items) + 3)
    fits[len(items)] = True
    width: dict[int, int] = {}
    for place in range(len(items) - 2, -1, -1):
        if not isinstance(items[place], Symbol | VectorNode | MapNode):
            continue
        for each in (2, 3):
            if fits[place + each] and (each == 2 or is_type(analyzer, items[place + 1])):
                fits[place] = True
                width[place] = each
                break
    found: dict[int, Type] = {}
    place = 0
    while place in width and fits[0]:
        if width[place] == 3:
            found[place] = type_of_node(items[place + 1], analyzer.source, CompileError)
        place += width[place]
    return found


def do(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(do expression… )``, where `def` and `defn` name things for what follows them."""
    nodes = node.items[1:]
    if not nodes:
        return Constant(None, node.span, NIL)
    if not any(_is_definition(each) for each in nodes):
        items = analyzer.expressions(nodes, scope)
        return items[0] if len(items) == 1 else SequenceExpression(items, node.span, items[-1].type)
    inner = scope.inner()
    steps: Steps = []
    place = 0
    while place < len(nodes):
        functions = _functions_from(nodes, place)
        each = nodes[place]
        if functions:
            _define_group(analyzer, functions, inner, steps)
            place += len(functions)
            continue
        if _is_definition(each):
            _define_value(analyzer, each, inner, steps)
        elif place < len(nodes) - 1:
            hold(analyzer.expression(each, inner), inner, steps)
        place += 1
    if _is_definition(nodes[-1]):
        bound = steps[-1]
        assert isinstance(bound, Bind)
        body: Expression = Read(bound.variable, nodes[-1].span, bound.variable.type)
    else:
        body = analyzer.expression(nodes[-1], inner)
    return Choose((Clause(tuple(steps), body),), None, node.span, body.type)


def _is_definition(node: Node) -> bool:
    return _head(node) in ("def", "defn")


def _head(node: Node) -> str:
    if isinstance(node, ListNode) and node.items and isinstance(node.items[0], Symbol):
        return node.items[0].name
    return ""


def _functions_from(nodes: Sequence[Node], place: int) -> list[ListNode]:
    found: list[ListNode] = []
    for node in nodes[place:]:
        if not (isinstance(node, ListNode) and _head(node) == "defn"):
            break
        found.append(node)
    return found


def _define_group(analyzer: Analyzer, nodes: list[ListNode], scope: Scope, steps: Steps) -> None:
    """Define functions that follow one another together, so that each may call each."""
    group = Group(scope.definition)
    definitions: list[Definition] = []
    names: list[Symbol] = []
    for node in nodes:
        name = node.items[1] if len(node.items) > 1 else node
        if not isinstance(name, Symbol):
            analyzer.fail("`defn` takes a name", name.span, "(defn name [x] (+ x 1))")
        check_name(analyzer, name)
        definition = Definition(name.name, scope.definition, group)
        declare(analyzer, definition, node.items[2:], node)
        variable = Variable(name.name, scope.definition, signature(definition))
        scope.put(name, Named(definition, variable))
        definitions.append(definition)
        names.append(name)
    for definition, node in zip(definitions, nodes, strict=True):
        define(analyzer, definition, node.items[2:], scope, node)
    for name, definition, node in zip(names, definitions, nodes, strict=True):
        named = scope.find(name)
        assert isinstance(named, Named)
        if named.definition is not definition:
            analyzer.fail(f"`{definition.name}` is defined twice", node.span)
        made = make(definition, node.span)
        named.variable.type = made.type
        steps.append(Bind(named.variable, made))


def _define_value(analyzer: Analyzer, node: Node, scope: Scope, steps: Steps) -> None:
    assert isinstance(node, ListNode)
    items = node.items
    if len(items) not in (3, 4) or not isinstance(items[1], Symbol):
        analyzer.fail("`def` takes a name and a value", node.span, "(def limit 10)")
    annotation = type_of_node(items[2], analyzer.source, CompileError) if len(items) == 4 else None
    bind_value(analyzer, items[1], annotation, analyzer.expression(items[-1], scope), scope, steps)


def stray_definition(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """Refuse `def` and `defn` where no body could use the name."""
    analyzer.fail("definitions stand at the top or in a body", node.span, "use `let` to name a value here")


def loop(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(loop [name value …] body…)``, gone on with by `recur`."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail(
            "`loop` takes bindings in brackets and a body", node.span, "(loop [i 0] (if (< i 3) (recur (inc i)) i))"
        )
    inner = scope.inner()
    variables: list[Variable] = []
    first: list[Expression] = []
    for pattern, _, value in bindings(analyzer, node.items[1]):
        if not isinstance(pattern, Symbol):
            analyzer.fail("`loop` names single values", pattern.span, "take apart with `let` in the body")
        check_name(analyzer, pattern)
        first.append(analyzer.expression(value, inner))
        variables.append(inner.bind(pattern, ANY))
    with analyzer.target(len(variables)):
        body = analyzer.body(node.items[2:], inner, node.span)
    return Loop(tuple(variables), tuple(first), body, node.span, body.type)


def recur(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(recur value…)``."""
    values = analyzer.expressions(node.items[1:], scope)
    if not analyzer.targets:
        analyzer.fail("`recur` stands outside of any loop or function", node.span, "(loop [i 0] … (recur (inc i)))")
    if len(values) != analyzer.targets[-1]:
        analyzer.fail(f"`recur` gives {len(values)} values, {analyzer.targets[-1]} are taken", node.span)
    return Recur(values, node.span, NEVER)
