"""The language of macro bodies: small, closed, and without effects. It works on nodes, and gives a node.

A name in a template is marked, so that what the macro brings in and what its caller wrote never mix up. A quoted name
(``'x``, ``~'x``) is left as it is: that is how a macro names something for its caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from domain.kernel.values import Value
from domain.rtfs.compiler.budget import MAX_STEPS
from domain.rtfs.compiler.scope import Key, Macro, Mark, key_of, mark_of
from domain.rtfs.nodes import (
    Annotated,
    ListNode,
    Literal,
    MapNode,
    Node,
    Quoted,
    Quoting,
    ShorthandFn,
    Symbol,
    VectorNode,
    moved,
)
from domain.rtfs.source import Span

MAX_NESTED: Final = 150
"""Evaluations within one another."""

_PLACEHOLDERS: Final = ("%", "&")


class MacroFailed(Exception):  # never leaves the compiler: the expander tells it with its place
    """A macro cannot make anything of its arguments."""

    def __init__(self, message: str, place: Node | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.place = place


@dataclass(frozen=True, slots=True)
class MacroFunction:
    """``(fn [x] …)`` within a macro."""

    parameters: tuple[Node, ...]
    body: tuple[Node, ...]
    names: dict[Key, Item]


Item: TypeAlias = Node | MacroFunction
Names: TypeAlias = dict[Key, Item]
Form: TypeAlias = Callable[["Evaluation", Sequence[Node], Names], Item]
Function: TypeAlias = Callable[["Evaluation", list[Item]], Item]


class Library(NamedTuple):
    """What a macro may use."""

    forms: Mapping[str, Form]
    functions: Mapping[str, Function]


class Evaluation:
    """One expansion at work."""

    def __init__(self, macro: Macro, span: Span, steps: int, library: Library) -> None:
        self.macro = macro
        self.library = library
        self.span = span
        """Of the call: what the macro makes is shown there."""
        self.left = steps
        self.nested = 0
        self.marks: dict[Mark | None, Mark] = {}

    def run(self, arguments: Sequence[Node]) -> Node:
        """Expand. Raises ``MacroFailed``."""
        names: Names = {}
        self.bind_all(self.macro.parameters, list(arguments), names)
        return self.node(self.body(self.macro.body, names), "the macro")

    def spend(self, steps: int) -> None:
        """Pay for work."""
        self.left -= steps
        if self.left < 0:
            raise MacroFailed(f"the macros of this program take more than {MAX_STEPS} steps")

    def literal(self, value: Value) -> Literal:
        """Make a node of a value."""
        return Literal(value, self.span)

    def listed(self, items: Sequence[Node]) -> ListNode:
        """Make a list."""
        self.spend(len(items))
        return ListNode(tuple(items), self.span)

    def node(self, item: Item, what: str) -> Node:
        """Require code, not a function."""
        if isinstance(item, MacroFunction):
            raise MacroFailed(f"{what} gives a function; only code can stand in a program")
        return item

    def bind_all(self, patterns: Sequence[Node], arguments: list[Node], names: Names) -> None:
        """Bind parameters to arguments; `& rest` takes what is left, as a list."""
        fixed = len(patterns)
        rest: Node | None = None
        if fixed >= 2 and _is_rest(patterns[-2]):
            fixed, rest = fixed - 2, patterns[-1]
        if len(arguments) < fixed or (rest is None and len(arguments) > fixed):
            least = "at least " if rest is not None else ""
            raise MacroFailed(f"it takes {least}{fixed} argument{'s' * (fixed != 1)}, here are {len(arguments)}")
        for pattern, argument in zip(patterns[:fixed], arguments, strict=False):
            self.bind(pattern, argument, names)
        if rest is not None:
            self.bind(rest, self.listed(arguments[fixed:]), names)

    def bind(self, pattern: Node, item: Item, names: Names) -> None:
        """Bind a pattern to a node, taking vectors and lists apart."""
        if isinstance(pattern, Symbol):
            names[key_of(pattern)] = item
            return
        if not isinstance(pattern, VectorNode):
            raise MacroFailed("a parameter is a name, or a vector that takes a list apart", pattern)
        if not isinstance(item, ListNode | VectorNode):
            raise MacroFailed("a list or vector is expected here", None if isinstance(item, MacroFunction) else item)
        self.bind_all(pattern.items, list(item.items), names)

    def body(self, nodes: Sequence[Node], names: Names) -> Item:
        """Evaluate expressions; the last gives the value."""
        value: Item = self.literal(None)
        for node in nodes:
            value = self.evaluate(node, names)
        return value

    def evaluate(self, node: Node, names: Names) -> Item:
        """Evaluate one expression of a macro."""
        self.spend(1)
        self.nested += 1
        if self.nested > MAX_NESTED:
            raise MacroFailed(f"its evaluation nests deeper than {MAX_NESTED} levels")
        try:
            return self._evaluate(node, names)
        finally:
            self.nested -= 1

    def _evaluate(self, node: Node, names: Names) -> Item:
        if isinstance(node, Literal):
            return self.literal(node.value)
        if isinstance(node, Symbol):
            found = names.get(key_of(node))
            if found is None:
                raise MacroFailed(f"`{node.name}` is no parameter and no name of this macro")
            return found
        if isinstance(node, VectorNode):
            return VectorNode(self.nodes(node.items, names), self.span)
        if isinstance(node, MapNode):
            pairs = tuple((self.value(key, names), self.value(value, names)) for key, value in node.pairs)
            return MapNode(pairs, self.span)
        if isinstance(node, Quoted):
            return self._quoted(node, names)
        if isinstance(node, ListNode) and node.items:
            return self._call(node, names)
        raise MacroFailed("this cannot be worked out in a macro")

    def value(self, node: Node, names: Names) -> Node:
        """Evaluate to a node."""
        return self.node(self.evaluate(node, names), "this")

    def nodes(self, given: Sequence[Node], names: Names) -> tuple[Node, ...]:
        """Evaluate several."""
        return tuple([self.value(node, names) for node in given])

    def _call(self, node: ListNode, names: Names) -> Item:
        head = node.items[0]
        if isinstance(head, Symbol) and key_of(head) not in names:
            form = self.library.forms.get(head.name)
            if form is not None:
                return form(self, node.items[1:], names)
            function = self.library.functions.get(head.name)
            if function is None:
                known = " ".join(sorted([*self.library.forms, *self.library.functions]))
                raise MacroFailed(f"`{head.name}` cannot be used in a macro; what can: {known}")
            return function(self, [self.evaluate(each, names) for each in node.items[1:]])
        return self.apply(self.evaluate(head, names), [self.value(each, names) for each in node.items[1:]])

    def apply(self, function: Item, arguments: list[Node]) -> Item:
        """Apply a function of a macro."""
        if not isinstance(function, MacroFunction):
            raise MacroFailed("this is called, but is no function of the macro")
        names = dict(function.names)
        self.spend(len(names))
        self.bind_all(function.parameters, arguments, names)
        return self.body(function.body, names)

    def _quoted(self, node: Quoted, names: Names) -> Node:
        if node.quoting is Quoting.QUOTE:
            return moved(node.node, self.span)
        if node.quoting is Quoting.QUASIQUOTE:
            return self.template(node.node, 1, names)
        raise MacroFailed(f"`{node.quoting.value}` stands only within a template")

    def template(self, node: Node, level: int, names: Names) -> Node:
        """Fill a template; of templates within templates only what is unquoted as often is worked out."""
        self.spend(1)
        if isinstance(node, Quoted):
            return self._template_quoted(node, level, names)
        if isinstance(node, Symbol):
            return self.marked(node)
        if isinstance(node, ListNode):
            return ListNode(self.filled(node.items, level, names), self.span)
        if isinstance(node, VectorNode):
            return VectorNode(self.filled(node.items, level, names), self.span)
        if isinstance(node, MapNode):
            return self._template_map(node, level, names)
        if isinstance(node, ShorthandFn):
            return ShorthandFn(ListNode(self.filled(node.body.items, level, names), self.span), self.span)
        if isinstance(node, Annotated):
            metadata = self._template_map(node.metadata, level, names)
            return Annotated(metadata, self.template(node.node, level, names), self.span)
        return moved(node, self.span)

    def _template_map(self, node: MapNode, level: int, names: Names) -> MapNode:
        pairs = tuple(
            (self.template(key, level, names), self.template(value, level, names)) for key, value in node.pairs
        )
        return MapNode(pairs, self.span)

    def _template_quoted(self, node: Quoted, level: int, names: Names) -> Node:
        inner = level
        if node.quoting is Quoting.QUASIQUOTE:
            inner = level + 1
        elif node.quoting is not Quoting.QUOTE:
            if level == 1 and node.quoting is Quoting.SPLICE:
                raise MacroFailed("`~@` gives items, and stands within ( ) or [ ]")
            if level == 1:
                return self.value(node.node, names)
            inner = level - 1
        return Quoted(node.quoting, self.template(node.node, inner, names), self.span)

    def filled(self, items: Sequence[Node], level: int, names: Names) -> tuple[Node, ...]:
        """Fill the items of a list or vector of a template."""
        given: list[Node] = []
        for item in items:
            if level == 1 and isinstance(item, Quoted) and item.quoting is Quoting.SPLICE:
                given.extend(self.items(self.evaluate(item.node, names)))
            else:
                given.append(self.template(item, level, names))
        self.spend(len(given))
        return tuple(given)

    def items(self, item: Item) -> tuple[Node, ...]:
        """Give the items of a list or vector; nil has none, a map its entries."""
        if isinstance(item, ListNode | VectorNode):
            return item.items
        if isinstance(item, MapNode):
            return tuple(VectorNode(pair, item.span) for pair in item.pairs)
        if isinstance(item, Literal) and item.value is None:
            return ()
        raise MacroFailed("a list or vector is expected here", None if isinstance(item, MacroFunction) else item)

    def marked(self, symbol: Symbol) -> Symbol:
        """Put this expansion's mark on a name of a template."""
        if symbol.name == "_" or symbol.name.startswith(_PLACEHOLDERS):
            return Symbol(symbol.name, self.span, symbol.mark)
        outer = mark_of(symbol)
        if outer not in self.marks:
            self.marks[outer] = Mark(self.macro.scope, outer)
        return Symbol(symbol.name, self.span, self.marks[outer])


def _is_rest(node: Node) -> bool:
    return isinstance(node, Symbol) and node.name == "&"
