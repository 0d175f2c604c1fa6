"""Rows of the metadata index of programs, and how they are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ARRAY, REAL, BigInteger, Column, DateTime, Double, Index, MetaData, Table, Text, or_, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.programs.state import Status
from projections.paging import row_of, rows_of

REFUSED: Final = "refused"
"""Status of what the policy does not let be published."""

PROGRAM: Final = "program"
MODULE: Final = "module"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRow:
    """One program as an answer to a kind of task."""

    tenant: str
    id: str
    kind: str
    """``program``; ``module`` in the row of a module's withdrawal, whose id is its digest."""
    namespace: str
    goal: str
    """Its first 300 characters."""
    semantic_embedding: list[float] | None
    """The goal as a point of unit length; pgvector takes it as ``semantic_embedding::vector``."""
    embedder: str | None
    """Whose point it is; points of different embedders are never compared."""
    interface_hash: str
    module: str
    """``sha256:…`` of the bytecode."""
    storage_pointer: str | None
    """Address of the bytecode in the tenant's content store; None where it was not uploaded."""
    validation_status: str
    """verified, candidate, refused, demoted, superseded or revoked; unknown before its program is heard of."""
    reason: str
    """Why it is not used, where it is not."""
    signature: str | None
    """Base64, Ed25519, over the statement that the event of its publication holds."""
    signed_by: str | None
    """Id of the key: ``name+hash``."""
    effects: list[dict[str, str]]
    """The effect row: name, version and mode of each tool that it may call."""
    plan: str | None
    """Digest of the text that it was compiled from."""
    evidence: str | None
    """Digest of the proofs."""
    policy: str | None
    """Digest of the policy under which it was published."""
    proofs: int
    """Runs that it did well."""
    run: str | None
    """The run that it comes from."""
    creation_timestamp: datetime
    last_used_timestamp: datetime | None
    updated_at: datetime
    uses: int
    """Runs in which it was executed in place of a model."""
    successes: int
    failures: int
    refutations: int
    """Uses whose output failed the task's type or checks."""
    agreements: int
    """Comparisons in which it gave what the model's program gave."""
    disagreements: int
    superseded_by: str | None
    saved_tokens: int
    """Of its successful uses together."""
    saved_usd: float
    saved_seconds: float


TABLE: Final = Table(
    "programs",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("goal", Text, nullable=False),
    Column("semantic_embedding", ARRAY(REAL)),
    Column("embedder", Text),
    Column("interface_hash", Text, nullable=False),
    Column("module", Text, nullable=False),
    Column("storage_pointer", Text),
    Column("validation_status", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("signature", Text),
    Column("signed_by", Text),
    Column("effects", JSONB, nullable=False),
    Column("plan", Text),
    Column("evidence", Text),
    Column("policy", Text),
    Column("proofs", BigInteger, nullable=False),
    Column("run", Text),
    Column("creation_timestamp", DateTime(timezone=True), nullable=False),
    Column("last_used_timestamp", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True), nullable=False),
    Column("uses", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
    Column("refutations", BigInteger, nullable=False),
    Column("agreements", BigInteger, nullable=False),
    Column("disagreements", BigInteger, nullable=False),
    Column("superseded_by", Text),
    Column("saved_tokens", BigInteger, nullable=False),
    Column("saved_usd", Double, nullable=False),
    Column("saved_seconds", Double, nullable=False),
)
Index(None, TABLE.c.tenant, TABLE.c.module)
Index(None, TABLE.c.tenant, TABLE.c.namespace, TABLE.c.interface_hash)

_PROGRAMS: Final = (TABLE.c.kind == PROGRAM) & (TABLE.c.validation_status != Status.UNKNOWN.value)


async def get_program(connection: AsyncConnection, tenant: str, name: str) -> ProgramRow | None:
    """One program; None where there is none (yet)."""
    query = select(TABLE).where(_PROGRAMS, TABLE.c.tenant == tenant, TABLE.c.id == name)
    return await row_of(connection, query, ProgramRow)


async def named_programs(
    connection: AsyncConnection, tenant: str, beginning: str, limit: int = 10
) -> Sequence[ProgramRow]:
    """Programs whose id, or whose module's digest, begins like this."""
    begins = or_(
        TABLE.c.id.startswith(beginning, autoescape=True),
        TABLE.c.module.startswith(beginning, autoescape=True),
        TABLE.c.module.startswith(f"sha256:{beginning}", autoescape=True),
    )
    query = select(TABLE).where(_PROGRAMS, TABLE.c.tenant == tenant, begins)
    return await rows_of(connection, query.order_by(TABLE.c.id).limit(limit), ProgramRow)


async def list_programs(
    connection: AsyncConnection,
    tenant: str,
    *,
    status: Sequence[str] = (),
    namespace: str | None = None,
    module: str | None = None,
    interface: str | None = None,
    goal_has: str | None = None,
    limit: int = 50,
    after: str | None = None,
) -> Sequence[ProgramRow]:
    """A tenant's programs to which all of this applies, the most used first.

    To page through them, give ``after``: the last id of the page before, or an empty text; then they come by id.
    """
    query = select(TABLE).where(_PROGRAMS, TABLE.c.tenant == tenant)
    if status:
        query = query.where(TABLE.c.validation_status.in_(status))
    for column, value in (
        (TABLE.c.namespace, namespace),
        (TABLE.c.module, module),
        (TABLE.c.interface_hash, interface),
    ):
        if value is not None:
            query = query.where(column == value)
    if goal_has is not None:
        query = query.where(TABLE.c.goal.icontains(goal_has, autoescape=True))
    if after is not None:
        query = query.where(TABLE.c.id > after).order_by(TABLE.c.id)
    else:
        query = query.order_by(TABLE.c.uses.desc(), TABLE.c.creation_timestamp.desc(), TABLE.c.id)
    return await rows_of(connection, query.limit(limit), ProgramRow)
