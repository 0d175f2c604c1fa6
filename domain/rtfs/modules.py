"""Modules that a program imports: where their texts come from, and which were taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, TypeAlias

from domain.kernel.errors import PrecedentError
from domain.kernel.values import digest_bytes


@dataclass(frozen=True)
class ModuleSource:
    """The text of a module."""

    text: str

    @cached_property
    def digest(self) -> str:
        """``sha256:…`` of the text in UTF-8: what an import may pin."""
        return digest_bytes(self.text.encode(errors="surrogatepass"))


class ModuleMissing(PrecedentError):
    """There is no module of this name: the message says where it was looked for, so that it can be put there."""

    code: ClassVar[str] = "rtfs.module-missing"


Resolver: TypeAlias = Callable[[str], ModuleSource | None]
"""Gives the text of a module by its name, the same one each time; ``None`` when there is none, or ``ModuleMissing``."""


@dataclass(frozen=True, slots=True)
class Import:
    """A module that was linked into a program."""

    name: str
    digest: str


def resolver_of(texts: Mapping[str, str]) -> Resolver:
    """Make a resolver of texts by name."""
    sources = {name: ModuleSource(text) for name, text in texts.items()}
    return sources.get
