"""The items of a body: what stands in it, and what the macros among it expand to."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from domain.rtfs.compiler.analysis import Analyzer
from domain.rtfs.compiler.macros import Frame, expanded, macro_called, within
from domain.rtfs.compiler.scope import Key, Scope, key_of
from domain.rtfs.nodes import Annotated, ListNode, Node, Symbol


class Item(NamedTuple):
    """One expression of a body, and the expansions that it comes from."""

    node: Node
    frames: tuple[Frame, ...] = ()

    @property
    def head(self) -> str:
        """The name that it begins with, behind its metadata."""
        node = self.node
        while isinstance(node, Annotated):
            node = node.node
        if isinstance(node, ListNode) and node.items and isinstance(node.items[0], Symbol):
            return node.items[0].name
        return ""


def expand_item(
    analyzer: Analyzer, items: list[Item], place: int, scope: Scope, hidden: Collection[Key] = ()
) -> Item | None:
    """Expand the item at a place, in place; none when it became several, or nothing.

    ``hidden`` are names that are about to be defined, and are no macros any more.
    """
    item = items[place]
    head = item.node.items[0] if isinstance(item.node, ListNode) and item.node.items else None
    if not macro_called(item.node, scope) or (isinstance(head, Symbol) and key_of(head) in hidden):
        return item
    with within(item.frames):
        node, frames = expanded(analyzer, item.node, scope)
    frames = (*frames, *item.frames)
    if isinstance(node, ListNode) and Item(node).head == "do":
        # So that a macro can define several things.
        items[place : place + 1] = [Item(each, frames) for each in node.items[1:]]
        return None
    items[place] = Item(node, frames)
    return items[place]
