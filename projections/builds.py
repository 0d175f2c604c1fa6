"""Builds: the tables that a projection's rows are in, how far each has come, and which one readers see.

A projection has one serving build, behind the view of its name, and at most one other that is being built beside it.
Whoever writes rows moves the build's positions in the same transaction, and only from where it believes them to be:
that fence is what makes every event count exactly once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Column,
    CursorResult,
    Index,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateTable, DropTable
from sqlalchemy.sql.elements import quoted_name

from domain.kernel.errors import PrecedentError
from domain.kernel.ids import START, Positions
from projections.ports import Database, DatabaseBusy
from projections.projection import Projection

SERVING: Final = "serving"
BUILDING: Final = "building"

BUILDS: Final = Table(
    "projection_builds",
    MetaData(),
    Column("projection", Text, primary_key=True),
    Column("build", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("positions", Text, nullable=False),
    Column("stopped_at", Text),
    Column("stopped_because", Text),
)
Index("projection_builds_one_of_a_state", BUILDS.c.projection, BUILDS.c.state, unique=True)

_SETUP: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('precedent projections', 0))")


class AnotherRunnerIsAhead(PrecedentError):
    """Another runner applies the same events: let one of the two go on, and stop this one. No row was doubled."""

    code = "projection.another-runner"


class ProjectionIsNewer(PrecedentError):
    """A newer release has built this projection: use that release, or rebuild the projection with this one."""

    code = "projection.newer"


@dataclass(slots=True)
class Build:
    """One set of rows of a projection, as its writer knows it."""

    projection: Projection
    number: int
    table: Table
    positions: Positions
    """Everything up to here is in the rows."""


@dataclass(frozen=True, slots=True)
class BuildState:
    """What is known of one build, for people."""

    projection: str
    build: int
    version: int
    state: str
    positions: Positions
    stopped_at: str | None
    """Position and address of the event that it stopped at."""
    stopped_because: str | None


async def prepare(database: Database, projections: Iterable[Projection]) -> None:
    """Make what is not there yet: the table of builds, and an empty serving build for each new projection."""
    async with database.transaction() as connection:
        await connection.execute(_SETUP)
        await connection.run_sync(BUILDS.metadata.create_all)
        served = await connection.scalars(select(BUILDS.c.projection).where(BUILDS.c.state == SERVING))
        known = set(served)
        for projection in projections:
            if projection.name not in known:
                await _show(connection, await _create(connection, projection, SERVING))


async def states(connection: AsyncConnection) -> list[BuildState]:
    """Every build of every projection."""
    found = await connection.execute(select(BUILDS).order_by(BUILDS.c.projection, BUILDS.c.build))
    return [BuildState(**{**row, "positions": Positions.parse(row["positions"])}) for row in found.mappings()]


async def attach(connection: AsyncConnection, projection: Projection) -> Build | None:
    """The serving build of a prepared projection; None if an older release made it. Raises ``ProjectionIsNewer``.

    Waits for a transaction that writes to it, so that the positions hold even when a commit's answer was lost.
    """
    row = (await _find(connection, projection, SERVING)).one_or_none()
    if row is None:
        raise DatabaseBusy(f"another build is being put in the place of projection {projection.name}; try again")
    if row.version > projection.version:
        raise ProjectionIsNewer(
            f"projection {projection.name} was built by version {row.version}, this release has {projection.version}; "
            f"use a newer release, or `precedent rebuild {projection.name}` with this one"
        )
    if row.version < projection.version:
        return None
    await _note(connection, projection, row.build, None, None)
    return _known(projection, row)


async def begin(connection: AsyncConnection, projection: Projection) -> Build:
    """A build beside the serving one: the one that was interrupted, or a new one."""
    await connection.execute(_SETUP)
    row = (await _find(connection, projection, BUILDING)).one_or_none()
    if row is not None and row.version == projection.version:
        await _note(connection, projection, row.build, None, None)
        return _known(projection, row)
    if row is not None:
        await _drop(connection, projection.name, row)
    return await _create(connection, projection, BUILDING)


async def advance(connection: AsyncConnection, steps: Sequence[tuple[Build, Positions]]) -> None:
    """Move the positions of builds. Raises ``AnotherRunnerIsAhead`` where they are not what this writer believes."""
    cells = {
        "projections": [build.projection.name for build, _ in steps],
        "numbers": [build.number for build, _ in steps],
        "believed": [str(build.positions) for build, _ in steps],
        "reached": [str(reached) for _, reached in steps],
    }
    moved = await connection.execute(_ADVANCE, cells)
    if moved.rowcount != len(steps):
        believed = ", ".join(
            f"{build.projection.name} (build {build.number}) at {build.positions}" for build, _ in steps
        )
        raise AnotherRunnerIsAhead(
            f"not all of these are where this runner left them: {believed}; another runner applies the same events: "
            "stop one of them"
        )


_ADVANCE: Final = text(
    "UPDATE projection_builds AS b SET positions = s.reached"
    " FROM unnest(:projections, :numbers, :believed, :reached) AS s (projection, build, believed, reached)"
    " WHERE b.projection = s.projection AND b.build = s.build AND b.positions = s.believed"
).bindparams(
    bindparam("projections", type_=ARRAY(Text)),
    bindparam("numbers", type_=ARRAY(Integer)),
    bindparam("believed", type_=ARRAY(Text)),
    bindparam("reached", type_=ARRAY(Text)),
)


async def stop(connection: AsyncConnection, build: Build, at: str, because: str) -> None:
    """Note for readers and people that a build does not go on."""
    await _note(connection, build.projection, build.number, at, because)


async def hold(connection: AsyncConnection, projection: Projection) -> None:
    """Keep the serving build's writer waiting until this transaction ends."""
    await _find(connection, projection, SERVING)


