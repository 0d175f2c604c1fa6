"""Whatever our own events carry, every projection makes a row of it that PostgreSQL takes."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from domain.cache.events import CACHE_EVENTS
from domain.kernel.events import DomainEvent, Recorded, address
from domain.kernel.ids import Position
from domain.programs.events import PROGRAM_EVENTS
from domain.runs.events import RUN_EVENTS
from projections.catalog import CATALOG
from projections.facts import read_fact
from projections.ledger import LEDGER
from projections.programs import PROGRAMS
from projections.reuse import REUSE
from projections.runs import RUNS
from projections.timeline import TIMELINE
from tests.projections.stories import drafts, submitted
from tests.projections.test_runs import STREAM

TEXT = st.one_of(st.text(max_size=20), st.sampled_from(["", "\0", "a\0b", "x" * 100_000, "\n" * 1_000]))
NUMBERS = st.one_of(st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False, allow_infinity=False))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """JSON for a field of this type."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any:
        return JSON
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3)
    if arguments:
        return st.one_of(*(values_of(argument) for argument in arguments))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {name: values_of(field.annotation) for name, field in annotation.model_fields.items()}
        return st.fixed_dictionaries(fields)
    return {str: TEXT, int: st.integers(-(2**63), 2**64 - 1), float: NUMBERS, bool: st.booleans()}.get(
        annotation, st.none()
    )


def happenings(events: Iterable[type[DomainEvent]]) -> st.SearchStrategy[Any]:
    return st.one_of(*(st.tuples(st.just(event.short_name()), values_of(event)) for event in events))


def cells(row):
    """Every text and number in a row, those inside JSON cells too."""
    for cell in row.values() if isinstance(row, dict) else row:
        if isinstance(cell, dict | list | tuple):
            yield from cells(cell)
        else:
            yield cell


def facts_of(happened, category):
    told = drafts(STREAM, happened, 1, category)
    found = [
        read_fact(Recorded(Position(0, 0, n), address(STREAM, 1, n, draft.short_name), draft.body(STREAM, n)), CATALOG)
        for n, draft in enumerate(told, start=1)
    ]
    return [fact for fact in found if fact is not None]


@given(st.lists(happenings(RUN_EVENTS), max_size=6))
def test_every_event_of_a_run_makes_rows_that_the_database_takes(happened):
    facts = facts_of([submitted(), *happened], "run")
    assert len(TIMELINE.rows(facts)) == len(facts)
    shared = [*PROGRAMS.fold([], facts).values(), *REUSE.fold([], facts).values()]
    check([*TIMELINE.rows(facts), *LEDGER.rows(facts), *RUNS.fold({}, facts).values(), *shared])


@given(st.lists(happenings(PROGRAM_EVENTS), max_size=4))
def test_every_event_of_a_program_makes_rows_that_the_database_takes(happened):
    check(PROGRAMS.fold([], facts_of(happened, "program")).values())


@given(st.lists(happenings(CACHE_EVENTS), max_size=4))
def test_every_event_of_the_cache_makes_rows_that_the_database_takes(happened):
    check(REUSE.fold([], facts_of(happened, "cache")).values())


def check(rows):
    for cell in (cell for row in rows for cell in cells(row)):
        assert not isinstance(cell, str) or "\0" not in cell
        assert not isinstance(cell, str) or len(cell) <= 4_000
        assert not isinstance(cell, int) or -(2**63) <= cell < 2**63
