"""Bodies: expressions one after the other, with the definitions and macros among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from domain.rtfs.compiler.analysis import Analyzer, Unresolved
from domain.rtfs.compiler.definitions import FunctionText, annotated, function_text, value_text
from domain.rtfs.compiler.destructuring import Steps, bind_value, check_name, hold
from domain.rtfs.compiler.expressions import Bind, Choose, Clause, Constant, Expression, Read
from domain.rtfs.compiler.expressions import Sequence as SequenceExpression
from domain.rtfs.compiler.function_forms import declare, define, make, signature
from domain.rtfs.compiler.macros import Frame, define_macro, expanded, macro_called, within
from domain.rtfs.compiler.metadata_forms import describe
from domain.rtfs.compiler.scope import Definition, Group, Named, Scope, Variable, key_of
from domain.rtfs.compiler.struct_forms import define_type
from domain.rtfs.nodes import Annotated, ListNode, Node, Symbol
from domain.rtfs.source import Span
from domain.rtfs.types import NIL

_DEFINING: Final = frozenset({"def", "defn", "defmacro", "defstruct", "deftype"})


class _Item(NamedTuple):
    """One expression of a body, and the expansions that it comes from."""

    node: Node
    frames: tuple[Frame, ...] = ()

    @property
    def head(self) -> str:
        node = self.node.node if isinstance(self.node, Annotated) else self.node
        if isinstance(node, ListNode) and node.items and isinstance(node.items[0], Symbol):
            return node.items[0].name
        return ""


class _Reordered(Exception):  # never leaves this module
    """A function now stands behind what it needs: the body is to be analysed again."""


def do(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(do expression… )``, where definitions name things for what follows them."""
    nodes = node.items[1:]
    if not nodes:
        return Constant(None, node.span, NIL)
    items = [_Item(each) for each in nodes]
    if not any(each.head in _DEFINING or macro_called(each.node, scope) for each in items):
        values = analyzer.expressions(nodes, scope)
        return values[0] if len(values) == 1 else SequenceExpression(values, node.span, values[-1].type)
    while True:
        try:
            return _Body(analyzer, items, scope.inner(), node.span).expression()
        except _Reordered:
            continue


