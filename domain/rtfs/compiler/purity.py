"""What expressions reach: functions and variables; and whether working one out can ask the world for anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from domain.rtfs.compiler.dropping import parts_of
from domain.rtfs.compiler.expressions import (
    Bind,
    Call,
    Effect,
    Expression,
    LibraryCall,
    MakeFunction,
    Parallel,
    Read,
    SiblingCall,
)
from domain.rtfs.compiler.scope import Definition, Variable
from domain.rtfs.functions import Applying


def reached(start: Expression, *, into_functions: bool = True) -> Iterator[Any]:
    """Give every expression within one, and within the functions that it makes or calls; each once."""
    pending: list[Any] = [start]
    seen: set[int] = set()
    while pending:
        part = pending.pop()
        if isinstance(part, tuple):
            pending.extend(part)
            continue
        if isinstance(part, Definition):
            if into_functions and id(part) not in seen and part.body is not None:
                seen.add(id(part))
                pending.append(part.body)
                pending.extend(part.group.sources if part.group is not None else ())
            continue
        names = parts_of(type(part))
        if not names:
            continue
        yield part
        pending.extend([getattr(part, name) for name in names])
        if isinstance(part, MakeFunction) and part.definition.group is not None:
            pending.append(part.definition.group.sources)


def variables_read(start: Expression) -> set[Variable]:
    """Give the variables that an expression, and what it reaches, reads."""
    return {part.variable for part in reached(start) if isinstance(part, Read)}


def asks_the_world(value: Expression, known: Mapping[Variable, Expression]) -> bool:
    """Tell whether working a value out may ask the world; ``known`` tells what variables hold.

    A function that is only made asks nothing yet; once anything is applied, every function in reach counts.
    """
    applied = False
    for part in reached(value, into_functions=False):
        if isinstance(part, Effect):
            return True
        higher = isinstance(part, LibraryCall) and isinstance(part.entry.implementation, Applying)
        applied = applied or higher or isinstance(part, Call | SiblingCall | Parallel)
    if not applied:
        return False
    pending, seen = [value], set[Variable]()
    while pending:
        for part in reached(pending.pop()):
            if isinstance(part, Effect):
                return True
            if isinstance(part, Read) and part.variable not in seen and part.variable in known:
                seen.add(part.variable)
                pending.append(known[part.variable])
    return False


def needed(body: Expression, steps: list[Bind]) -> list[Bind]:
    """Give the steps that a body needs, directly or through others, in their order."""
    values = {step.variable: step.value for step in steps}
    wanted: set[Variable] = set()
    pending = [body]
    while pending:
        for variable in variables_read(pending.pop()) - wanted:
            if variable in values:
                wanted.add(variable)
                pending.append(values[variable])
    return [step for step in steps if step.variable in wanted]
