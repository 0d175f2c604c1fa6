"""The printed table is complete and true."""

from __future__ import annotations

from dataclasses import fields

import pytest

from domain.runs.events import RUN_EVENTS
from projections.catalog import CATALOG, PROJECTIONS
from projections.ledger import LEDGER, LedgerEntry
from projections.runs import RUNS, RunRow
from projections.timeline import TIMELINE, Line
from tests.projections.stories import drafts, failed_call, whole_run
from tests.projections.test_runs import STREAM

TYPES = {event.TYPE: event for event in RUN_EVENTS}


def test_every_event_of_a_run_is_in_the_table():
    assert CATALOG.keys() == TYPES.keys()


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
    assert tuple(field.name for field in fields(RunRow)) == tuple(RUNS.table.columns.keys())


def test_the_stories_told_here_are_what_is_really_written():
    for draft in drafts(STREAM, [*whole_run(), failed_call("0")]):
        event = TYPES[draft.type]
        assert event.model_validate(draft.data).as_json() == draft.data