class _Body:
    """One body at work. ``items`` keeps what macros expand to, and the order in which functions can be defined."""

    def __init__(self, analyzer: Analyzer, items: list[_Item], scope: Scope, span: Span) -> None:
        self.analyzer = analyzer
        self.items = items
        self.scope = scope
        self.span = span
        self.steps: Steps = []

    def expression(self) -> Expression:
        """Analyse the whole body."""
        place = 0
        value: Expression = Constant(None, self.span, NIL)
        while place < len(self.items):
            item = self.expand(place)
            if item is None:
                continue
            with within(item.frames):
                if item.head == "defn":
                    place += self.define_functions(place)
                    value = self.last_bound(self.items[place - 1])
                    continue
                value = self.single(place)
            place += 1
        if not self.steps:
            return value
        return Choose((Clause(tuple(self.steps), value),), None, self.span, value.type)

    def expand(self, place: int, hidden: Sequence[object] = ()) -> _Item | None:
        """Expand the item at a place; none when it became several, or nothing."""
        item = self.items[place]
        head = item.node.items[0] if isinstance(item.node, ListNode) and item.node.items else None
        if not macro_called(item.node, self.scope) or (isinstance(head, Symbol) and key_of(head) in hidden):
            return item
        with within(item.frames):
            node, frames = expanded(self.analyzer, item.node, self.scope)
        frames = (*frames, *item.frames)
        if isinstance(node, ListNode) and _Item(node).head == "do":
            # So that a macro can define several things.
            self.items[place : place + 1] = [_Item(each, frames) for each in node.items[1:]]
            return None
        self.items[place] = _Item(node, frames)
        return self.items[place]

    def single(self, place: int) -> Expression:
        """Analyse what is no function definition."""
        item = self.items[place]
        if item.head == "def":
            text = value_text(self.analyzer, item.node, self.scope)
            describe(self.analyzer, text.name.name, text.metadata, item.node.span, text.doc)
            value = self.needing(place, text.value)
            bind_value(self.analyzer, text.name, text.annotation, value, self.scope, self.steps)
            return self.last_bound(item)
        if item.head == "defmacro":
            node, _ = annotated(item.node)
            assert isinstance(node, ListNode)
            define_macro(self.analyzer, node, self.scope)
            return Constant(None, node.span, NIL)
        if item.head in ("defstruct", "deftype"):
            node, _ = annotated(item.node)
            assert isinstance(node, ListNode)
            define_type(self.analyzer, node, self.scope)
            return Constant(None, node.span, NIL)
        value = self.needing(place, item.node)
        return value if place == len(self.items) - 1 else hold(value, self.scope, self.steps)

    def needing(self, place: int, node: Node) -> Expression:
        """Analyse an expression; what is defined only later cannot be used by it."""
        try:
            return self.analyzer.expression(node, self.scope)
        except Unresolved as problem:
            later = self.later(place, problem.symbol)
            if later is not None:
                line = self.analyzer.source.position(self.items[later].node.span.start)[0]
                problem.hint = f"it is defined in line {line}, after this needs it: move the definition up"
            raise

    def later(self, place: int, symbol: Symbol) -> int | None:
        """Find the definition of a name after a place."""
        for number in range(place + 1, len(self.items)):
            item = self.items[number]
            node, _ = annotated(item.node)
            if item.head in ("def", "defn") and isinstance(node, ListNode) and len(node.items) > 1:
                name, _ = annotated(node.items[1])
                if isinstance(name, Symbol) and key_of(name) == key_of(symbol):
                    return number
        return None

    def last_bound(self, item: _Item) -> Expression:
        """Give the value of what was defined last."""
        bound = self.steps[-1]
        assert isinstance(bound, Bind)
        node, _ = annotated(item.node)
        return Read(bound.variable, node.span, bound.variable.type)

    def define_functions(self, place: int) -> int:
        """Define functions that follow one another together, so that each may call each; give how many these are."""
        group = Group(self.scope.definition)
        declared: list[tuple[Definition, FunctionText]] = []
        hidden: list[object] = []
        end = place
        while end < len(self.items):
            item = self.expand(end, hidden)
            if item is None:
                continue
            if item.head != "defn":
                break
            with within(item.frames):
                text = function_text(self.analyzer, item.node)
                describe(self.analyzer, text.name.name, text.metadata, text.node.span, text.doc)
                check_name(self.analyzer, text.name)
                definition = Definition(text.name.name, self.scope.definition, group)
                declare(self.analyzer, definition, text.items, text.node, self.scope)
            variable = Variable(text.name.name, self.scope.definition, signature(definition))
            self.scope.put(text.name, Named(definition, variable))
            declared.append((definition, text))
            hidden.append(key_of(text.name))
            end += 1
        for number, (definition, text) in enumerate(declared, start=place):
            with within(self.items[number].frames):
                self.define_function(number, end, definition, text)
        for number, (definition, text) in enumerate(declared, start=place):
            named = self.scope.find(text.name)
            assert isinstance(named, Named)
            if named.definition is not definition:
                with within(self.items[number].frames):
                    self.analyzer.fail(f"`{definition.name}` is defined twice", text.node.span)
            made = make(definition, text.node.span)
            named.variable.type = made.type
            self.steps.append(Bind(named.variable, made))
        return end - place

    def define_function(self, place: int, end: int, definition: Definition, text: FunctionText) -> None:
        """Analyse one function; when it needs what is defined after the group, it is put there."""
        try:
            define(self.analyzer, definition, text.items, self.scope, text.node)
        except Unresolved as problem:
            target = self.later(end - 1, problem.symbol)
            if target is None or not self.analyzer.budget.reorderings:
                raise
            self.analyzer.budget.reorderings -= 1
            behind = target if self.items[target].head == "defn" else target + 1
            self.items.insert(behind, self.items[place])
            del self.items[place]
            raise _Reordered from problem
