"""The definitions of a module: worked out in the order of what they need, whatever the order of the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from domain.rtfs.compiler.analysis import Analyzer, Unresolved
from domain.rtfs.compiler.body_items import Item, expand_item
from domain.rtfs.compiler.definitions import annotated, function_text, value_text
from domain.rtfs.compiler.destructuring import Steps, bind_value, check_name
from domain.rtfs.compiler.expressions import Bind, Expression
from domain.rtfs.compiler.function_forms import define
from domain.rtfs.compiler.groups import bind_members, declare_member
from domain.rtfs.compiler.macros import define_macro, within
from domain.rtfs.compiler.metadata_forms import describe, is_private
from domain.rtfs.compiler.ordering import components
from domain.rtfs.compiler.purity import asks_the_world
from domain.rtfs.compiler.scope import Group, Key, Macro, Scope, Variable, key_of, mark_of
from domain.rtfs.compiler.struct_forms import define_type
from domain.rtfs.nodes import ListNode, Node, Symbol, parts


@dataclass(slots=True)
class _Definition:
    """A function or value of the module."""

    name: Symbol
    item: Item
    is_function: bool
    needs: tuple[int, ...] = ()


class ModuleBody:
    """One module at work; ``steps`` bind what it defines."""

    def __init__(self, analyzer: Analyzer, scope: Scope, steps: Steps) -> None:
        self.analyzer = analyzer
        self.scope = scope
        self.steps = steps
        self.private: set[str] = set()
        self.definitions: list[_Definition] = []
        self.numbers: dict[Key, int] = {}
        """Definitions by name."""
        self.known: dict[Variable, Expression] = {}
        """What the first so many of ``steps`` bind."""
        self.known_steps = 0

    def define(self, nodes: list[Node]) -> None:
        """Define everything."""
        items = [Item(node) for node in nodes]
        place = 0
        while place < len(items):
            item = expand_item(self.analyzer, items, place, self.scope)
            if item is None:
                continue
            with within(item.frames):
                self.take(item)
            place += 1
        self.find_needs()
        needs = {number: each.needs for number, each in enumerate(self.definitions)}
        for component in components(needs):
            if len(component) == 1 or all(self.definitions[number].is_function for number in component):
                self.work_out(component)
                continue
            # Names may only look alike: what functions say of values is left to their analysis.
            inner = {number: self.needed_first(number, component) for number in component}
            for part in components(inner):
                self.work_out(part)

    def needed_first(self, number: int, component: list[int]) -> tuple[int, ...]:
        """Give what a definition of a component needs of it, values that functions name left out."""
        mine = self.definitions[number]
        return tuple(
            other
            for other in mine.needs
            if other in component and (not mine.is_function or self.definitions[other].is_function)
        )

    def take(self, item: Item) -> None:
        """Take one item of the text."""
        node, metadata = annotated(item.node)
        if item.head == "defmacro" and isinstance(node, ListNode):
            define_macro(self.analyzer, node, self.scope)
        elif item.head in ("defstruct", "deftype") and isinstance(node, ListNode):
            define_type(self.analyzer, node, self.scope)
        elif item.head == "defn":
            text = function_text(self.analyzer, item.node)
            self.add(text.name, item, is_function=True, is_private=is_private(text.metadata))
        elif item.head == "def":
            name, of_name = (
                annotated(node.items[1]) if isinstance(node, ListNode) and len(node.items) > 1 else (node, ())
            )
            if not isinstance(name, Symbol):
                value_text(self.analyzer, item.node, self.scope)
            assert isinstance(name, Symbol)
            self.add(name, item, is_function=False, is_private=is_private(metadata + of_name))
        else:
            self.analyzer.fail(
                "a module holds definitions, and this is none", item.node.span, "(def …), (defn …), (defmacro …)"
            )

    def add(self, name: Symbol, item: Item, *, is_function: bool, is_private: bool) -> None:
        """Note a definition."""
        if key_of(name) in self.numbers:
            self.analyzer.fail(f"`{name.name}` is defined twice", name.span)
        self.numbers[key_of(name)] = len(self.definitions)
        if is_private:
            self.private.add(name.name)
        self.definitions.append(_Definition(name, item, is_function))

    def find_needs(self) -> None:
        """Find which definitions name which others; a name that only looks the same counts too."""
        numbers = self.numbers
        for each in self.definitions:
            found = {numbers[key] for key in self.named_in(each.item.node) if key in numbers}
            each.needs = tuple(sorted(found))

    def named_in(self, node: Node) -> Iterator[Key]:
        """Give the names in a node, and in the macros that it may call."""
        pending: list[Node] = [node]
        macros: set[int] = set()
        while pending:
            part = pending.pop()
            if not isinstance(part, Symbol):
                pending.extend(parts(part))
                continue
            yield key_of(part)
            mark = mark_of(part)
            while mark is not None:
                mark = mark.outer
                yield part.name if mark is None else (part.name, mark)
            found = self.scope.find(part)
            if isinstance(found, Macro) and id(found) not in macros:
                macros.add(id(found))
                pending.extend(found.body)

    def work_out(self, component: list[int]) -> None:
        """Define functions that need one another, or one value."""
        try:
            self.define_together([self.definitions[number] for number in component])
        except Unresolved as problem:
            if key_of(problem.symbol) in self.numbers:
                problem.hint = f"`{problem.symbol.name}` is defined here, but would be worked out from itself"
            raise

    def define_together(self, definitions: list[_Definition]) -> None:
        """Define one value, or a group of functions."""
        if not definitions[0].is_function:
            self.define_value(definitions[0])
            return
        group = Group(self.scope.definition)
        members = [declare_member(self.analyzer, each.item, group, self.scope) for each in definitions]
        for member in members:
            with within(member.item.frames):
                define(self.analyzer, member.definition, member.text.items, self.scope, member.text.node)
        bind_members(self.analyzer, members, self.scope, self.steps)

    def define_value(self, given: _Definition) -> None:
        """Define a value, which must not ask the world for anything."""
        with within(given.item.frames):
            text = value_text(self.analyzer, given.item.node, self.scope)
            check_name(self.analyzer, text.name)
            describe(self.analyzer, text.name.name, text.metadata, given.item.node.span, text.doc)
            value = self.analyzer.expression(text.value, self.scope)
            for step in self.steps[self.known_steps :]:
                if isinstance(step, Bind):
                    self.known[step.variable] = step.value
            self.known_steps = len(self.steps)
            if asks_the_world(value, self.known):
                hint = f"make it a function: (defn {text.name.name} [] …)"
                self.analyzer.fail(
                    f"the value of `{text.name.name}` asks the world; values of modules do not", text.value.span, hint
                )
            bind_value(self.analyzer, text.name, text.annotation, value, self.scope, self.steps)
