"""The database adapter against the real PostgreSQL: transactions, bulk rows, locks, and every way to lose a connection."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import ARRAY, BigInteger, Column, DateTime, Double, MetaData, Table, Text, func, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.postgres.database import PostgresDatabase
from projections.ports import DatabaseBusy, DatabaseRefused, DatabaseUnreachable


@pytest.fixture
async def database(stack):
    async with PostgresDatabase.at(stack.database_url) as database:
        yield database


@pytest.fixture
async def table(database):
    table = Table(
        f"things_{uuid4().hex}",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("name", Text),
        Column("tags", ARRAY(Text)),
        Column("weight", Double),
        Column("at", DateTime(timezone=True)),
    )
    async with database.transaction() as connection:
        await connection.run_sync(table.create)
    yield table
    async with database.transaction() as connection:
        await connection.run_sync(table.drop)


async def count(database, table):
    async with database.transaction() as connection:
        return await connection.scalar(select(func.count()).select_from(table))


async def kill(database, connection):
    """Let the server end another's session."""
    pid = await connection.scalar(text("SELECT pg_backend_pid()"))
    async with database.transaction() as operator:
        await operator.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})


AT = datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)
HOSTILE = 'tab\t newline\n \\N \\. \\\\ {"a",} NULL \' " é 💥 \u202e'
ROWS = [
    (1, "plain", ["a", "b"], 0.1, AT),
    (2, None, None, None, None),
    (3, HOSTILE, [HOSTILE, "", "NULL", "{}"], -0.0, AT),
    (4, "", [], 1.7e308, AT),
    (5, "x" * 3_000_000, [], 5e-324, AT),
]


async def test_appended_rows_read_back_as_they_were(database, table):
    async with database.transaction() as connection:
        await database.append(connection, table, ROWS)
    async with database.transaction() as connection:
        found = await connection.execute(select(table).order_by(table.c.id))
        assert [tuple(row) for row in found] == ROWS


async def test_appending_is_part_of_the_transaction(database, table):
    with suppress(ZeroDivisionError):
        async with database.transaction() as connection:
            await database.append(connection, table, ROWS)
            raise ZeroDivisionError
    assert await count(database, table) == 0


async def test_appending_first_and_last_in_a_transaction(database, table):
    async with database.transaction() as connection:
        await database.append(connection, table, ROWS[:1])
        await connection.execute(table.insert().values(id=9))
        await database.append(connection, table, [])
        await database.append(connection, table, ROWS[1:2])
    assert await count(database, table) == 3


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((1, "nul \0", [], 0.0, AT), "NUL"),
        ((2**70, "secret", [], 0.0, AT), "22003.*column id"),
        ((1, "secret", [], 0.0, "secret of a customer"), "22007.*column at"),
        ((None, "secret", [], 0.0, AT), "23502"),
        ((1, "secret"), "22P04"),
    ],
)
async def test_a_refused_row_says_why_without_quoting_it(database, table, row, said):
    with pytest.raises(DatabaseRefused, match=said) as refusal:
        async with database.transaction() as connection:
            await database.append(connection, table, [row])
    assert "secret" not in str(refusal.value)
    assert await count(database, table) == 0


async def test_a_wrong_statement_is_refused(database):
    with pytest.raises(DatabaseRefused, match=r"42P01.*does not exist; .*`precedent down`"):
        async with database.transaction() as connection:
            await connection.execute(text("SELECT * FROM nowhere"))


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody@/none?host=/nonexistent", "postgres://nobody@127.0.0.1:9/none"],
)
async def test_a_server_that_is_not_there(url):
    async with PostgresDatabase.at(url) as database:
        with pytest.raises(DatabaseUnreachable, match="is it running"):
            async with database.transaction():
                pass
        with pytest.raises(DatabaseUnreachable):
            async with database.exclusively("x"):
                pass


async def test_a_database_that_does_not_exist(stack):
    async with PostgresDatabase.at(stack.database_url.replace("/precedent?", "/nothing?")) as database:
        with pytest.raises((DatabaseUnreachable, DatabaseRefused), match='database "nothing" does not exist'):
            async with database.transaction():
                pass


async def test_a_connection_lost_between_statements(database, table):
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012  # any of them may notice
        async with database.transaction() as connection:
            await connection.execute(table.insert().values(id=1))
            await kill(database, connection)
            await connection.execute(table.insert().values(id=2))
    assert await count(database, table) == 0