async def serve(connection: AsyncConnection, build: Build) -> None:
    """Put a finished build in the place of the serving one, whose writer is held and then finds its build gone.

    Readers see one or the other. Raises ``DatabaseBusy`` where a long query holds the view: no reader must queue
    behind this for long.
    """
    await connection.execute(text("SET LOCAL lock_timeout = '500ms'"))
    serving = (await _find(connection, build.projection, SERVING)).one()
    await connection.execute(text(f'DROP VIEW "{build.projection.name}"'))
    await _drop(connection, build.projection.name, serving)
    await connection.execute(
        update(BUILDS)
        .where(BUILDS.c.projection == build.projection.name, BUILDS.c.build == build.number)
        .values(state=SERVING)
    )
    await _show(connection, build)


async def _find(connection: AsyncConnection, projection: Projection, state: str) -> CursorResult[Any]:
    return await connection.execute(
        select(BUILDS).where(BUILDS.c.projection == projection.name, BUILDS.c.state == state).with_for_update()
    )


async def _create(connection: AsyncConnection, projection: Projection, state: str) -> Build:
    last = await connection.scalar(select(func.max(BUILDS.c.build)).where(BUILDS.c.projection == projection.name))
    number = (last or 0) + 1
    table = _table(projection, number)
    await connection.execute(CreateTable(table))
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        await connection.run_sync(index.create)
    await connection.execute(
        BUILDS.insert().values(
            projection=projection.name, build=number, version=projection.version, state=state, positions=str(START)
        )
    )
    return Build(projection, number, table, START)


async def _drop(connection: AsyncConnection, name: str, row: Row[Any]) -> None:
    await connection.execute(DropTable(Table(_table_name(name, row.version, row.build), MetaData()), if_exists=True))
    await connection.execute(delete(BUILDS).where(BUILDS.c.projection == name, BUILDS.c.build == row.build))


async def _show(connection: AsyncConnection, build: Build) -> None:
    columns = ", ".join(f'"{column.name}"' for column in build.table.columns)
    statement = f'CREATE VIEW "{build.projection.name}" AS SELECT {columns} FROM "{build.table.name}"'  # noqa: S608  # our own names
    await connection.execute(text(statement))


async def _note(
    connection: AsyncConnection, projection: Projection, build: int, at: str | None, because: str | None
) -> None:
    await connection.execute(
        update(BUILDS)
        .where(BUILDS.c.projection == projection.name, BUILDS.c.build == build)
        .values(stopped_at=at, stopped_because=because)
    )


def _known(projection: Projection, row: Row[Any]) -> Build:
    return Build(projection, row.build, _table(projection, row.build), Positions.parse(row.positions))


def _table_name(name: str, version: int, build: int) -> str:
    return f"{name}_v{version}_{build}"


def _table(projection: Projection, number: int) -> Table:
    name = _table_name(projection.name, projection.version, number)
    table = projection.table.to_metadata(MetaData(), name=name)
    for index in table.indexes:
        # The copy still has the template's, and names of indexes are unique in a database.
        index.name = quoted_name("_".join([name, *index.columns.keys()]), quote=None)
    return table
