"""Functions: `fn`, `#(…)`, and what `defn` shares with them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.destructuring import Steps, bind_value, check_name
from domain.rtfs.compiler.expressions import (
    Cast,
    Choose,
    Clause,
    Expression,
    MakeFunction,
    Read,
)
from domain.rtfs.compiler.scope import Definition, Group, Named, Scope, Variable, name_of
from domain.rtfs.compiler.type_names import is_type, type_at
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, ShorthandFn, Symbol, VectorNode
from domain.rtfs.source import Span
from domain.rtfs.types import (
    ANY,
    Function,
    Type,
    Vector,
)
from domain.rtfs.types.outline import outline


def function(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(fn name? [parameters] body…)``."""
    items = node.items[1:]
    name = items[0] if items and isinstance(items[0], Symbol) else None
    if name is not None:
        items = items[1:]
    inner = scope.inner()
    definition = Definition(name.name if name else "", scope.definition, Group(scope.definition))
    declare(analyzer, definition, items, node, scope)
    if name is not None:
        check_name(analyzer, name)
        # Only its own body sees the name, and there it is a sibling of itself.
        inner.put(name, Named(definition, Variable(name.name, scope.definition, signature(definition))))
    define(analyzer, definition, items, inner, node)
    return make(definition, node.span)


def make(definition: Definition, span: Span) -> MakeFunction:
    """Make the function value, once the whole group is analysed."""
    group = definition.group
    assert group is not None
    group.sources = tuple(group.owner.resolve(binding, span) for binding in group.captured)
    return MakeFunction(definition, span, signature(definition))


def signature(definition: Definition) -> Function:
    """Give the type of a function."""
    rest = ANY if definition.rest is not None else None
    return Function(tuple(parameter.type for parameter in definition.parameters), rest, definition.result)


def declare(analyzer: Analyzer, definition: Definition, items: Sequence[Node], node: ListNode, scope: Scope) -> None:
    """Read the parameters, so that others may call the function before its body is analysed."""
    if not items or not isinstance(items[0], VectorNode | MapNode) or len(items) < 2:
        analyzer.fail("a function takes parameters in brackets and a body", node.span, "(fn [x] (+ x 1))")
    for pattern, annotation, is_rest in _parameters(analyzer, items[0], scope):
        name = name_of(pattern) if isinstance(pattern, Symbol) else " taken apart"
        variable = Variable(name, definition, annotation or (Vector(ANY) if is_rest else ANY))
        if is_rest:
            definition.rest = variable
        else:
            definition.parameters.append(variable)


def _parameters(analyzer: Analyzer, node: Node, scope: Scope) -> list[tuple[Node, Type | None, bool]]:
    found: list[tuple[Node, Type | None, bool]] = []
    # A map alone stands for the one parameter that it takes apart.
    items = list(node.items) if isinstance(node, VectorNode) else [node]
    is_rest = False
    while items:
        pattern = items.pop(0)
        if isinstance(pattern, Symbol) and pattern.name == "&":
            if is_rest or not items:
                analyzer.fail("`&` is followed by one name", pattern.span, "[a b & others]")
            is_rest = True
            continue
        if not isinstance(pattern, Symbol | VectorNode | MapNode):
            if found and isinstance(pattern, Literal) and isinstance(pattern.value, Keyword):
                type_at(analyzer, pattern, scope)
            analyzer.fail("this is no parameter", pattern.span, "(fn [a b & others] …)")
        annotation = None
        if items and is_type(analyzer, items[0], scope):
            annotation = type_at(analyzer, items.pop(0), scope)
        found.append((pattern, annotation, is_rest))
        if is_rest and items:
            analyzer.fail("nothing follows the rest parameter", items[0].span, "[a b & others]")
    return found


def define(analyzer: Analyzer, definition: Definition, items: Sequence[Node], scope: Scope, node: ListNode) -> None:
    """Analyse the body of a declared function."""
    inner = Scope(definition, scope)
    steps: Steps = []
    variables = [*definition.parameters, *([definition.rest] if definition.rest else [])]
    for (pattern, annotation, _), variable in zip(_parameters(analyzer, items[0], scope), variables, strict=True):
        value: Expression = Read(variable, pattern.span, ANY if annotation else variable.type)
        if annotation is not None or not isinstance(pattern, Symbol):
            bind_value(analyzer, pattern, annotation, value, inner, steps)
        else:
            check_name(analyzer, pattern)
            inner.put(pattern, variable)
    rest = list(items[1:])
    result = None
    if len(rest) > 1 and is_type(analyzer, rest[0], scope):
        result = type_at(analyzer, rest.pop(0), scope)
        definition.result = result
    with analyzer.target(len(variables)):
        body = analyzer.body(rest, inner, node.span)
    if result is not None:
        body = Cast(body, body.span, result, f"the function should give {outline(result)}")
    definition.result = body.type
    definition.body = Choose((Clause(tuple(steps), body),), None, node.span, body.type) if steps else body


def shorthand(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``#(… % %2 …)``."""
    whole = node.items[0]
    assert isinstance(whole, ShorthandFn)
    used = _placeholders(analyzer, whole.body)
    count = max((int(name[1:] or 1) for name in used if name != "%&"), default=0)
    definition = Definition("", scope.definition, Group(scope.definition))
    inner = Scope(definition, scope)
    for number in range(1, count + 1):
        variable = Variable(f"%{number}", definition, ANY)
        definition.parameters.append(variable)
        inner.names[variable.name] = variable
    if count:
        inner.names["%"] = definition.parameters[0]
    if "%&" in used:
        definition.rest = inner.bind(Symbol("%&", node.span), Vector(ANY))
    with analyzer.target(count + ("%&" in used)):
        definition.body = analyzer.expression(whole.body, inner)
    definition.result = definition.body.type
    return make(definition, node.span)


def _placeholders(analyzer: Analyzer, body: ListNode) -> set[str]:
    found: set[str] = set()
    pending: list[Node] = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, Symbol) and node.name.startswith("%"):
            if not (node.name in ("%", "%&") or (node.name[1:].isdecimal() and 1 <= int(node.name[1:4]) <= 20)):
                analyzer.fail(f"`{node.name}` is no parameter", node.span, "parameters of #(…) are %, %1 … %20 and %&")
            found.add(node.name)
        elif isinstance(node, ListNode | VectorNode):
            pending.extend(node.items)
        elif isinstance(node, MapNode):
            pending.extend(part for pair in node.pairs for part in pair)
        elif isinstance(node, ShorthandFn):
            analyzer.fail("#(…) within #(…) would make % unclear", node.span, "use (fn [x] …) for one of them")
    return found
