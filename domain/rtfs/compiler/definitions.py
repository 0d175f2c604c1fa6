"""The texts of definitions taken apart: names, documentation, metadata, parameters and bodies."""

from __future__ import annotations

from dataclasses import dataclass

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.compiler.type_names import type_at
from domain.rtfs.nodes import Annotated, ListNode, Literal, MapNode, Node, Symbol, VectorNode
from domain.rtfs.types import Type


@dataclass(frozen=True, slots=True)
class FunctionText:
    """``(defn name "doc"? {metadata}? [parameters] body…)``."""

    name: Symbol
    items: tuple[Node, ...]
    """Parameters and body."""
    node: ListNode
    metadata: tuple[MapNode, ...]
    doc: str | None


@dataclass(frozen=True, slots=True)
class ValueText:
    """``(def name "doc"? type? value)``."""

    name: Symbol
    annotation: Type | None
    value: Node
    metadata: tuple[MapNode, ...]
    doc: str | None


def annotated(node: Node) -> tuple[Node, tuple[MapNode, ...]]:
    """Take the metadata off a node."""
    metadata: list[MapNode] = []
    while isinstance(node, Annotated):
        metadata.append(node.metadata)
        node = node.node
    return node, tuple(metadata)


def function_text(analyzer: Analyzer, given: Node) -> FunctionText:
    """Take `defn` apart."""
    node, metadata = annotated(given)
    assert isinstance(node, ListNode)
    if len(node.items) < 2:
        analyzer.fail("`defn` takes a name", node.span, "(defn name [x] (+ x 1))")
    name, of_name = annotated(node.items[1])
    if not isinstance(name, Symbol):
        analyzer.fail("`defn` takes a name", name.span, "(defn name [x] (+ x 1))")
    items = node.items[2:]
    doc: str | None = None
    if len(items) > 1 and isinstance(items[0], Literal) and isinstance(items[0].value, str):
        doc, items = items[0].value, items[1:]
    described: tuple[MapNode, ...] = ()
    if len(items) > 2 and isinstance(items[0], MapNode) and isinstance(items[1], VectorNode):
        described, items = (items[0],), items[1:]
    return FunctionText(name, items, node, metadata + of_name + described, doc)


def value_text(analyzer: Analyzer, given: Node, scope: Scope) -> ValueText:
    """Take `def` apart."""
    node, metadata = annotated(given)
    assert isinstance(node, ListNode)
    items = node.items
    name, of_name = annotated(items[1]) if len(items) > 1 else (node, ())
    metadata += of_name
    if len(items) not in (3, 4) or not isinstance(name, Symbol):
        analyzer.fail("`def` takes a name and a value", node.span, "(def limit 10)")
    between = items[2] if len(items) == 4 else None
    if isinstance(between, Literal) and isinstance(between.value, str):
        return ValueText(name, None, items[-1], metadata, between.value)
    annotation = None if between is None else type_at(analyzer, between, scope)
    return ValueText(name, annotation, items[-1], metadata, None)
