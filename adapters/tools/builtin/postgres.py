"""Reads a PostgreSQL database in a transaction that may not write."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from typing import Any

import psycopg
from psycopg import sql

from adapters.postgres.liveness import LIVENESS
from adapters.tools.context import ToolFault


def read(
    url: str,
    statement: str,
    parameters: Sequence[Any],
    limit: int,
    seconds: float,
    gather: Callable[[Iterable[Sequence[Any]]], list[Sequence[Any]]],
) -> tuple[list[str], list[Sequence[Any]]]:
    """Give column names, and what is gathered of up to limit + 1 rows of one query, which come one by one.

    The statement runs as a cursor, which the server accepts for a single SELECT or VALUES only, in a read-only
    transaction that it refuses to make writable. What functions may do is the role's business: give one that may
    only read.
    """
    options = f"-c default_transaction_read_only=on -c statement_timeout={int(seconds * 1000)}"
    try:
        with psycopg.connect(url, options=options, connect_timeout=5, **LIVENESS) as connection:
            connection.read_only = True
            with connection.cursor("query") as declared, connection.cursor() as cursor:
                # With an empty list of values a lone % would be an error.
                declared.execute(statement, list(parameters) or None)
                columns = [column.name for column in declared.description or ()]
                fetch = sql.SQL("FETCH FORWARD {} FROM {}").format(limit + 1, sql.Identifier("query"))
                rows = cursor.stream(fetch)
                assert isinstance(rows, Generator), "what is left of it is given up when it is closed"
                with closing(rows):
                    return columns, gather(rows)
    except psycopg.errors.QueryCanceled as error:
        raise ToolFault("sql.timeout", "the statement ran longer than toolbox.query_seconds allow") from error
    except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.SyntaxError) as error:
        raise ToolFault("sql.refused", f"only one reading statement is allowed: {_said(error)}") from error
    except psycopg.OperationalError as error:
        # The text of connection failures names hosts and users; the configuration's reader knows them anyway.
        raise ToolFault("sql.unreachable", f"the database does not answer: {_said(error)}", retryable=True) from error
    except psycopg.Error as error:
        raise ToolFault("sql.failed", f"the database says: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    return error.diag.message_primary or type(error).__name__
