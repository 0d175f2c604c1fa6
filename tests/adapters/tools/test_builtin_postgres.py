"""`sql.query` on a real PostgreSQL, as its superuser: what is refused here is refused by the transaction, not by rights."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from infra.stack.endpoints import Endpoints
from tests.adapters.tools.calling import BuiltIn


@pytest.fixture
def database(stack: Endpoints) -> Iterator[str]:
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("create schema if not exists tools_test")
        connection.execute("create table tools_test.item (name text, price numeric, stock bigint, day date)")
        connection.execute("insert into tools_test.item values ('pen', 1.5, 10, '2026-01-02'), ('ink', 4, 0, null)")
        yield stack.database_url
        connection.execute("drop schema tools_test cascade")


@pytest.fixture
def tools(tmp_path: Path, database: str) -> BuiltIn:
    return BuiltIn(tmp_path, databases={"shop": database})


async def test_rows_are_maps_by_column_with_plain_values(tools: BuiltIn) -> None:
    statement = (
        "select name, price, stock, day, sum(stock) over () as total from tools_test.item where name <> %s order by 1"
    )
    found = await tools.value("sql.query", database="shop", statement=statement, parameters=["x"])
    assert found["rows"] == [
        {"name": "ink", "price": 4, "stock": 0, "day": None, "total": 10},
        {"name": "pen", "price": 1.5, "stock": 10, "day": "2026-01-02", "total": 10},
    ]


async def test_a_percent_sign_without_parameters_is_itself(tools: BuiltIn) -> None:
    found = await tools.value("sql.query", database="shop", statement="select 'x' like '%' as yes", limit=1)
    assert found == {"columns": ["yes"], "rows": [{"yes": True}], "truncated": False}


@pytest.mark.parametrize(
    "statement",
    [
        "delete from tools_test.item",
        "with x as (delete from tools_test.item returning 1) select * from x",
        "select 1; delete from tools_test.item",
        "select 1; commit; begin read write; delete from tools_test.item",
        "commit",
        "set transaction read write",
        "select set_config('transaction_read_only', 'off', false)",
        "create table tools_test.other (x int)",
        "copy tools_test.item to program 'cat'",
        "select nextval('tools_test.none')",
        "",
    ],
)
async def test_only_reading_is_allowed(tools: BuiltIn, database: str, statement: str) -> None:
    assert (await tools.failure("sql.query", database="shop", statement=statement)).type in (
        "sql.refused",
        "sql.failed",
    )
    with psycopg.connect(database) as connection:
        assert connection.execute("select count(*) from tools_test.item").fetchone() == (2,)


async def test_an_endless_statement_ends(tmp_path: Path, database: str) -> None:
    tools = BuiltIn(tmp_path, databases={"shop": database}, query_seconds=0.2)
    failed = await tools.failure("sql.query", database="shop", statement="select pg_sleep(60)")
    assert failed.type == "sql.timeout"


async def test_a_server_that_does_not_answer_may_be_asked_later(tmp_path: Path) -> None:
    tools = BuiltIn(tmp_path, databases={"shop": "postgresql://user:hidden@127.0.0.1:1/x"})
    failed = await tools.failure("sql.query", database="shop", statement="select 1")
    assert failed.type == "sql.unreachable"
    assert failed.retryable
    assert "hidden" not in failed.message
