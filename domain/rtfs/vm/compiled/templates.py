"""Pieces of Python as fixed templates. What comes from a module gets into their holes as trees, never as text."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

Holes = Mapping[str, ast.expr | Sequence[ast.expr]]
"""What stands for a name of a template; a sequence for a starred argument."""

Placed = TypeVar("Placed", bound=ast.expr | ast.stmt)
Build = Callable[[Holes, int], Any]
"""Makes a node from what is in the holes, on a line."""

LOAD, STORE = ast.Load(), ast.Store()


class Line:
    """Makes the syntax trees of one instruction: their line is how an interrupted run is found again."""

    def __init__(self, number: int) -> None:
        self.number = number

    def placed(self, node: Placed) -> Placed:
        """Put a node on this line."""
        node.lineno = node.end_lineno = self.number
        node.col_offset = node.end_col_offset = 0
        return node

    def name(self, name: str) -> ast.expr:
        """Read a variable."""
        return self.placed(ast.Name(name, LOAD))

    def constant(self, value: float | str | bool | None) -> ast.expr:
        """Give a constant."""
        return self.placed(ast.Constant(value))

    def statements(self, template: str, holes: Holes) -> list[ast.stmt]:
        """Fill a template of statements."""
        return [build(holes, self.number) for build in _builders(template)]

    def expression(self, template: str, holes: Holes) -> ast.expr:
        """Fill a template that is one expression."""
        (build,) = _builders(template)
        statement = build(holes, self.number)
        assert isinstance(statement, ast.Expr)
        return statement.value


@lru_cache(maxsize=1024)
def _builders(template: str) -> list[Build]:
    return [_builder(each) for each in ast.parse(template).body]


def _builder(node: ast.AST) -> Build:
    if isinstance(node, ast.Name):
        return _name(node.id, node.ctx)
    kind: Any = type(node)
    if not isinstance(node, ast.expr | ast.stmt):
        return lambda _holes, _line: node
    parts: list[tuple[str, Build]] = []
    same: dict[str, Any] = {"col_offset": 0, "end_col_offset": 0}
    for field, value in ast.iter_fields(node):
        if isinstance(value, list):
            parts.append((field, _several([_spread(each) for each in value])))
        elif isinstance(value, ast.expr | ast.stmt):
            parts.append((field, _builder(value)))
        else:
            same[field] = value

    def build(holes: Holes, line: int) -> Any:
        made = {field: part(holes, line) for field, part in parts}
        return kind(**made, **same, lineno=line, end_lineno=line)

    return build


def _name(name: str, context: ast.expr_context) -> Build:
    storing = isinstance(context, ast.Store)

    def build(holes: Holes, line: int) -> ast.expr:
        found = holes.get(name)
        if isinstance(found, ast.expr) and not storing:
            return found
        used = found.id if isinstance(found, ast.Name) else name
        return ast.Name(used, context, lineno=line, end_lineno=line, col_offset=0, end_col_offset=0)

    return build


def _spread(node: ast.AST) -> tuple[str | None, Build]:
    """Give the name of a starred argument, which may stand for several, and how to make the node itself."""
    starred = isinstance(node, ast.Starred) and isinstance(node.value, ast.Name)
    return node.value.id if starred else None, _builder(node)  # type: ignore[attr-defined]


def _several(nodes: list[tuple[str | None, Build]]) -> Build:
    def build(holes: Holes, line: int) -> list[Any]:
        made: list[Any] = []
        for starred, part in nodes:
            several = holes.get(starred) if starred is not None else None
            if several is None or isinstance(several, ast.expr):
                made.append(part(holes, line))
            else:
                made.extend(several)
        return made

    return build
