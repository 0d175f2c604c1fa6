"""Short spellings of what a task gives: `@name`, and references to resources."""

from __future__ import annotations

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import LIBRARY, Analyzer
from domain.rtfs.compiler.expressions import Constant, Expression
from domain.rtfs.compiler.scope import Scope
from domain.rtfs.nodes import Context, ListNode, Literal, Symbol
from domain.rtfs.types import STRING


def context(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``@name`` and ``(get :name)``: ``(get inputs :name)``."""
    given, span = node.items[0], node.span
    if isinstance(given, Context):
        key, shown = Literal(Keyword(given.name), span), f"@{given.name}"
    else:
        asked = node.items[1]
        assert isinstance(asked, Literal)
        assert isinstance(asked.value, Keyword)
        key, shown = asked, f"(get :{asked.value.name})"
    inputs = Symbol("inputs", span)
    if scope.find(inputs) is None:
        analyzer.fail(f"`{shown}` is an input of the task, and there are no inputs here", span)
    return analyzer.expression(ListNode((Symbol(f"{LIBRARY}get", span), inputs, key), span), scope)


def resource(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """``(resource:ref "name")``: the resource's address, as text."""
    name = node.items[1] if len(node.items) == 2 else None
    if not (isinstance(name, Literal) and isinstance(name.value, str)):
        analyzer.fail("`resource:ref` takes the name of a resource", node.span, '(resource:ref "step-1.output")')
    return Constant(f"resource://{name.value}", node.span, STRING)
