"""What happened when runs were replayed: a small stream for each replay, beside the runs and never among them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final, Literal

from domain.kernel.events import DomainEvent

Mode = Literal["verify", "re-execute"]


class ReplayStarted(DomainEvent):
    """Someone replays a run, or all that are chosen."""

    TYPE: ClassVar[str] = "precedent.replay.ReplayStarted.v1"
    mode: Mode
    run: str | None
    """None: every run of the tenant, as far as ``since`` and ``statuses`` choose it."""
    events: int | None
    """How many events the run has."""
    digest: str | None
    """Of those events as stored (``domain/runs/inheritance.py``)."""
    since: str | None = None
    statuses: tuple[str, ...] = ()
    release: str
    """Version of the program that replays."""


class DivergenceFound(DomainEvent):
    """A run did not replay identically."""

    TYPE: ClassVar[str] = "precedent.replay.DivergenceFound.v1"
    run: str
    effect: str
    """Effect key, or what diverged instead: ``program``, ``output``, …"""
    tool: str | None
    """The tool that answers otherwise; None where the program asks otherwise."""
    expected: str
    actual: str
    line: int | None
    column: int | None


class ReplayFinished(DomainEvent):
    """The replay went through all it was asked to."""

    TYPE: ClassVar[str] = "precedent.replay.ReplayFinished.v1"
    outcomes: Mapping[str, int]
    """Runs by outcome: identical, open, diverged, refused."""
    reasons: Mapping[str, int]
    """Refused runs by error code."""
    effects: int
    """Effects that were compared."""
    output_digest: str | None
    """Of the run's output, where one completed run was replayed."""
    interrupted: bool = False


REPLAY_EVENTS: Final[tuple[type[DomainEvent], ...]] = (ReplayStarted, DivergenceFound, ReplayFinished)
