"""`try`, `catch` and `finally`."""

from __future__ import annotations

from domain.kernel.values import Keyword
from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.choice_forms import choose, constant, library, negate
from domain.rtfs.compiler.destructuring import check_name
from domain.rtfs.compiler.expressions import Bind, Choose, Clause, Expression, Read, Sequence, Test, Try
from domain.rtfs.compiler.scope import Scope, Variable
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, Symbol
from domain.rtfs.source import Span
from domain.rtfs.types import KEYWORD, NEVER, STRING, Field, Record, union
from domain.rtfs.types import NIL as NIL_TYPE

_ERROR = Record((Field("effect", union(STRING, NIL_TYPE)), Field("message", STRING), Field("type", KEYWORD)))
_EVERY_ERROR = frozenset({"_", "Exception", "Error", "Throwable"})
_CLASSES = {"ValidationError": "type-mismatch", "TypeError": "type-mismatch", "ArityError": "arity"}
"""Classes that stand for one type. `HostError` is every error of an effect, `RuntimeError` every other one."""
_MADE = {"Exception.": "error", "RuntimeError.": "runtime-error", "ValidationError.": "type-mismatch"}
_HINT = "(catch :type e …), (catch HostError e …) or (catch e …)"


def try_form(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(try body… (catch type? name body…)… (finally body…)?)``."""
    body: list[Node] = []
    catches: list[ListNode] = []
    last: ListNode | None = None
    for item in node.items[1:]:
        head = _head(item)
        if last is not None or (catches and head not in ("catch", "finally")):
            analyzer.fail("in `try` the body comes first, then `catch`, then `finally`", item.span)
        if head == "catch" and isinstance(item, ListNode):
            catches.append(item)
        elif head == "finally" and isinstance(item, ListNode):
            last = item
        else:
            body.append(item)
    tried = analyzer.body(body, scope, node.span)
    if catches:
        tried = _catching(analyzer, tried, catches, scope, node.span)
    return tried if last is None else _finally(analyzer, tried, last, scope)


def _head(node: Node) -> str:
    if isinstance(node, ListNode) and node.items and isinstance(node.items[0], Symbol):
        return node.items[0].name
    return ""


def _catching(analyzer: Analyzer, body: Expression, catches: list[ListNode], scope: Scope, span: Span) -> Expression:
    error = Variable(" error", scope.definition, _ERROR)
    caught = Read(error, span, _ERROR)
    clauses = [_clause(analyzer, each, caught, scope) for each in catches]
    takes_all = not any(isinstance(step, Test) for step in clauses[-1].steps)
    handler = choose(clauses, None if takes_all else library("throw", caught, span=span), span)
    return Try(body, error, handler, span, union(body.type, handler.type))


def _clause(analyzer: Analyzer, node: ListNode, caught: Read, scope: Scope) -> Clause:
    items = list(node.items[1:])
    steps: list[Test | Bind] = []
    typed = len(items) >= 3 and isinstance(items[1], Symbol) and isinstance(items[0], Literal | Symbol)
    if typed:
        test = _type_test(analyzer, items.pop(0), caught)
        steps.extend([Test(test)] if test is not None else [])
    if len(items) < 2 or not isinstance(items[0], Symbol):
        analyzer.fail("`catch` takes a name and a body", node.span, _HINT)
    inner = scope.inner()
    check_name(analyzer, items[0])
    steps.append(Bind(inner.bind(items[0], caught.type), caught))
    return Clause(tuple(steps), analyzer.body(items[1:], inner, node.span))


def _type_test(analyzer: Analyzer, node: Node, caught: Read) -> Expression | None:
    """Give the condition for an error type; none for one that every error has."""
    span = node.span
    kind = analyzer.library_call(FUNCTIONS["get"], (caught, constant(Keyword("type"), span)), span)
    effect = analyzer.library_call(FUNCTIONS["get"], (caught, constant(Keyword("effect"), span)), span)
    if isinstance(node, Literal) and isinstance(node.value, Keyword):
        return (
            None if node.value.name in ("any", "error") else library("=", kind, constant(node.value, span), span=span)
        )
    name = node.name if isinstance(node, Symbol) else ""
    if name in _EVERY_ERROR:
        return None
    if name in _CLASSES:
        return library("=", kind, constant(Keyword(_CLASSES[name]), span), span=span)
    from_host = library("some?", effect, span=span)
    if name in ("HostError", "RuntimeError"):
        return from_host if name == "HostError" else negate(from_host)
    return analyzer.fail("this is no error type", span, _HINT)


def _finally(analyzer: Analyzer, body: Expression, node: ListNode, scope: Scope) -> Expression:
    """Run the last part after the body, and after its error, which then goes on."""
    span = node.span
    error = Variable(" error", scope.definition, _ERROR)
    again = library("throw", Read(error, span, _ERROR), span=span)
    after_error = analyzer.body(node.items[1:], scope, span)
    guarded = Try(body, error, Sequence((after_error, again), span, NEVER), span, body.type)
    value = Variable(" value", scope.definition, body.type)
    after = analyzer.body(node.items[1:], scope, span)
    steps = (Bind(value, guarded), Bind(Variable("_", scope.definition, after.type), after))
    return Choose((Clause(steps, Read(value, span, body.type)),), None, span, body.type)


def made_error(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(RuntimeError. "message")``: an error to be thrown."""
    head = node.items[0]
    assert isinstance(head, Symbol)
    if len(node.items) != 2:
        analyzer.fail(f"`{head.name}` takes a message", node.span, f'(throw ({head.name} "what is wrong"))')
    kind = Literal(Keyword(_MADE[head.name]), head.span)
    pairs = ((Literal(Keyword("type"), head.span), kind), (Literal(Keyword("message"), head.span), node.items[1]))
    return analyzer.expression(MapNode(pairs, node.span), scope)


def stray_clause(analyzer: Analyzer, node: ListNode, _scope: Scope) -> Expression:
    """Refuse `catch` and `finally` outside of `try`."""
    analyzer.fail("`catch` and `finally` stand at the end of `try`", node.span, "(try … (catch e …))")
