"""Where a missing bracket most likely belongs: people and models indent by what they mean."""

from __future__ import annotations

from collections.abc import Sequence

from domain.rtfs.nodes import ListNode, Node, VectorNode
from domain.rtfs.source import Source, Span


def likely_end(source: Source, unclosed: Sequence[tuple[int, Sequence[Node]]]) -> Span | None:
    """Give the first part of a form that begins a line no further in than the form itself.

    ``unclosed`` has the start and the parts of each open form. The form that lacks its bracket may have taken the
    bracket of another, so that closed forms within are looked at too.
    """
    pending: list[tuple[int, Sequence[Node]]] = list(unclosed)
    indents: dict[int, int] = {}
    found: Span | None = None
    while pending:
        start, items = pending.pop()
        form_column = source.position(start)[1]
        for item in items:
            line, column = source.position(item.span.start)
            if line not in indents:  # once for each line: a line may be long and hold many parts
                text = source.line(line)
                indents[line] = len(text) - len(text.lstrip())
            begins_line = column == indents[line] + 1
            if begins_line and column <= form_column and (found is None or item.span < found):
                found = item.span
            if isinstance(item, ListNode | VectorNode):
                pending.append((item.span.start, item.items))
    return found
