"""`sql.query` on a real PostgreSQL, as its superuser: what is refused here is refused by the transaction, not by rights."""

import tracemalloc
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


async def test_more_than_a_result_may_have_is_never_gathered(tmp_path: Path, database: str) -> None:
    tools = BuiltIn(tmp_path, databases={"shop": database}, result_bytes=1024 * 1024)
    statement = "select repeat('x', 100000) as t from generate_series(1, 1000)"
    tracemalloc.start()
    try:
        failed = await tools.failure("sql.query", database="shop", statement=statement)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert failed.type == "sql.too-large"
    assert most < 10 * 1024 * 1024
    # The statement is given up with it, and the next one is served.
    assert (await tools.value("sql.query", database="shop", statement="select 1 as one"))["rows"] == [{"one": 1}]


async def test_nested_values_count_too(tmp_path: Path, database: str) -> None:
    tools = BuiltIn(tmp_path, databases={"shop": database}, result_bytes=1024 * 1024)
    statement = "select array_agg(repeat('x', 1000)) as t from generate_series(1, 2000)"
    assert (await tools.failure("sql.query", database="shop", statement=statement)).type == "sql.too-large"
    statement = "select jsonb_build_object('a', jsonb_build_array(repeat('x', 2000000))) as t"
    assert (await tools.failure("sql.query", database="shop", statement=statement)).type == "sql.too-large"


async def test_an_endless_statement_ends_though_it_gives_rows(tmp_path: Path, database: str) -> None:
    tools = BuiltIn(tmp_path, databases={"shop": database}, query_seconds=0.3)
    statement = "select pg_sleep(0.01), set_config('statement_timeout', '0', false) from generate_series(1, 10000)"
    assert (await tools.failure("sql.query", database="shop", statement=statement)).type == "sql.timeout"
