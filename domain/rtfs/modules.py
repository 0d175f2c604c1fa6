"""Modules that a program imports: where their texts come from, and which were taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from domain.kernel.values import digest_bytes


@dataclass(frozen=True)
class ModuleSource:
    """The text of a module."""

    text: str

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of the text in UTF-8: what an import may pin."""
        return digest_bytes(self.text.encode(errors="surrogatepass"))


Resolver: TypeAlias = Callable[[str], ModuleSource | None]
"""Gives the text of a module by its name, the same one each time; ``None`` when there is none."""


@dataclass(frozen=True, slots=True)
class Import:
    """A module that was linked into a program."""

    name: str
    digest: str


def resolver_of(texts: Mapping[str, str]) -> Resolver:
    """Make a resolver of texts by name."""
    sources = {name: ModuleSource(text) for name, text in texts.items()}
    return sources.get
