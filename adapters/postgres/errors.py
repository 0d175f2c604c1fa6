"""psycopg's and SQLAlchemy's errors, translated once. Codes: PostgreSQL manual, appendix A."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.kernel.errors import PrecedentError
from projections.ports import DatabaseBusy, DatabaseRefused, DatabaseUnreachable

_GONE: Final = ("08", "53", "57P", "58")
"""Connection exceptions, insufficient resources, operator intervention (shutdown, start-up), system errors."""

_BUSY: Final = ("40", "55P03", "57014", "25P03")
"""Serialization failures and deadlocks, locks not granted in time, cancelled or too slow."""

_OTHER_TABLES: Final = ("42703", "42P01")
"""A column, a table that is not there."""


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise ``DatabaseUnreachable``, ``DatabaseBusy`` or ``DatabaseRefused`` for what the driver raises inside."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseBusy(f"every connection to the database is in use: {error}") from error
    except DBAPIError as error:
        lost = error.connection_invalidated
        raise _translated(error.orig if isinstance(error.orig, psycopg.Error) else error, lost=lost) from error
    except psycopg.Error as error:
        raise _translated(error, lost=False) from error


def _translated(error: Exception, *, lost: bool) -> PrecedentError:
    state = getattr(error, "sqlstate", None)
    said = _said(error)
    if state is not None and state.startswith(_BUSY):
        return DatabaseBusy(f"the database is busy ({state}): {said}")
    if lost or (state is None and isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))):
        return DatabaseUnreachable(f"the database broke off or does not answer: {said}; is it running?")
    if state is not None and state.startswith(_GONE):
        return DatabaseUnreachable(f"the database cannot serve now ({state}): {said}")
    if state in _OTHER_TABLES:
        return DatabaseRefused(
            f"the database has not the tables of this release ({state}): {said}; another release's projector may run: "
            "`precedent down`, then `precedent up --detach`"
        )
    return DatabaseRefused(f"the database refused ({state or type(error).__name__}): {said}")


def _said(error: Exception) -> str:
    """What may be logged of it: messages about values quote them, and what an event carries has no place in logs."""
    if not isinstance(error, psycopg.Error) or error.sqlstate is None:
        return str(error).strip()
    if error.sqlstate.startswith("22"):
        place = (error.diag.context or "").partition(":")[0]  # "COPY runs_v1_1, line 3, column at"
        return f"{type(error).__name__}, {place}" if place else type(error).__name__
    return error.diag.message_primary or type(error).__name__
