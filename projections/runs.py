"""The run table: one row a run, with where it stands and what it has used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Index,
    MetaData,
    Table,
    Text,
    and_,
    literal,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from projections import cells
from projections.facts import Fact
from projections.paging import Last, newest_first, row_of, rows_of
from projections.projection import Fold, Row, RowPerStream


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run."""

    tenant: str
    id: str
    goal: str
    """Its first 300 characters."""
    status: str
    """The phase, or ``paused`` or ``waiting`` (for a person) in an open run."""
    phase: str
    """submitted, routed, planned, executing, judged, completed, failed or cancelled."""
    paused: bool
    route: str | None
    program: str | None
    """Digest of the compiled program."""
    submitted_by: str
    submitted_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    deadline: datetime | None
    """When its active time ends; without meaning while that stands still (paused, waiting)."""
    version: int
    """Version of the newest event that this row has."""
    position: str
    """Position of that event."""
    events: int
    tool_calls: int
    model_calls: int
    """Calls with an outcome."""
    tokens: int
    """Of prompts and completions together."""
    usd: float
    error_code: str | None
    error_message: str | None
    advice: str | None
    """What a person can do about the error."""
    output_digest: str | None
    waiting_for: dict[str, str]
    """Effects that wait for a person: key -> tool."""
    sleeping: dict[str, str]
    """Timers that have not fired: effect key -> when due."""
    wake_at: datetime | None
    """When the first of them is due."""
    requested: list[str]
    """Keys of tool calls that were requested and have no outcome."""
    claim_worker: str | None
    claim_epoch: int
    """0 before the first claim."""
    claim_deadline: datetime | None


