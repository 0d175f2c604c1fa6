"""What a program may ask of the world: one capability, with its types, as a tool declares it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from domain.rtfs.types import Type

EffectMode: TypeAlias = Literal["pure", "read", "write", "external"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of a capability; one that is not required may be left out by name or at the end."""

    name: str
    type: Type
    required: bool = True


@dataclass(frozen=True, slots=True)
class Capability:
    """A named operation of the world, as ``python.metadata``, with what it takes, gives and may do."""

    name: str
    version: str
    effects: EffectMode
    parameters: tuple[Parameter, ...]
    result: Type
    doc: str


def kebab(name: str) -> str:
    """Give the RTFS spelling of a Python name."""
    return name.rstrip("_").replace("_", "-")
