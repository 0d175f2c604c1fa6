"""Types that are known by one name: the primitive ones, and names that are short for others."""

from __future__ import annotations

from typing import Final

from domain.rtfs.types.combining import union
from domain.rtfs.types.model import ANY, FLOAT, INT, NIL, PRIMITIVES, STRING, Function, MapOf, Type, Vector

_SHORT: Final[dict[str, Type]] = {
    "integer": INT,
    "boolean": PRIMITIVES["bool"],
    "str": STRING,
    "number": union(INT, FLOAT),
    "map": MapOf(ANY, ANY),
    "vector": Vector(ANY),
    "list": Vector(ANY),
    "function": Function((), ANY, ANY),
    "resource-handle": STRING,
    "UUID": PRIMITIVES["uuid"],
}

NAMED: Final[dict[str, Type]] = {
    **PRIMITIVES,
    **_SHORT,
    **{name.capitalize(): type_ for name, type_ in {**PRIMITIVES, **_SHORT}.items() if name.isalpha()},
}
"""Every name of a type: ``int``, ``Int``, ``Integer``, ``number``, ``Map``, and so on."""


def named_type(name: str) -> Type | None:
    """Give the type of a name, written with or without a capital; ``T?`` is ``T`` or nil."""
    found = NAMED.get(name)
    if found is None and name.endswith("?") and name[:-1] in NAMED:
        return union(NAMED[name[:-1]], NIL)
    return found


def shown_names() -> str:
    """List the names for a hint, the primitive ones alone."""
    return " ".join(f":{name}" for name in PRIMITIVES)