TABLE: Final = Table(
    "runs",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("goal", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("route", Text),
    Column("program", Text),
    Column("submitted_by", Text, nullable=False),
    Column("submitted_at", DateTime(timezone=True), nullable=False),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("deadline", DateTime(timezone=True)),
    Column("version", BigInteger, nullable=False),
    Column("position", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("tool_calls", BigInteger, nullable=False),
    Column("model_calls", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("usd", Double, nullable=False),
    Column("error_code", Text),
    Column("error_message", Text),
    Column("advice", Text),
    Column("output_digest", Text),
    Column("waiting_for", JSONB, nullable=False),
    Column("sleeping", JSONB, nullable=False),
    Column("wake_at", DateTime(timezone=True)),
    Column("requested", JSONB, nullable=False),
    Column("claim_worker", Text),
    Column("claim_epoch", BigInteger, nullable=False),
    Column("claim_deadline", DateTime(timezone=True)),
)
Index(None, TABLE.c.tenant, TABLE.c.submitted_at, TABLE.c.id)
Index(None, TABLE.c.updated_at, postgresql_where=text("ended_at IS NULL"))


def _submitted(_: Mapping[str, Any], fact: Fact) -> Row:
    return {
        "tenant": fact.tenant, "id": fact.stream, "goal": cells.one_line(fact.data["task"]["goal"]),
        "phase": "submitted", "paused": False, "route": None, "program": None,
        "submitted_by": cells.text(fact.actor), "submitted_at": fact.at, "ended_at": None,
        "deadline": cells.moment(fact.data["deadline"]),
        "tool_calls": 0, "model_calls": 0, "tokens": 0, "usd": 0.0,
        "error_code": None, "error_message": None, "advice": None, "output_digest": None,
        "waiting_for": {}, "sleeping": {}, "wake_at": None, "requested": [],
        "claim_worker": None, "claim_epoch": 0, "claim_deadline": None,
    }  # fmt: skip


def _claimed(_: Mapping[str, Any], fact: Fact) -> Row:
    return {
        "claim_worker": cells.text(fact.data["worker"]),
        "claim_epoch": cells.whole(fact.data["epoch"]),
        "claim_deadline": cells.moment(fact.data["deadline"]),
    }


def _called(row: Mapping[str, Any], fact: Fact) -> Row:
    return {"tool_calls": row["tool_calls"] + 1, "requested": [*row["requested"], cells.text(fact.data["effect"])]}


def _returned(row: Mapping[str, Any], fact: Fact) -> Row:
    effect = cells.text(fact.data["effect"])
    if effect in row["requested"]:
        return {"requested": [other for other in row["requested"] if other != effect]}
    return {"tool_calls": row["tool_calls"] + 1}  # pure and read calls are recorded once, with their outcome


def _waits(row: Mapping[str, Any], fact: Fact) -> Row:
    return {"waiting_for": {**row["waiting_for"], cells.text(fact.data["effect"]): cells.text(fact.data["tool"])}}


def _answered_by_person(row: Mapping[str, Any], fact: Fact) -> Row:
    effect = cells.text(fact.data["effect"])
    return {
        "waiting_for": {key: tool for key, tool in row["waiting_for"].items() if key != effect},
        "requested": [other for other in row["requested"] if other != effect],
        "deadline": cells.moment(fact.data["deadline"]),
    }


def _model_answered(row: Mapping[str, Any], fact: Fact) -> Row:
    used = cells.whole(fact.data["prompt_tokens"]) + cells.whole(fact.data["completion_tokens"])
    calls = 1 + max(0, cells.whole(fact.data.get("lost", 0)))
    return {
        "model_calls": cells.whole(row["model_calls"] + calls),
        "tokens": cells.whole(row["tokens"] + used * calls),
        "usd": row["usd"] + cells.number(cells.number(fact.data["usd"]) * calls),
    }


def _slept(row: Mapping[str, Any], fact: Fact) -> Row:
    return _timers({**row["sleeping"], cells.text(fact.data["effect"]): cells.text(fact.data["due"])})


def _woke(row: Mapping[str, Any], fact: Fact) -> Row:
    effect = cells.text(fact.data["effect"])
    return _timers({key: due for key, due in row["sleeping"].items() if key != effect})


def _timers(sleeping: Mapping[str, str]) -> Row:
    due = [moment for text in sleeping.values() if (moment := cells.moment(text)) is not None]
    return {"sleeping": sleeping, "wake_at": min(due, default=None)}


def _failed(_: Mapping[str, Any], fact: Fact) -> Row:
    error = fact.data["error"]
    return {
        "phase": "failed",
        "ended_at": fact.at,
        "error_code": cells.text(error["type"]),
        "error_message": cells.text(error["message"], cells.PARAGRAPH),
        "advice": cells.text(fact.data["advice"], cells.PARAGRAPH),
    }


def _kept(change: Fold) -> Fold:
    """Add what every event changes."""

    def fold(row: Mapping[str, Any], fact: Fact) -> Row:
        changes = change(row, fact)
        changes["version"] = fact.version
        changes["position"] = str(fact.position)
        changes["updated_at"] = fact.at
        changes["events"] = row.get("events", 0) + 1
        if not _STATUS_FOLLOWS.isdisjoint(changes):
            changes["status"] = _status({**row, **changes})
        return changes

    return fold


_STATUS_FOLLOWS: Final = {"phase", "paused", "waiting_for"}


def _status(row: Mapping[str, Any]) -> str:
    if row["ended_at"] is None and row["paused"]:
        return "paused"
    if row["ended_at"] is None and row["waiting_for"]:
        return "waiting"
    return str(row["phase"])


def _anew() -> Row:
    return {"phase": "submitted", "route": None, "program": None, "requested": [], "sleeping": {}, "wake_at": None}


_FOLDS: Final[Mapping[str, Fold]] = {
    "precedent.run.RunSubmitted.v1": _submitted,
    "precedent.run.RunClaimed.v1": _claimed,
    "precedent.run.RunRouted.v1": lambda _, fact: {"phase": "routed", "route": cells.text(fact.data["route"])},
    "precedent.run.PlanDrafted.v1": lambda _, __: {"phase": "planned"},
    "precedent.run.PlanRejected.v1": lambda _, __: {"phase": "routed"},
    "precedent.run.ProgramCompiled.v1": lambda _, fact: {
        "phase": "executing", "program": cells.text(fact.data["digest"]),
    },
    "precedent.run.ProgramReused.v1": lambda _, fact: {
        "phase": "executing", "program": cells.text(fact.data["digest"]),
    },
    "precedent.run.ReuseSettled.v1": lambda _, fact: _anew() if fact.data["goes_on"] else {},
    "precedent.run.ShadowCompared.v1": lambda _, __: {},
    "precedent.run.AgentPinned.v1": lambda _, fact: {
        "phase": "executing", "program": cells.text(fact.data["digest"]),
    },
    "precedent.run.ValueRecorded.v1": lambda _, __: {},
    "precedent.run.ToolCallRequested.v1": _called,
    "precedent.run.ToolCallCompleted.v1": _returned,
    "precedent.run.ToolCallFailed.v1": _returned,
    "precedent.run.ToolCallDenied.v1": lambda _, __: {},
    "precedent.run.ToolCallOutcomeUnknown.v1": _waits,
    "precedent.run.OutcomeResolved.v1": _answered_by_person,
    "precedent.run.ModelCallRequested.v1": lambda _, __: {},
    "precedent.run.ModelCallAnswered.v1": _model_answered,
    "precedent.run.ModelCallFailed.v1": lambda row, _: {"model_calls": row["model_calls"] + 1},
    "precedent.run.ApprovalRequested.v1": _waits,
    "precedent.run.ApprovalGranted.v1": _answered_by_person,
    "precedent.run.ApprovalRefused.v1": _answered_by_person,
    "precedent.run.TimerStarted.v1": _slept,
    "precedent.run.TimerFired.v1": _woke,
    "precedent.run.VerdictReached.v1": lambda _, __: {"phase": "judged"},
    "precedent.run.RunPaused.v1": lambda _, __: {"paused": True},
    "precedent.run.RunResumed.v1": lambda _, fact: {
        "paused": False, "deadline": cells.moment(fact.data["deadline"]),
    },
    "precedent.run.RunCompleted.v1": lambda _, fact: {
        "phase": "completed", "ended_at": fact.at, "output_digest": cells.text(fact.data["output_digest"]),
    },
    "precedent.run.RunFailed.v1": _failed,
    "precedent.run.RunCancelled.v1": lambda _, fact: {"phase": "cancelled", "ended_at": fact.at},
}  # fmt: skip

RUNS: Final = RowPerStream(
    name="runs",
    version=2,
    table=TABLE,
    opening="precedent.run.RunSubmitted.v1",
    appliers={kind: _kept(change) for kind, change in _FOLDS.items()},
)


async def get_run(connection: AsyncConnection, tenant: str, run: str) -> RunRow | None:
    """One run; None where there is none (yet)."""
    return await row_of(connection, select(TABLE).where(TABLE.c.tenant == tenant, TABLE.c.id == run), RunRow)


async def list_runs(
    connection: AsyncConnection,
    tenant: str,
    *,
    status: Sequence[str] = (),
    goal_has: str | None = None,
    before: Last | None = None,
    limit: int = 50,
) -> Sequence[RunRow]:
    """A tenant's runs, newest first: of these statuses (all, where none is named), whose goal contains the text.

    The next page is ``before`` the ``(submitted_at, id)`` of this page's last row.
    """
    query = select(TABLE).where(TABLE.c.tenant == tenant)
    if status:
        query = query.where(TABLE.c.status.in_(status))
    if goal_has is not None:
        query = query.where(TABLE.c.goal.icontains(goal_has, autoescape=True))
    page = newest_first(query, TABLE.c.submitted_at, TABLE.c.id, before=before, limit=limit)
    return await rows_of(connection, page, RunRow)


async def runs_without_driver(
    connection: AsyncConnection, tenant: str, now: datetime, limit: int = 1000
) -> Sequence[RunRow]:
    """A tenant's open runs that nobody drives and that need nobody else, those left longest first.

    Runs that are paused, or wait for a person or for nothing but timers that are not due, are left alone: what they
    wait for wakes them, and that wake is kept by the bus until a worker has settled it. No sleep outlasts the run's
    active time.
    """
    unclaimed = or_(TABLE.c.claim_deadline.is_(None), TABLE.c.claim_deadline < now)
    asleep = and_(
        TABLE.c.wake_at.is_not(None),
        TABLE.c.wake_at > now,
        TABLE.c.deadline > now,
        TABLE.c.requested == literal([], JSONB),
    )
    query = (
        select(TABLE)
        .where(TABLE.c.tenant == tenant, TABLE.c.ended_at.is_(None))
        .where(TABLE.c.status.not_in(("paused", "waiting")), unclaimed, ~asleep)
        .order_by(TABLE.c.updated_at)
        .limit(limit)
    )
    return await rows_of(connection, query, RunRow)
