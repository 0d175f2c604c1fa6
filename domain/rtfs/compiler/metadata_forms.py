"""Metadata: hints for who carries a call out, and what is told of definitions.

Metadata never changes what a program gives. On a `call` it becomes hints of the effect request; on definitions it is
kept beside the program; everywhere else it is read and has no use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from domain.kernel.values import Keyword, Value
from domain.rtfs.compiler import effect_forms
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.definitions import annotated
from domain.rtfs.compiler.expressions import Constant, Expression
from domain.rtfs.compiler.macros import expanded, within
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.metadata import DELEGATION_TARGETS, Delegation, Description
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, ShorthandFn, Symbol, VectorNode
from domain.rtfs.source import Span

_FUNCTIONS: Final = frozenset({"fn", "λ", "lambda"})


def annotated_form(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``^{…} form``."""
    inner, metadata = annotated(node.items[0])
    inner, frames = expanded(analyzer, inner, scope)
    head = inner.items[0] if isinstance(inner, ListNode) and inner.items else None
    name = head.name if isinstance(head, Symbol) and scope.find(head) is None else ""
    with within(frames):
        if name == "call" and isinstance(inner, ListNode):
            return effect_forms.call(analyzer, inner, scope, _hints(analyzer, metadata, scope))
        if name in _FUNCTIONS or isinstance(inner, ShorthandFn):
            describe(analyzer, "", metadata, inner.span)
        return analyzer.expression(inner, scope)


def _hints(analyzer: Analyzer, metadata: Sequence[MapNode], scope: Scope) -> dict[Any, Value] | None:
    hints: dict[Any, Value] = {}
    # The outermost comes first, and wins.
    for each in reversed(metadata):
        given = analyzer.expression(each, scope)
        if not (isinstance(given, Constant) and isinstance(given.value, dict)):
            analyzer.fail("the metadata of a call is written out", each.span, "^{:runtime.timeout 500} (call :ns.name)")
        if not all(isinstance(key, Keyword) for key in given.value):
            analyzer.fail("the keys of metadata are keywords", each.span, "^{:runtime.timeout 500} (call :ns.name)")
        hints.update(given.value)
    # What is told to readers is no matter of who carries the call out, and so not of the module.
    hints.pop(Keyword("doc"), None)
    return hints or None


def describe(analyzer: Analyzer, name: str, metadata: Sequence[MapNode], span: Span, doc: str | None = None) -> None:
    """Keep what is told of a definition."""
    values: dict[str, Value] = {} if doc is None else {"doc": doc}
    for each in reversed(metadata):
        for key, value in each.pairs:
            if not (isinstance(key, Literal) and isinstance(key.value, Keyword)):
                analyzer.fail("the keys of metadata are keywords", key.span, '^{:doc "says what it does"}')
            if key.value is Keyword("delegation"):
                analyzer.notes.delegations[span] = _delegation(analyzer, name, value, span)
            elif _is_data(value):
                values[key.value.name] = _data(value)
    if values and name:
        analyzer.notes.descriptions[span] = Description(name, values, span, analyzer.module)


def _delegation(analyzer: Analyzer, name: str, node: Node, span: Span) -> Delegation:
    parts = node.items if isinstance(node, VectorNode) else (node,)
    target = next((each for each in DELEGATION_TARGETS if _is(parts[:1], Keyword(each))), None)
    model = parts[1] if len(parts) == 2 else None
    named = isinstance(model, Literal) and isinstance(model.value, str)
    if target is None or len(parts) > 2 or (model is not None and not named):
        hint = '^:delegation :local, ^:delegation :local-model "name" or ^:delegation :remote "name"'
        analyzer.fail("this is no delegation", node.span, hint)
    assert model is None or isinstance(model, Literal)
    return Delegation(name, target, str(model.value) if model is not None else None, span, analyzer.module)


def _is(nodes: Sequence[Node], keyword: Keyword) -> bool:
    return any(isinstance(node, Literal) and node.value is keyword for node in nodes)


def is_private(metadata: Sequence[MapNode]) -> bool:
    """Tell whether a definition stays within its module."""
    pairs = [pair for each in metadata for pair in each.pairs]
    return any(
        _is((key,), Keyword("private")) and isinstance(value, Literal) and value.value is True for key, value in pairs
    )


def _is_data(node: Node) -> bool:
    if isinstance(node, MapNode):
        return all(_is_data(value) and isinstance(key, Literal) for key, value in node.pairs)
    if isinstance(node, ListNode | VectorNode):
        return all(_is_data(item) for item in node.items)
    return isinstance(node, Literal)


def _data(node: Node) -> Value:
    if isinstance(node, MapNode):
        return {_data(key): _data(value) for key, value in node.pairs}
    if isinstance(node, ListNode | VectorNode):
        return [_data(item) for item in node.items]
    assert isinstance(node, Literal)
    return node.value
