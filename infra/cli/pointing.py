"""Places of a plan on the screen: the line of the source, and carets below the form that begins there."""

from __future__ import annotations

from domain.rtfs.nodes import Annotated, ListNode, MapNode, Node, Quoted, ShorthandFn, VectorNode
from domain.rtfs.reader import read
from domain.rtfs.source import ReadError, Source, Span, render


def pointed(text: str, position: tuple[int, int] | None, message: str, module: str | None = None) -> str:
    """A message with the source line of a position (line and column from 1), where there is one in the text.

    ``module`` is the imported module whose text it is.
    """
    lines = text.split("\n")
    if position is None or not 1 <= position[0] <= len(lines) or (module is not None and not text):
        where = f"line {position[0]} of {module}: " if module is not None and position is not None else ""
        return f"{where}{message}"
    offset = sum(len(line) + 1 for line in lines[: position[0] - 1]) + position[1] - 1
    return render(Source(text, module), Span(offset, _end(text, offset)), message)


def _end(text: str, offset: int) -> int:
    """Where the form ends that begins at an offset."""
    try:
        pending = list(read(text))
    except ReadError:
        return offset + 1
    while pending:
        node = pending.pop()
        if node.span.start == offset:
            return node.span.end
        if node.span.start < offset < node.span.end:
            pending = _parts(node)
    return offset + 1


def _parts(node: Node) -> list[Node]:
    if isinstance(node, ListNode | VectorNode):
        return list(node.items)
    if isinstance(node, MapNode):
        return [part for pair in node.pairs for part in pair]
    if isinstance(node, ShorthandFn):
        return [node.body]
    if isinstance(node, Annotated):
        return [node.metadata, node.node]
    return [node.node] if isinstance(node, Quoted) else []