async def test_a_connection_lost_before_commit(database, table):
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012  # any of them may notice
        async with database.transaction() as connection:
            await connection.execute(table.insert().values(id=1))
            await kill(database, connection)
    assert await count(database, table) == 0


async def test_a_connection_lost_while_rows_are_appended(database, table):
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012  # any of them may notice
        async with database.transaction() as connection:
            await kill(database, connection)
            await database.append(connection, table, ([n, "x" * 10_000, [], 0.0, AT] for n in range(1000)))
    assert await count(database, table) == 0


async def test_connections_lost_while_idle_are_not_noticed(database, table):
    async with database.transaction() as connection:
        await connection.execute(text("SELECT 1"))
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
    async with (
        PostgresDatabase.at(str(database._engine.url.render_as_string())) as other,
        other.transaction() as operator,
    ):
        await operator.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    assert await count(database, table) == 0


async def test_locks_that_are_not_granted_and_deadlocks_are_busy(database, table):
    async with database.transaction() as connection:
        await database.append(connection, table, ROWS[:2])
    async with database.transaction() as holder:
        await holder.execute(table.update().where(table.c.id == 1).values(name="held"))
        with pytest.raises(DatabaseBusy, match="55P03"):  # noqa: PT012
            async with database.transaction() as other:
                await other.execute(text("SET LOCAL lock_timeout = '1ms'"))
                await other.execute(table.update().values(name="too"))

    async def both(first, second, ready, go):
        async with database.transaction() as connection:
            await connection.execute(table.update().where(table.c.id == first).values(name="first"))
            ready.set()
            await go.wait()
            await connection.execute(table.update().where(table.c.id == second).values(name="second"))

    one, other = asyncio.Event(), asyncio.Event()
    outcomes = await asyncio.gather(both(1, 2, one, other), both(2, 1, other, one), return_exceptions=True)
    assert sorted(type(outcome) for outcome in outcomes if outcome is not None) == [DatabaseBusy]


async def test_a_pool_without_free_connections_is_busy(database):
    engine = create_async_engine(database._engine.url, pool_size=1, max_overflow=0, pool_timeout=0.01)
    async with PostgresDatabase(engine) as narrow, narrow.transaction():
        with pytest.raises(DatabaseBusy, match="every connection to the database is in use"):
            async with narrow.transaction():
                pass


async def test_a_cancelled_transaction_is_rolled_back_and_leaves_the_pool_whole(database, table):
    async def stuck():
        async with database.transaction() as connection:
            await connection.execute(table.insert().values(id=1))
            await connection.execute(text("SELECT pg_sleep(60)"))

    async def sleeping():
        asleep = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
        async with database.transaction() as operator:
            return await operator.scalar(asleep)

    for _ in range(7):
        task = asyncio.create_task(stuck())
        while not await sleeping():
            pass
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not await sleeping()
    assert await count(database, table) == 0


async def test_a_named_lock_has_one_holder(database, stack):
    async with PostgresDatabase.at(stack.database_url) as other:
        async with database.exclusively("a") as held:
            assert held
            async with other.exclusively("a") as too:
                assert not too
            async with other.exclusively("b") as another:
                assert another
        async with other.exclusively("a") as later:
            assert later


async def test_a_named_lock_is_let_go_when_its_holder_fails_or_dies(database, stack):
    with pytest.raises(ZeroDivisionError):
        async with database.exclusively("c"):
            raise ZeroDivisionError
    with pytest.raises(DatabaseUnreachable):  # noqa: PT012
        async with database.exclusively("c") as held:
            assert held
            async with await psycopg.AsyncConnection.connect(stack.database_url, autocommit=True) as operator:
                await operator.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
                )
    async with database.exclusively("c") as held:
        assert held


async def test_times_are_in_utc_and_json_is_exact(database):
    async with database.transaction() as connection:
        row = (
            await connection.execute(text("SELECT timestamptz '2026-11-21 09:00+01', '{\"a\": [1, null]}'::jsonb"))
        ).one()
    assert row[0].isoformat() == "2026-11-21T08:00:00+00:00"
    assert row[1] == {"a": [1, None]}


async def test_a_server_that_vanished_without_a_word_is_given_up_within_half_a_minute(database):
    async with database.transaction() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        used = driver.info.get_parameters()
    silence = int(used["keepalives_idle"]) + int(used["keepalives_interval"]) * int(used["keepalives_count"])
    assert silence <= 30
    assert int(used["tcp_user_timeout"]) <= 30_000
