"""Bodies: expressions one after the other, with the definitions and macros among them."""

from __future__ import annotations

from typing import Final

from domain.rtfs.compiler.analysis import Analyzer, Unresolved
from domain.rtfs.compiler.body_items import Item, expand_item
from domain.rtfs.compiler.definitions import annotated, value_text
from domain.rtfs.compiler.destructuring import Steps, bind_value, hold
from domain.rtfs.compiler.expressions import Bind, Choose, Clause, Constant, Expression, Read
from domain.rtfs.compiler.expressions import Sequence as SequenceExpression
from domain.rtfs.compiler.function_forms import define
from domain.rtfs.compiler.groups import Member, bind_members, declare_member
from domain.rtfs.compiler.macros import define_macro, macro_called, within
from domain.rtfs.compiler.metadata_forms import describe
from domain.rtfs.compiler.scope import Group, Key, Scope, key_of
from domain.rtfs.compiler.struct_forms import define_type
from domain.rtfs.nodes import ListNode, Node, ShorthandFn, Symbol
from domain.rtfs.source import Span
from domain.rtfs.types import NIL

_FUNCTIONS: Final = frozenset({"fn", "λ", "lambda"})
_DEFINING: Final = frozenset({"def", "defn", "defmacro", "defstruct", "deftype"})


class _Reordered(Exception):  # never leaves this module
    """A function now stands behind what it needs: the body is to be analysed again."""


def do(analyzer: Analyzer, node: ListNode, scope: Scope) -> Expression:
    """``(do expression… )``, where definitions name things for what follows them."""
    nodes = node.items[1:]
    if not nodes:
        return Constant(None, node.span, NIL)
    items = [Item(each) for each in nodes]
    if not any(each.head in _DEFINING or macro_called(each.node, scope) for each in items):
        values = analyzer.expressions(nodes, scope)
        return values[0] if len(values) == 1 else SequenceExpression(values, node.span, values[-1].type)
    waiting: dict[int, list[Item]] = {}
    while True:
        try:
            return _Body(analyzer, items, waiting, scope.inner(), node.span).expression()
        except _Reordered:
            continue


class _Body:
    """One body at work. ``items`` keeps what macros expand to, and the order in which functions can be defined."""

    def __init__(
        self, analyzer: Analyzer, items: list[Item], waiting: dict[int, list[Item]], scope: Scope, span: Span
    ) -> None:
        self.analyzer = analyzer
        self.items = items
        self.waiting = waiting
        """By the item that they need: functions that were put behind it."""
        self.scope = scope
        self.span = span
        self.steps: Steps = []

    def expression(self) -> Expression:
        """Analyse the whole body."""
        place = 0
        value: Expression = Constant(None, self.span, NIL)
        while place < len(self.items):
            item = expand_item(self.analyzer, self.items, place, self.scope)
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

    def single(self, place: int) -> Expression:
        """Analyse what is no function definition."""
        item = self.items[place]
        if item.head == "def":
            text = value_text(self.analyzer, item.node, self.scope)
            describe(self.analyzer, text.name.name, text.metadata, item.node.span, text.doc)
            value = self.needing(place, text.value, movable=self.is_function(text.value))
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

    def is_function(self, node: Node) -> bool:
        """Tell whether a value is a function that is written out, so that it can be made later."""
        head = node.items[0] if isinstance(node, ListNode) and node.items else None
        named = isinstance(head, Symbol) and head.name in _FUNCTIONS and self.scope.find(head) is None
        return named or isinstance(node, ShorthandFn)

    def needing(self, place: int, node: Node, *, movable: bool = False) -> Expression:
        """Analyse an expression; what is defined only later cannot be used by it."""
        try:
            return self.analyzer.expression(node, self.scope)
        except Unresolved as problem:
            later = self.later(place, problem.symbol)
            if later is not None:
                item, needed = self.items[place], self.items[later]
                if movable and not any(each is needed for each in self.with_waiting(item)) and self.may_reorder():
                    self.put_behind(item, needed)
                    raise _Reordered from problem
                line = self.analyzer.texts.line(self.items[later].node.span)
                problem.hint = f"it is defined in {line}, after this needs it: move the definition up"
            raise

    def later(self, place: int, symbol: Symbol) -> int | None:
        """Find the definition of a name after a place."""
        for number in range(place + 1, len(self.items)):
            item = self.items[number]
            node, _ = annotated(item.node)
            if item.head in _DEFINING and isinstance(node, ListNode) and len(node.items) > 1:
                name, _ = annotated(node.items[1])
                if isinstance(name, Symbol) and key_of(name) == key_of(symbol):
                    return number
        return None

    def last_bound(self, item: Item) -> Expression:
        """Give the value of what was defined last."""
        bound = self.steps[-1]
        assert isinstance(bound, Bind)
        node, _ = annotated(item.node)
        return Read(bound.variable, node.span, bound.variable.type)

    def define_functions(self, place: int) -> int:
        """Define functions that follow one another together, so that each may call each; give how many these are."""
        group = Group(self.scope.definition)
        members: list[Member] = []
        hidden: list[Key] = []
        end = place
        while end < len(self.items):
            item = expand_item(self.analyzer, self.items, end, self.scope, hidden)
            if item is None:
                continue
            if item.head != "defn":
                break
            members.append(declare_member(self.analyzer, item, group, self.scope))
            hidden.append(key_of(members[-1].text.name))
            end += 1
        for number, member in enumerate(members, start=place):
            with within(member.item.frames):
                self.define_function(number, end, member)
        bind_members(self.analyzer, members, self.scope, self.steps)
        return end - place

    def define_function(self, place: int, end: int, member: Member) -> None:
        """Analyse one function; when it needs what is defined after the group, it is put there."""
        try:
            define(self.analyzer, member.definition, member.text.items, self.scope, member.text.node)
        except Unresolved as problem:
            target = self.later(end - 1, problem.symbol)
            if target is None or not self.may_reorder():
                raise
            self.put_behind(self.items[place], self.items[target])
            raise _Reordered from problem

    def may_reorder(self) -> bool:
        """Pay for looking at the body once more, if that can still be paid."""
        self.analyzer.budget.reanalysed -= 1_000 + self.span.end - self.span.start
        return self.analyzer.budget.reanalysed >= 0

    def with_waiting(self, item: Item) -> list[Item]:
        """Give an item and all that were put behind it, directly or through others."""
        found = [item]
        seen = {id(item)}
        for each in found:
            for waiting in self.waiting.get(id(each), []):
                if id(waiting) not in seen:
                    seen.add(id(waiting))
                    found.append(waiting)
        return found

    def put_behind(self, item: Item, needed: Item) -> None:
        """Put a function, and those that wait for it, with the function or behind the value that it needs."""
        moving = {id(each) for each in self.with_waiting(item) if each is not needed}
        # The first is kept so that its id stays its own.
        self.waiting.setdefault(id(needed), [needed]).append(item)
        together = [each for each in self.items if id(each) in moving]
        self.items[:] = [each for each in self.items if id(each) not in moving]
        place = next(number for number, each in enumerate(self.items) if each is needed)
        if item.head != "defn" or needed.head != "defn":
            place += 1
            # Functions that follow one another stay together.
            while needed.head == "defn" and place < len(self.items) and self.items[place].head == "defn":
                place += 1
        self.items[place:place] = together
