"""The decision ledger: every choice in a run, with who made it, among what, why, and what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import ARRAY, BigInteger, Column, DateTime, MetaData, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from projections.cells import PARAGRAPH, optional_text, text
from projections.facts import Fact
from projections.projection import RowPerEvent


class LedgerEntry(NamedTuple):
    """One decision."""

    tenant: str
    run: str
    version: int
    """Place of its event within the run, from 1."""
    at: datetime
    event: str
    """Short name of the event that is the decision."""
    actor: str
    """Who decided: a principal or a service."""
    role: str
    """In which role: router, planner, compiler, guard, executor, critic, operator or controller."""
    effect: str | None
    """Key of the effect that was decided on, if one was."""
    chosen: str
    options: list[str]
    """What could have been chosen."""
    reason: str
    saw: str
    """Digest of what the decision was made from: ``sha256:…``."""
    event_id: str
    position: str
    """Where the log holds it."""


TABLE: Final = Table(
    "ledger",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("event", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("effect", Text),
    Column("chosen", Text, nullable=False),
    Column("options", ARRAY(Text), nullable=False),
    Column("reason", Text, nullable=False),
    Column("saw", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("position", Text, nullable=False),
)


def decided(fact: Fact) -> LedgerEntry:
    """Row of an event that is a decision."""
    data = fact.data
    decision = data["decision"]
    return LedgerEntry(
        tenant=fact.tenant,
        run=fact.stream,
        version=fact.version,
        at=fact.at,
        event=fact.event,
        actor=text(fact.actor),
        role=text(decision["role"]),
        effect=optional_text(data.get("effect")),
        chosen=text(decision["chosen"]),
        options=[text(option) for option in decision["options"]],
        reason=text(decision["reason"], PARAGRAPH),
        saw=text(decision["saw"]),
        event_id=fact.id,
        position=str(fact.position),
    )


LEDGER: Final = RowPerEvent(
    name="ledger",
    version=1,
    table=TABLE,
    appliers={
        "precedent.run.RunRouted.v1": decided,
        "precedent.run.PlanDrafted.v1": decided,
        "precedent.run.PlanRejected.v1": decided,
        "precedent.run.ProgramCompiled.v1": decided,
        "precedent.run.ProgramReused.v1": decided,
        "precedent.run.AgentPinned.v1": decided,
        "precedent.run.ToolCallDenied.v1": decided,
        "precedent.run.OutcomeResolved.v1": decided,
        "precedent.run.ApprovalRequested.v1": decided,
        "precedent.run.ApprovalGranted.v1": decided,
        "precedent.run.ApprovalRefused.v1": decided,
        "precedent.run.VerdictReached.v1": decided,
        "precedent.run.RunPaused.v1": decided,
        "precedent.run.RunResumed.v1": decided,
        "precedent.run.RunCancelled.v1": decided,
    },
)


async def decisions_of_run(
    connection: AsyncConnection, tenant: str, run: str, *, after: int = 0, limit: int = 1000
) -> Sequence[LedgerEntry]:
    """Decisions of a run in order, from just after a version of it; page by the last entry's version."""
    found = await connection.execute(
        select(TABLE)
        .where(TABLE.c.tenant == tenant, TABLE.c.run == run, TABLE.c.version > after)
        .order_by(TABLE.c.version)
        .limit(limit)
    )
    return [LedgerEntry(*row) for row in found]
