"""Which code may be left out when it is never reached: what the program's description does not tell of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, Final, get_args

from domain.rtfs.compiler.expressions import Bind, Clause, Effect, Expression, Recur, Test
from domain.rtfs.compiler.scope import Definition


class Reach:
    """What reaches the world, by itself or through the functions that it makes or calls.

    Each function of a program is looked at once, however often it is asked for.
    """

    def __init__(self) -> None:
        self.known: dict[Definition, bool] = {}

    def droppable(self, parts: Iterable[Expression | Clause]) -> bool:
        """Tell whether none of this reaches the world.

        Code that goes on with a loop stays too: whether it may stand where it does is seen when code is generated.
        """
        stays, functions = _looked_at(parts)
        return not stays and not any(self._reaches(each) for each in functions)

    def _reaches(self, definition: Definition) -> bool:
        if definition not in self.known:
            self._settle(definition)
        return self.known[definition]

    def _settle(self, first: Definition) -> None:
        """Look at a function and all that it can come to, and carry what is found back to the callers."""
        callers: dict[Definition, list[Definition]] = {first: []}
        reaching: list[Definition] = []
        pending = [first]
        while pending:
            definition = pending.pop()
            stays, functions = _looked_at([definition.body] if definition.body is not None else [])
            for each in functions:
                stays = stays or self.known.get(each, False)
                if each not in self.known:
                    pending.extend([] if each in callers else [each])
                    callers.setdefault(each, []).append(definition)
            reaching.extend([definition] if stays else [])
        self.known.update(dict.fromkeys(callers, False))
        while reaching:
            definition = reaching.pop()
            if not self.known[definition]:
                self.known[definition] = True
                reaching.extend(callers[definition])


def _looked_at(parts: Iterable[Expression | Clause]) -> tuple[bool, list[Definition]]:
    """Tell whether code must stay by itself, and which functions it makes or calls."""
    functions: dict[Definition, None] = {}
    pending: list[Any] = list(parts)
    while pending:
        part = pending.pop()
        if isinstance(part, Effect | Recur):
            return True, []
        if isinstance(part, Definition):
            functions[part] = None
        elif isinstance(part, tuple):
            pending.extend(part)
        else:
            pending.extend([getattr(part, name) for name in parts_of(type(part))])
    return False, list(functions)


def parts_of(kind: type) -> tuple[str, ...]:
    """Name the fields of an expression that may hold others."""
    return _PARTS.get(kind, ())


_PARTS: Final = {
    kind: tuple(field.name for field in fields(kind) if field.name not in ("span", "type"))
    for kind in (*get_args(Expression), Clause, Bind, Test)
}
