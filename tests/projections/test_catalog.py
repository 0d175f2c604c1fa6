"""The printed table is complete and true."""

from __future__ import annotations

from dataclasses import fields

import pytest

from domain.cache.events import CACHE_EVENTS
from domain.programs.events import PROGRAM_EVENTS
from domain.runs.events import RUN_EVENTS
from projections.catalog import CATALOG, PROJECTIONS
from projections.ledger import LEDGER, LedgerEntry
from projections.program_rows import ProgramRow
from projections.programs import PROGRAMS
from projections.reuse import REUSE, ReuseRow
from projections.runs import RUNS, RunRow
from projections.timeline import TIMELINE, Line
from tests.projections.reusing import (
    CONTRADICTED,
    DEMOTED,
    SUPERSEDED,
    TUNED,
    Made,
    answered_from_cache,
    judged,
    lookup,
    reusing_run,
    revoked,
    routed,
)
from tests.projections.stories import drafts, failed_call, whole_run
from tests.projections.test_runs import STREAM

TYPES = {event.TYPE: event for event in (*RUN_EVENTS, *PROGRAM_EVENTS, *CACHE_EVENTS)}
MADE = Made()


def test_the_table_sends_only_events_that_exist():
    assert CATALOG.keys() <= TYPES.keys()


@pytest.mark.parametrize("events", [RUN_EVENTS, PROGRAM_EVENTS], ids=["run", "program"])
def test_every_event_is_in_the_table(events):
    assert CATALOG.keys() >= {event.TYPE for event in events}


@pytest.mark.parametrize("name", PROJECTIONS)
def test_projections_apply_exactly_what_the_table_sends_them(name):
    projection = PROJECTIONS[name]
    assert projection.appliers.keys() == {kind for kind, sent in CATALOG.items() if projection in sent}


def test_exactly_the_decisions_go_to_the_ledger():
    decisions = {kind for kind, event in TYPES.items() if "decision" in event.model_fields}
    assert LEDGER.appliers.keys() == decisions


def test_rows_have_the_cells_of_their_tables():
    assert LedgerEntry._fields == tuple(LEDGER.table.columns.keys())
    assert Line._fields == tuple(TIMELINE.table.columns.keys())
    for row, projection in ((RunRow, RUNS), (ProgramRow, PROGRAMS), (ReuseRow, REUSE)):
        assert tuple(field.name for field in fields(row)) == tuple(projection.table.columns.keys())


@pytest.mark.parametrize(
    ("category", "story"),
    [
        ("run", [*whole_run(), failed_call("0")]),
        ("run", [*reusing_run(MADE), *answered_from_cache("e" * 64), MADE.compared(None), routed("model", lookup())]),
        ("program", [MADE.proposed(), MADE.proven(), MADE.published(), MADE.refused(), DEMOTED, SUPERSEDED, revoked(MADE)]),
        ("program", [MADE.published(), CONTRADICTED, DEMOTED, MADE.reinstated()]),
        ("cache", [judged(MADE.id, correct=True), TUNED]),
    ],
    ids=["run", "reuse", "program", "reinstated", "cache"],
)  # fmt: skip
def test_the_stories_told_here_are_what_is_really_written(category, story):
    for draft in drafts(STREAM, story, 1, category):
        event = TYPES[draft.type]
        assert event.model_validate(draft.data).as_json() == draft.data
