"""What is wrong with a program beside the first thing: told at once, so that it can be corrected at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from domain.rtfs.nodes import Annotated, ListNode, Node, Symbol, parts
from domain.rtfs.source import CompileError

MOST: Final = 8
"""Problems that one message tells; the rest is found once these are mended."""

_DEFINING: Final = frozenset({"def", "defn", "defmacro", "defstruct", "deftype"})


class Problems:
    """Problems that analysis goes on behind: what is wrong in a form says nothing of the forms beside it."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.found: list[CompileError] = []
        self.defined = _defined(nodes)
        """Names that the program defines somewhere: that one is not known yet is for the body to settle."""

    def take(self, error: CompileError, name: str | None) -> bool:
        """Note a problem, with the unknown name that it is about; False where nothing can be found behind it."""
        if name in self.defined or len(self.found) == MOST:
            return False
        known = {(each.span, each.message) for each in self.found}
        named = {each.message for each in self.found}
        if (error.span, error.message) not in known and not (name is not None and error.message in named):
            self.found.append(error)
        return True


def told_with(first: CompileError, others: Iterable[CompileError]) -> None:
    """Let an error tell of others, in the order of the text; those at places that it shows itself are left out."""
    places: dict[tuple[str | None, int, int], CompileError] = {}
    for each in others:
        place = (each.source.name, each.line, each.column)
        if first.related is not None and first.related.span.start == each.span.start:
            continue
        if place != (first.source.name, first.line, first.column) and each.message != first.message:
            places.setdefault(place, each)
    first.others = tuple(sorted(places.values(), key=lambda each: (each.source.name or "", each.span)))[: MOST - 1]


def _defined(nodes: Iterable[Node]) -> frozenset[str]:
    names: set[str] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ListNode) and len(node.items) > 1 and isinstance(node.items[0], Symbol):
            name = node.items[1]
            while isinstance(name, Annotated):
                name = name.node
            if node.items[0].name in _DEFINING and isinstance(name, Symbol):
                names |= {name.name, f"{name.name}?"}
        pending.extend(parts(node))
    return frozenset(names)
