"""Pieces of Python as fixed templates. What comes from a module gets into their holes as trees, never as text."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

Holes = Mapping[str, ast.expr | Sequence[ast.expr]]
"""What stands for a name of a template; a sequence for a starred argument."""

Placed = TypeVar("Placed", bound=ast.expr | ast.stmt)

LOAD, STORE = ast.Load(), ast.Store()


@lru_cache(maxsize=1024)
def _parsed(template: str) -> list[ast.stmt]:
    return ast.parse(template).body


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
        return [self._filled(each, holes) for each in _parsed(template)]

    def expression(self, template: str, holes: Holes) -> ast.expr:
        """Fill a template that is one expression."""
        (statement,) = _parsed(template)
        assert isinstance(statement, ast.Expr)
        return self._filled(statement.value, holes)

    def _filled(self, node: Placed, holes: Holes) -> Placed:
        if isinstance(node, ast.Name):
            found = holes.get(node.id)
            if isinstance(found, ast.Name) and isinstance(node.ctx, ast.Store):
                return self.placed(ast.Name(found.id, STORE))  # type: ignore[return-value]
            if isinstance(found, ast.expr):
                return found  # type: ignore[return-value]
        fields = {field: self._field(value, holes) for field, value in ast.iter_fields(node)}
        return self.placed(type(node)(**fields))

    def _field(self, value: Any, holes: Holes) -> Any:
        if isinstance(value, list):
            return self._all(value, holes)
        return self._filled(value, holes) if isinstance(value, ast.expr | ast.stmt) else value

    def _all(self, nodes: list[ast.AST], holes: Holes) -> list[ast.AST]:
        filled: list[ast.AST] = []
        for node in nodes:
            if isinstance(node, ast.Starred) and isinstance(node.value, ast.Name):
                several = holes.get(node.value.id)
                if several is not None and not isinstance(several, ast.expr):
                    filled.extend(several)
                    continue
            filled.append(self._filled(node, holes) if isinstance(node, ast.expr | ast.stmt) else node)
        return filled
