"""What a program's text says about its definitions, beside what they do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from domain.kernel.values import Value
from domain.rtfs.source import Span

DelegationTarget: TypeAlias = Literal["local", "local-model", "remote"]
DELEGATION_TARGETS: tuple[DelegationTarget, ...] = get_args(DelegationTarget)


@dataclass(frozen=True, slots=True)
class Delegation:
    """Where the work of a function may be done: ``^:delegation :remote "model"``. It changes no values."""

    name: str
    """Of the function; empty when it has none."""
    target: DelegationTarget
    model: str | None
    span: Span
    """Of the function, in the text of ``module``."""
    module: str | None = None
    """The imported module that it stands in; ``None``: the program itself."""


@dataclass(frozen=True, slots=True)
class Description:
    """Metadata of a definition, as ``:doc``."""

    name: str
    values: Mapping[str, Value]
    """By the name of the key. Metadata that is not written-out data is left out."""
    span: Span
    module: str | None = None
