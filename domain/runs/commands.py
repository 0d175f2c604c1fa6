"""What people and services may ask of runs. The principal comes from the bus, never from here."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.kernel.ids import TOKEN
from domain.runs.task import TaskFile

_RUN = Field(pattern="^" + TOKEN.pattern.replace(r"\Z", "$"))


class _Command(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fork(_Command):
    """The run that a new one leaves, after how many of its events, and their digest."""

    run: str = _RUN
    at: int = Field(ge=1)
    digest: str = Field(pattern="^sha256:[0-9a-f]{64}$")


class SubmitRun(_Command):
    """Start a run of a task. Its id is the command's id."""

    task: TaskFile
    fork: Fork | None = None


class PauseRun(_Command):
    """Stop before the next effect, until resumed."""

    run: str = _RUN
    reason: str = Field("", max_length=10_000)


class ResumeRun(_Command):
    """Go on with a paused run."""

    run: str = _RUN


class CancelRun(_Command):
    """End a run without a result."""

    run: str = _RUN
    reason: str = Field("", max_length=10_000)


class GrantApproval(_Command):
    """Let a waiting effect happen."""

    run: str = _RUN
    effect: str = Field(max_length=256)
    note: str = Field("", max_length=10_000)
    digest: str | None = Field(None, pattern="^sha256:[0-9a-f]{64}$")
    """Of the request that was seen: nothing else may happen by this. Clients of before do not send it."""


class RefuseApproval(_Command):
    """Do not let a waiting effect happen; the program is told."""

    run: str = _RUN
    effect: str = Field(max_length=256)
    reason: str = Field("", max_length=10_000)


class ResolveOutcome(_Command):
    """Say what became of an effect whose outcome is unknown: it happened with this result, or do it again."""

    run: str = _RUN
    effect: str = Field(max_length=256)
    outcome: Literal["happened", "repeat", "failed"]
    result: Any = None
    """Plain data, typed by the tool's result type; only with ``happened``."""
    note: str = Field("", max_length=10_000)


RunCommand = SubmitRun | PauseRun | ResumeRun | CancelRun | GrantApproval | RefuseApproval | ResolveOutcome
