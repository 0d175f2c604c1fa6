"""Types made of others: what belongs to any of them, what belongs to all, and what a condition leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from domain.rtfs.types.model import (
    ANY,
    KEYWORD,
    NEVER,
    Enum,
    Field,
    MapOf,
    Predicate,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Vector,
)

_FEW: Final = 8


def union(*members: Type) -> Type:
    """Join types: flattened, without doubles, in canonical order; a single member is itself."""
    return _few_joined(*members) if len(members) <= _FEW else _joined(members)


def _joined(members: Sequence[Type]) -> Type:
    flat: dict[str, Type] = {}
    for member in members:
        parts = member.members if isinstance(member, Union) else (member,)
        for part in parts:
            if part is not NEVER:
                flat[part.text] = part
    if ":any" in flat:
        return ANY
    if not flat:
        return NEVER
    ordered = tuple(flat[text] for text in sorted(flat, key=lambda text: (text == ":nil", text)))
    return ordered[0] if len(ordered) == 1 else Union(ordered)


@lru_cache(maxsize=1024)  # while a program is compiled, the same few types come together again and again
def _few_joined(*members: Type) -> Type:
    return _joined(members)


def refine(base: Type, predicates: Iterable[Predicate]) -> Type:
    """Put predicates onto a type: each once, in order of their text."""
    if isinstance(base, Refined):
        predicates = (*predicates, *base.predicates)
        base = base.base
    unique = {str(predicate): predicate for predicate in predicates}
    return Refined(base, tuple(unique[text] for text in sorted(unique))) if unique else base


def intersection(first: Type, second: Type) -> Type | None:
    """Give the type of what belongs to both; ``None`` when there is nothing, or no type that says it."""
    if second in (first, ANY):
        return first
    if first == ANY:
        return second
    if isinstance(first, Refined):
        base = intersection(first.base, second)
        return refine(base, first.predicates) if base is not None else None
    if isinstance(second, Refined):
        return intersection(second, first)
    if isinstance(first, Union) or isinstance(second, Union):
        return _shared_members(first, second)
    match first, second:
        case Vector(one), Vector(other):
            element = intersection(one, other)
            return Vector(element) if element is not None else None
        case (Tuple(parts), Vector(element)) | (Vector(element), Tuple(parts)):
            return _both_tuples(parts, [element] * len(parts))
        case Tuple(parts), Tuple(others):
            return _both_tuples(parts, others) if len(parts) == len(others) else None
        case (Record() as record, MapOf(key, value)) | (MapOf(key, value), Record() as record):
            return _both_records(record, Record((), value)) if key in (ANY, KEYWORD) else None
        case Record(), Record():
            return _both_records(first, second)
        case Enum(values), Enum(others):
            allowed = {str(Enum((value,))) for value in others}
            shared = tuple(value for value in values if str(Enum((value,))) in allowed)
            return Enum(shared) if shared else None
    return None


def _shared_members(first: Type, second: Type) -> Type | None:
    members, others = (each.members if isinstance(each, Union) else (each,) for each in (first, second))
    both = [intersection(one, other) for one in members for other in others]
    shared = union(*(each for each in both if each is not None))
    return None if shared == NEVER else shared


def _both_tuples(parts: Sequence[Type], others: Sequence[Type]) -> Type | None:
    both = [intersection(one, other) for one, other in zip(parts, others, strict=True)]
    shared = tuple(each for each in both if each is not None)
    return Tuple(shared) if len(shared) == len(both) else None


def _both_records(first: Record, second: Record) -> Type | None:
    fields: list[Field] = []
    held = [({field.key: field for field in record.fields}, record.rest) for record in (first, second)]
    for key in sorted({*held[0][0], *held[1][0]}):
        type_: Type | None = ANY
        for known, rest in held:
            also = known[key].type if key in known else rest
            type_ = intersection(type_, also) if type_ is not None and also is not None else type_
        if type_ is None:
            return None
        fields.append(Field(key, type_, any(key in known and known[key].required for known, _ in held)))
    if first.rest is None or second.rest is None:
        return Record(tuple(fields), second.rest if first.rest is None else first.rest)
    return Record(tuple(fields), intersection(first.rest, second.rest) or NEVER)
