"""Forms that name values: `let`, definitions, loops."""

from __future__ import annotations

from collections.abc import Sequence

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.destructuring import Steps, bind_value, check_name
from domain.rtfs.compiler.expressions import Choose, Clause, Expression, Loop, Read, Recur
from domain.rtfs.compiler.scope import Scope, Variable
from domain.rtfs.compiler.type_names import is_type, type_at
from domain.rtfs.nodes import ListNode, MapNode, Node, Symbol, VectorNode
from domain.rtfs.types import ANY, NEVER, Type


def let(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(let [pattern value …] body…)``."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail("`let` takes bindings in brackets and a body", node.span, "(let [x 1 y 2] (+ x y))")
    inner = scope.inner()
    steps: Steps = []
    for pattern, annotation, value in bindings(analyzer, node.items[1], scope):
        bind_value(analyzer, pattern, annotation, analyzer.expression(value, inner), inner, steps)
    body = analyzer.body(node.items[2:], inner, node.span)
    return Choose((Clause(tuple(steps), body),), None, node.span, body.type)


def bindings(analyzer: Analyzer, node: VectorNode, scope: Scope) -> list[tuple[Node, Type | None, Node]]:
    """Cut bindings into pattern, annotation and value; an annotation is a type between the two."""
    items = node.items
    found: list[tuple[Node, Type | None, Node]] = []
    place = 0
    annotated = _annotations(analyzer, items, scope)
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


def _annotations(analyzer: Analyzer, items: Sequence[Node], scope: Scope) -> dict[int, Type]:
    """Find where bindings are annotated: only where they cannot be read as plain pairs."""
    fits = [False] * (len(items) + 3)
    fits[len(items)] = True
    width: dict[int, int] = {}
    for place in range(len(items) - 2, -1, -1):
        if not isinstance(items[place], Symbol | VectorNode | MapNode):
            continue
        for each in (2, 3):
            if fits[place + each] and (each == 2 or is_type(analyzer, items[place + 1], scope)):
                fits[place] = True
                width[place] = each
                break
    found: dict[int, Type] = {}
    place = 0
    while place in width and fits[0]:
        if width[place] == 3:
            found[place] = type_at(analyzer, items[place + 1], scope)
        place += width[place]
    return found


def stray_definition(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """Refuse `def` and `defn` where no body could use the name."""
    analyzer.fail("definitions stand at the top or in a body", node.span, "use `let` to name a value here")


def stray_import(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """Refuse modules, imports and exports below the top."""
    hint = "(import …) stands at the top of a program or module, (export …) within (module …)"
    analyzer.fail("modules are put together at the top of a text", node.span, hint)


def loop(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(loop [name value …] body…)``, gone on with by `recur`."""
    if len(node.items) < 3 or not isinstance(node.items[1], VectorNode):
        analyzer.fail(
            "`loop` takes bindings in brackets and a body", node.span, "(loop [i 0] (if (< i 3) (recur (inc i)) i))"
        )
    inner = scope.inner()
    variables: list[Variable] = []
    first: list[Expression] = []
    given = bindings(analyzer, node.items[1], scope)
    for pattern, _, value in given:
        first.append(analyzer.expression(value, inner))
        if isinstance(pattern, Symbol):
            check_name(analyzer, pattern)
            variables.append(inner.bind(pattern, ANY))
        else:
            variables.append(Variable(" part", scope.definition, ANY))
    # Each turn checks and takes apart what it is given anew.
    turn = inner.inner()
    steps: Steps = []
    for (pattern, annotation, _), variable in zip(given, variables, strict=True):
        if annotation is not None or not isinstance(pattern, Symbol):
            bind_value(analyzer, pattern, annotation, Read(variable, pattern.span, ANY), turn, steps)
    with analyzer.target(len(variables)):
        body = analyzer.body(node.items[2:], turn, node.span)
    if steps:
        body = Choose((Clause(tuple(steps), body),), None, node.span, body.type)
    return Loop(tuple(variables), tuple(first), body, node.span, body.type)


def recur(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(recur value…)``."""
    values = analyzer.expressions(node.items[1:], scope)
    if not analyzer.targets or analyzer.targets[-1] is None:
        analyzer.fail("`recur` stands outside of any loop or function", node.span, "(loop [i 0] … (recur (inc i)))")
    if len(values) != analyzer.targets[-1]:
        analyzer.fail(f"`recur` gives {len(values)} values, {analyzer.targets[-1]} are taken", node.span)
    return Recur(values, node.span, NEVER)
