"""Which code may be left out when it is never reached: what the program's description does not tell of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final, get_args

from domain.rtfs.compiler.expressions import Bind, Clause, Effect, Expression, Recur, Test
from domain.rtfs.compiler.scope import Definition


def droppable(parts: Iterable[Expression | Clause]) -> bool:
    """Tell whether none of this, nor a function that it makes or calls, reaches the world.

    Code that goes on with a loop stays too: whether it may stand where it does is seen when code is generated.
    """
    pending: list[Any] = list(parts)
    seen: set[Definition] = set()
    while pending:
        part = pending.pop()
        if isinstance(part, Effect | Recur):
            return False
        if isinstance(part, Definition):
            if part not in seen and part.body is not None:
                seen.add(part)
                pending.append(part.body)
        elif isinstance(part, tuple):
            pending.extend(part)
        else:
            pending.extend([getattr(part, name) for name in parts_of(type(part))])
    return True


def parts_of(kind: type) -> tuple[str, ...]:
    """Name the fields of an expression that may hold others."""
    return _PARTS.get(kind, ())


_PARTS: Final = {
    kind: tuple(field.name for field in fields(kind) if field.name not in ("span", "type"))
    for kind in (*get_args(Expression), Clause, Bind, Test)
}
