"""Quoting at run time: forms as data, and templates that are filled when the program runs.

A quoted list is a vector: the language has one kind of sequence. Names are no values, so that a form with names in it
is data only for macros, at compile time.
"""

from __future__ import annotations

from typing import NoReturn

from domain.rtfs.compiler.analysis import LIBRARY, Analyzer
from domain.rtfs.compiler.expressions import Expression
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.nodes import Annotated, ListNode, Literal, MapNode, Node, Quoted, Quoting, Symbol, VectorNode


def quoted(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``'form`` and `` `template ``."""
    given = node.items[0]
    assert isinstance(given, Quoted)
    if given.quoting is Quoting.QUOTE:
        return analyzer.expression(_data(analyzer, given.node), scope)
    if given.quoting is Quoting.QUASIQUOTE:
        return analyzer.expression(_filled(analyzer, given.node), scope)
    mark = given.quoting.value
    return analyzer.fail(f"`{mark}` stands only within a template", given.span, f"(let [x 1] `[{mark}x])")


def quote(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(quote form)``: the long spelling of ``'form``."""
    if len(node.items) != 2:
        analyzer.fail("`quote` takes one form", node.span, "(quote [1 2]), or '[1 2]")
    return analyzer.expression(_data(analyzer, node.items[1]), scope)


def _data(analyzer: Analyzer, node: Node) -> Node:
    """Give what a quoted form is worked out from."""
    if isinstance(node, Literal):
        return node
    if isinstance(node, ListNode | VectorNode):
        return VectorNode(tuple(_data(analyzer, item) for item in node.items), node.span)
    if isinstance(node, MapNode):
        return MapNode(tuple((_data(analyzer, key), _data(analyzer, value)) for key, value in node.pairs), node.span)
    if isinstance(node, Annotated):
        return _data(analyzer, node.node)
    return _refuse(analyzer, node)


def _filled(analyzer: Analyzer, node: Node) -> Node:
    """Give the expression that makes what a template stands for."""
    if isinstance(node, Quoted):
        return _filled_quoted(analyzer, node)
    if isinstance(node, ListNode | VectorNode):
        return _filled_items(analyzer, node)
    if isinstance(node, MapNode):
        pairs = tuple((_filled(analyzer, key), _filled(analyzer, value)) for key, value in node.pairs)
        return MapNode(pairs, node.span)
    if isinstance(node, Annotated):
        return _filled(analyzer, node.node)
    return _data(analyzer, node)


def _filled_quoted(analyzer: Analyzer, node: Quoted) -> Node:
    if node.quoting is Quoting.UNQUOTE:
        return node.node
    if node.quoting is Quoting.QUOTE:
        return _filled(analyzer, node.node)
    if node.quoting is Quoting.SPLICE:
        analyzer.fail("`~@` gives items, and stands within ( ) or [ ]", node.span, "(let [xs [1 2]] `[0 ~@xs])")
    return analyzer.fail("a template within a template is code", node.span, "only macros make code: (defmacro …)")


def _filled_items(analyzer: Analyzer, node: ListNode | VectorNode) -> Node:
    span = node.span
    parts: list[Node] = []
    run: list[Node] = []
    for item in node.items:
        if isinstance(item, Quoted) and item.quoting is Quoting.SPLICE:
            parts.extend([VectorNode(tuple(run), span)] if run else [])
            parts.append(item.node)
            run = []
        else:
            run.append(_filled(analyzer, item))
    if not parts:
        return VectorNode(tuple(run), span)
    parts.extend([VectorNode(tuple(run), span)] if run else [])
    return ListNode((Symbol(f"{LIBRARY}concat", span), *parts), span)


def _refuse(analyzer: Analyzer, node: Node) -> NoReturn:
    if isinstance(node, Symbol):
        hint = f'quote data without names, as \'(1 "a"), or write the keyword :{node.name}; macros may quote names'
        analyzer.fail(f"`{node.name}` is quoted, but a name is no value when the program runs", node.span, hint)
    analyzer.fail("this cannot be quoted: it is code", node.span, "quote numbers, strings, keywords, [ ], { } and ( )")
