"""Short spellings of what a task gives: `@name`, and references to resources."""

from __future__ import annotations

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import LIBRARY, Analyzer
from domain.rtfs.compiler.expressions import Constant, Expression
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.nodes import Context, ListNode, Literal, Symbol
from domain.rtfs.types import STRING


def context(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``@name``: ``(get inputs :name)``."""
    given = node.items[0]
    assert isinstance(given, Context)
    span = given.span
    inputs = Symbol("inputs", span)
    if scope.find(inputs) is None:
        analyzer.fail(f"`@{given.name}` is an input of the task, and there are no inputs here", span)
    key = Literal(Keyword(given.name), span)
    return analyzer.expression(ListNode((Symbol(f"{LIBRARY}get", span), inputs, key), span), scope)


def resource(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """``(resource:ref "name")``: the resource's address, as text."""
    name = node.items[1] if len(node.items) == 2 else None
    if not (isinstance(name, Literal) and isinstance(name.value, str)):
        analyzer.fail("`resource:ref` takes the name of a resource", node.span, '(resource:ref "step-1.output")')
    return Constant(f"resource://{name.value}", node.span, STRING)
