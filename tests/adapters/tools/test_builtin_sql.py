import asyncio
import sqlite3
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.tools.calling import BuiltIn


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    with sqlite3.connect(folder / "shop.db") as connection:
        connection.executescript(
            "create table item (name text, price real, stock int, picture blob);"
            "insert into item values ('pen', 1.5, 10, null), ('ink', 4.0, 0, x'00ff');"
        )
    connection.close()
    return folder


@pytest.fixture
def tools(root: Path) -> BuiltIn:
    return BuiltIn(root)


def content(root: Path) -> bytes:
    return (root / "shop.db").read_bytes()


async def test_rows_are_maps_by_column(tools: BuiltIn) -> None:
    statement = "select name, price, stock from item where price > ? and name <> ? order by name"
    assert await tools.value("sql.query", database="shop.db", statement=statement, parameters=[1, "x"]) == {
        "columns": ["name", "price", "stock"],
        "rows": [{"name": "ink", "price": 4.0, "stock": 0}, {"name": "pen", "price": 1.5, "stock": 10}],
        "truncated": False,
    }


async def test_more_rows_than_asked_for_are_said_to_be_there(tools: BuiltIn) -> None:
    found = await tools.value("sql.query", database="shop.db", statement="select name from item", limit=1)
    assert (len(found["rows"]), found["truncated"]) == (1, True)
    found = await tools.value("sql.query", database="shop.db", statement="select name from item", limit=2)
    assert (len(found["rows"]), found["truncated"]) == (2, False)
    assert (await tools.failure("sql.query", database="shop.db", statement="select 1", limit=0)).type == "sql.refused"


@pytest.mark.parametrize(
    "statement",
    [
        "delete from item",
        "insert into item values ('x', 1, 1, null)",
        "update item set price = 0",
        "create table other (x)",
        "create temp table other (x)",
        "drop table item",
        "with x as (select 1) delete from item",
        "attach 'other.db' as other",
        "pragma query_only = off",
        "pragma journal_mode = wal",
        "vacuum into '/tmp/copy.db'",
        "begin",
        "select load_extension('x')",
        "select 1; delete from item",
        "explain delete from item",
        "",
    ],
)
async def test_only_reading_is_allowed(tools: BuiltIn, root: Path, statement: str) -> None:
    before = content(root)
    failed = await tools.failure("sql.query", database="shop.db", statement=statement)
    assert failed.type in ("sql.refused", "sql.failed")
    assert content(root) == before
    assert sorted(path.name for path in root.iterdir()) == ["shop.db"]


async def test_an_endless_statement_ends(root: Path) -> None:
    statement = "with recursive x(i) as (select 1 union all select i + 1 from x) select count(*) from x"
    failed = await BuiltIn(root, query_seconds=0.1).failure("sql.query", database="shop.db", statement=statement)
    assert failed.type == "sql.timeout"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("select nothing from item", "sql.failed"),
        ("selec", "sql.failed"),
        ("select zeroblob(1000000000)", "sql.failed"),
        ("select 1 as a, 2 as a", "sql.refused"),
        ("select picture from item where picture is not null", "sql.value"),
        ("select ?", "sql.failed"),
    ],
)
async def test_a_wrong_statement_is_a_failure_that_says_why(tools: BuiltIn, statement: str, kind: str) -> None:
    assert (await tools.failure("sql.query", database="shop.db", statement=statement)).type == kind


async def test_only_databases_beneath_the_root_are_opened(tools: BuiltIn, root: Path, tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "other.db").close()
    (root / "link.db").symlink_to(tmp_path / "other.db")
    (root / "text.db").write_text("this is no database, only text of some length")
    expected = {
        "../other.db": "fs.outside-root",
        "link.db": "fs.outside-root",
        str(tmp_path / "other.db"): "fs.outside-root",
        "none.db": "fs.not-found",
        ".": "fs.not-a-file",
        "text.db": "sql.not-a-database",
        "shop.db?mode=rwc": "fs.not-found",
    }
    for database, kind in expected.items():
        assert (await tools.failure("sql.query", database=database, statement="select 1")).type == kind


async def test_a_name_with_characters_of_a_uri_is_a_name(tools: BuiltIn, root: Path) -> None:
    (root / "shop.db").rename(root / "a?mode=rw#b%20c.db")
    found = await tools.value("sql.query", database="a?mode=rw#b%20c.db", statement="select count(*) as n from item")
    assert found["rows"] == [{"n": 2}]


async def test_more_than_a_result_may_have_is_never_gathered(root: Path) -> None:
    tools = BuiltIn(root, result_bytes=1024 * 1024)
    endless = "with recursive x(i) as (select 1 union all select i + 1 from x) select printf('%.*c', 100000, 'x') as t"
    tracemalloc.start()
    try:
        failed = await tools.failure("sql.query", database="shop.db", statement=f"{endless} from x", limit=1000)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert failed.type == "sql.too-large"
    assert most < 10 * 1024 * 1024


async def test_a_link_put_there_while_it_is_opened_leads_nowhere(
    tools: BuiltIn, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "sub").mkdir()
    (root / "shop.db").rename(root / "sub" / "shop.db")
    (tmp_path / "out").mkdir()
    with sqlite3.connect(tmp_path / "out" / "shop.db") as connection:
        connection.execute("create table item as select 'secret' as name")
    connection.close()
    connect = sqlite3.connect

    def in_between(*given: Any, **more: Any) -> sqlite3.Connection:
        (root / "sub").rename(root / "away")
        (root / "sub").symlink_to(tmp_path / "out")
        try:
            return connect(*given, **more)
        finally:
            (root / "sub").unlink()
            (root / "away").rename(root / "sub")

    monkeypatch.setattr("adapters.tools.builtin.sql.sqlite3.connect", in_between)
    failed = await tools.failure("sql.query", database="sub/shop.db", statement="select name from item")
    assert (failed.type, failed.retryable) == ("fs.changed", True)


async def test_many_at_once_are_answered(tools: BuiltIn, root: Path) -> None:
    asking = (
        tools.value("sql.query", database="shop.db", statement="select name from item where name = 'pen'")
        for _ in range(100)
    )
    reading = (tools.outcome("fs.read", path="shop.db") for _ in range(100))
    found, _ = await asyncio.gather(asyncio.gather(*asking), asyncio.gather(*reading))
    assert all(each["rows"] == [{"name": "pen"}] for each in found)
