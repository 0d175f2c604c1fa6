"""`sql.query`: reads SQLite files beneath the root, and PostgreSQL databases that the configuration names."""

import os
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias, TypedDict
from urllib.parse import quote
from uuid import UUID

from adapters.tools.builtin.rooted import Identity, identity, located, opened_file
from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import tool

Gather: TypeAlias = Callable[[Iterable[Sequence[Any]]], list[Sequence[Any]]]

_MOST_ROWS = 10_000
_LARGEST_VALUE = 4 * 1024 * 1024
_OPENINGS = 20
"""How often a file is opened anew where other files were opened at the same moment, as other tools do."""
_OPENING = threading.Lock()
_OPERATIONS_A_CHECK = 10_000
_READING = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_NEVER = {"load_extension", "writefile", "readfile", "edit", "fts3_tokenizer"}


class Rows(TypedDict):
    """What a query gave: rows as maps from column name to value; `truncated` when there are more than the limit."""

    columns: list[str]
    rows: list[dict[str, Any]]
    truncated: bool


@tool("sql.query", effects="read", timeout=30, tags=("data",))
def query(
    context: ToolContext,
    database: str,
    statement: str,
    parameters: list[str | int | float | bool | None] = [],  # noqa: B006  # never changed
    limit: int = 1000,
) -> Rows:
    """Run one reading SQL statement, with values for its placeholders (`?` in SQLite, `%s` in PostgreSQL).

    `database` is a SQLite file beneath the root, or the configured name of a PostgreSQL database.
    Decimal numbers come as integers or floats, dates as text.
    """
    if not 1 <= limit <= _MOST_ROWS:
        raise ToolFault("sql.refused", f"limit {limit} is not between 1 and {_MOST_ROWS}")
    gather = partial(_gathered, limit=limit, most=context.settings.result_bytes)
    if url := context.settings.databases.get(database):
        from adapters.tools.builtin.postgres import read  # noqa: PLC0415  # the driver is loaded where it is used

        return _rows(*read(url, statement, parameters, limit, context.settings.query_seconds, gather), limit)
    return _rows(*_read_sqlite(context, database, statement, parameters, gather), limit)


def _gathered(rows: Iterable[Sequence[Any]], *, limit: int, most: int) -> list[Sequence[Any]]:
    """One row more than the limit, which tells that there are more; never more than a result may have."""
    gathered: list[Sequence[Any]] = []
    size = 0
    for row in rows:
        size += sum(map(_size, row))
        if size > most:
            raise ToolFault(
                "sql.too-large",
                f"the rows have more than {most} bytes (toolbox.result_mb); select less of them, or fewer",
            )
        gathered.append(row)
        if len(gathered) > limit:
            break
    return gathered


def _size(value: Any) -> int:
    match value:
        case str() | bytes():
            return len(value)
        case list():
            return sum(map(_size, value)) + len(value)
        case dict():
            return sum(_size(key) + _size(item) for key, item in value.items()) + len(value)
        case Decimal():
            return len(value.as_tuple().digits)
        case _:
            return 1


def _read_sqlite(
    context: ToolContext, database: str, statement: str, parameters: Sequence[Any], gather: Gather
) -> tuple[list[str], list[Sequence[Any]]]:
    connection = _opened(context, database)
    try:
        _restrict(connection, context.settings.query_seconds)
        cursor = connection.execute(statement, tuple(parameters))
        if cursor.description is None:
            raise ToolFault("sql.refused", "only statements that give rows are run; begin with SELECT or WITH")
        return [column[0] for column in cursor.description], gather(cursor)
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise _translated(error) from error
    finally:
        connection.close()


def _opened(context: ToolContext, database: str) -> sqlite3.Connection:
    with located(context.settings, database) as place:
        with opened_file(place) as file:
            if file.read(16) not in (b"SQLite format 3\0", b""):
                raise ToolFault("sql.not-a-database", f"{database!r} is no SQLite database")
        assert place.status is not None, "it was opened"
        wanted = identity(place.status)
        uri = f"file:{quote(str(context.settings.root.resolve() / place.path))}?mode=ro"
        for _ in range(_OPENINGS):
            # The library opens by a path, in which another may have put a link meanwhile: what it opened is looked at.
            with _OPENING:
                before = _regular_files()
                try:
                    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
                except sqlite3.Error as error:
                    raise ToolFault("sql.not-a-database", f"{database!r} cannot be opened: {error}") from error
                if all(found == wanted for _, found in _regular_files() - before):
                    return connection
                connection.close()  # or somebody else has just opened a file
    raise ToolFault("fs.changed", f"{database!r} was replaced while it was opened", retryable=True)


def _regular_files() -> set[tuple[int, Identity]]:
    """Descriptors of this process, and the files behind them."""
    found = set()
    for name in os.listdir("/dev/fd"):  # noqa: PTH208  # names are all there is to it
        with suppress(OSError):  # closed since, as is the one of the listing itself
            status = os.fstat(int(name))
            if stat.S_ISREG(status.st_mode):
                found.add((int(name), identity(status)))
    return found


def _restrict(connection: sqlite3.Connection, seconds: float) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.set_authorizer(_authorize)
    deadline = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > deadline, _OPERATIONS_A_CHECK)


def _authorize(action: int, _first: str | None, second: str | None, _schema: str | None, _by: str | None) -> int:
    if action not in _READING or (action == sqlite3.SQLITE_FUNCTION and second in _NEVER):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _translated(error: Exception) -> ToolFault:
    text = str(error)
    if text == "interrupted":
        return ToolFault("sql.timeout", "the statement ran longer than toolbox.query_seconds allow")
    if "not authorized" in text or "prohibited" in text or "readonly" in text:
        return ToolFault("sql.refused", f"only reading is allowed here ({text})")
    return ToolFault("sql.failed", f"the database says: {text}", retryable="locked" in text)


def _rows(columns: list[str], rows: list[Sequence[Any]], limit: int) -> Rows:
    if len(set(columns)) < len(columns):
        raise ToolFault("sql.refused", f"two columns have the same name ({', '.join(columns)}); rename one with AS")
    shown = [dict(zip(columns, _values(columns, row), strict=True)) for row in rows[:limit]]
    return Rows(columns=columns, rows=shown, truncated=len(rows) > limit)


def _values(columns: Iterable[str], row: Sequence[Any]) -> list[Any]:
    return [_value(column, value) for column, value in zip(columns, row, strict=True)]


def _value(column: str, value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str() | UUID():
            return value
        case Decimal():
            whole = value.is_finite() and value == value.to_integral_value()
            return int(value) if whole and value.as_tuple().exponent == 0 else float(value)
        case datetime() if value.tzinfo is not None:
            return value
        case datetime() | date() | time_of_day():
            return value.isoformat()
        case list():
            return [_value(column, item) for item in value]
        case dict():
            return {key: _value(column, item) for key, item in value.items()}
        case _:
            raise ToolFault(
                "sql.value", f"column {column} holds {type(value).__name__}; select text of it, like hex(…) or ::text"
            )
