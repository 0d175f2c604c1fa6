"""Types put together and cut down: what a value may be after either branch, or after a question was answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from domain.kernel.values import Value
from domain.rtfs.types.checking import mismatch
from domain.rtfs.types.combining import union
from domain.rtfs.types.model import (
    ANY,
    BOOL,
    NEVER,
    NIL,
    Enum,
    MapOf,
    Record,
    Refined,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
)
from domain.rtfs.types.relation import differ, fits
from domain.rtfs.types.sizes import is_bounded

MAX_MEMBERS: Final = 24
"""Members of a union that was inferred; beyond, a value may be anything."""


def bounded(given: Type) -> Type:
    """Give a type, or ``:any`` in place of one that has grown too large."""
    return given if is_bounded(given) else ANY


def join(*types: Type) -> Type:
    """Give a type of every value of any of these; what fits within another member adds nothing."""
    if not types:
        return NEVER
    first = types[0]
    for each in types:
        if each is not first:
            return _few_joined(*types) if len(types) <= _FEW else _joined(types)
    return first


_FEW: Final = 8


@lru_cache(maxsize=1024)
def _few_joined(*types: Type) -> Type:
    return _joined(types)


def _joined(types: Sequence[Type]) -> Type:
    whole = union(*types)
    if not isinstance(whole, Union):
        return whole
    members = list(whole.members)
    if len(members) > MAX_MEMBERS:
        return ANY
    kept = [each for each in members if not any(each is not other and fits(each, other) for other in members)]
    # Two that fit within one another are both gone: then nothing is absorbed.
    return union(*kept) if 0 < len(kept) < len(members) else whole


def general(given: Type) -> Type:
    """Give a type of more values, for what grows from turn to turn: lengths and keys are forgotten."""
    if isinstance(given, Tuple):
        return Vector(join(*given.elements))
    if isinstance(given, Val | Enum):
        return ANY
    if isinstance(given, Record) and given.rest is NEVER:
        return MapOf(ANY, join(*[each.type for each in given.fields]))
    return join(*map(general, given.members)) if isinstance(given, Union) else given


def meet(found: Type, wanted: Type) -> Type:
    """Give the type of a value that was found to be of another type too; ``:never`` when it cannot."""
    if found is ANY or wanted is found:
        return wanted
    if isinstance(found, Union):
        return union(*[meet(each, wanted) for each in found.members])
    if isinstance(found, Enum):
        return _some_of(found, lambda value: mismatch(value, wanted) is None)
    if isinstance(wanted, Union):
        return union(*[meet(found, each) for each in wanted.members])
    if differ(found, wanted) is not None:
        return NEVER
    return wanted if not fits(found, wanted) and fits(wanted, found) else found


def without(found: Type, removed: Type) -> Type:
    """Give the type of a value that was found not to be of another type."""
    if isinstance(found, Union):
        return union(*[without(each, removed) for each in found.members])
    if isinstance(found, Enum):
        return _some_of(found, lambda value: mismatch(value, removed) is not None)
    return NEVER if fits(found, removed) else found


def _some_of(found: Enum, stays: Callable[[Value], bool]) -> Type:
    values = tuple(each for each in found.values if stays(each))
    if len(values) == len(found.values):
        return found
    return Enum(values) if len(values) > 1 else Val(values[0]) if values else NEVER


_FALSE: Final = union(NIL, Val(False))  # noqa: FBT003  # the value false


def truthy(found: Type) -> Type:
    """Give the type of a value that counts as true."""
    if isinstance(found, Union | Enum | Val | Refined):
        return without(found, _FALSE)
    return NEVER if found is NIL else found


def falsy(found: Type) -> Type:
    """Give the type of a value that is ``false`` or ``nil``."""
    if isinstance(found, Union):
        return union(*[falsy(each) for each in found.members])
    if isinstance(found, Refined):
        return falsy(found.base)
    if found is ANY or found is BOOL or found is NIL:
        return found
    return meet(found, _FALSE) if isinstance(found, Val | Enum) else NEVER
