"""What people may do to the cache."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from domain.cache.keys import Level

Namespace = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Reason = Annotated[str, Field(max_length=4_000)]


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InvalidateCache(_Command):
    """Do not give these entries any more: all of the namespace, or those to which all that is named applies."""

    namespace: Namespace
    level: Level | None = None
    tag: Name | None = None
    depends: Name | None = None
    reason: Reason = ""


class InvalidateEntry(_Command):
    """Do not give this entry any more."""

    entry: str = Field(pattern=r"^[0-9a-f]{64}$")
    reason: Reason = ""


class JudgeReuse(_Command):
    """Tell whether what a run was given again was right."""

    namespace: Namespace
    run: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    level: str = Field(pattern=r"^L[34]$")
    entry: str = Field(pattern=r"^[0-9a-f-]{36,64}$")
    score: float = Field(ge=-1.0, le=1.0, allow_inf_nan=False)
    correct: bool
    reason: Reason = ""


CacheCommand = InvalidateCache | InvalidateEntry | JudgeReuse
