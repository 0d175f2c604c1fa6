"""Histories that earlier releases wrote must replay for ever, from the file alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from adapters.agents.declare import agents_of_modules
from commands.replays import known_events
from commands.runs.log import CATALOG
from domain.kernel.errors import UnknownEventType
from domain.kernel.events import Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.runs.events import RUN_EVENTS
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.replay import HistoryInvalid, fold, verify

HERE = Path(__file__).parent
AGENTS = agents_of_modules(["tests.histories.agents"])

ENDS = {
    # history: (phase, events, effects, type of the error)
    "completed": ("completed", 12, 5, None),
    "failed": ("failed", 7, 1, "fs.not-found"),
    "denied": ("failed", 8, 2, "guard.denied"),
    "approved": ("completed", 11, 1, None),
    "refused": ("failed", 8, 1, "approval.refused"),
    "cancelled": ("cancelled", 7, 1, None),
    "written": ("completed", 9, 1, None),
    "slept": ("completed", 9, 1, None),
    "planned": ("completed", 14, 1, None),
    "paused": ("completed", 13, 1, None),
    "unanswered": ("failed", 6, 0, "model.unavailable"),
    "unplannable": ("failed", 6, 0, "plan.rejected"),
    "criticised": ("failed", 7, 0, "critic.rejected"),
    "agent": ("completed", 17, 10, None),
    "stateful": ("completed", 11, 2, None),
    "measured": ("completed", 9, 2, None),
    "resolved": ("completed", 10, 1, None),
    "approved-seen": ("completed", 13, 1, None),
    "given-again": ("completed", 8, 1, None),
    "explored": ("completed", 10, 1, None),
    "gave-way": ("completed", 15, 1, None),
    "reused": ("completed", 8, 1, None),
    "refuted": ("completed", 15, 2, None),
    "shadowed": ("completed", 11, 1, None),
    "alike": ("completed", 11, 1, None),
    "alike-refuted": ("failed", 18, 2, "critic.rejected"),
}


def lines(name: str) -> list[bytes]:
    return (HERE / f"{name}.jsonl").read_bytes().splitlines()


def recorded(number: int, body: bytes) -> Recorded:
    document = orjson.loads(body)
    stream, version = StreamId.parse(document["source"]), int(document["sequence"])
    return Recorded(Position(0, 0, number), address(stream, 1, version, document["type"].split(".")[-2]), body)


def history(bodies: list[bytes]) -> list[RunEvent]:
    events = [CATALOG.decode_known(recorded(number, body)) for number, body in enumerate(bodies, start=1)]
    return [event for event in events if isinstance(event, RunEvent)]


@pytest.mark.parametrize("name", ENDS)
def test_it_replays(name: str) -> None:
    events = history(lines(name))
    replay = verify(events, AGENTS)
    error = fold(events).error
    assert (replay.ended, replay.events, replay.effects, error and error.error.type) == ENDS[name]


def test_every_file_is_replayed() -> None:
    assert {file.stem for file in HERE.glob("*.jsonl")} == {*ENDS, "edited"}


def test_every_kind_of_event_is_in_some_history() -> None:
    seen = {orjson.loads(line)["type"] for name in ENDS for line in lines(name)}
    assert [kind.TYPE for kind in RUN_EVENTS if kind.TYPE not in seen] == []


def test_the_edited_history_diverges_where_its_consequence_is_first_seen() -> None:
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history(lines("edited")))
    assert diverged.value.effect == "1"
    assert "fs.read" in diverged.value.expected
    assert "c.txt" in diverged.value.actual


def test_a_result_without_its_digest_diverges_at_its_own_effect() -> None:
    forged = [line.replace(b'"result":14', b'"result":15') for line in lines("written")]
    forged = [line.replace(b'"one two three\\n"', b'"one two three four\\n"') for line in lines("completed")]
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history(forged))
    assert diverged.value.effect == "1"


def test_a_missing_event_is_no_history() -> None:
    without = [line for line in lines("completed") if b'"effect":"2"' not in line]
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history(without))
    assert diverged.value.effect == "2"


def test_an_effect_that_was_never_asked_for_is_no_history() -> None:
    (line,) = [line for line in lines("completed") if b'"effect":"1"' in line]
    extra = line.replace(b'"effect":"1"', b'"effect":"9"')
    bodies = lines("completed")
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history([*bodies[:-2], extra, *bodies[-2:]]))
    assert diverged.value.effect == "9"


def test_a_verdict_cannot_be_turned() -> None:
    bodies = [line.replace(b'"passed":false', b'"passed":true') for line in lines("criticised")]
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history(bodies))
    assert diverged.value.effect == "verdict"


def test_a_failure_that_the_program_does_not_have_diverges() -> None:
    bodies = [line.replace(b"fs.not-found", b"fs.forbidden") for line in lines("failed")[-1:]]
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history([*lines("failed")[:-1], *bodies]))
    assert diverged.value.effect == "error"


def test_what_this_release_does_not_know_is_refused_not_skipped() -> None:
    bodies = [line.replace(b"ToolCallCompleted.v1", b"ToolCallCompleted.v9") for line in lines("completed")]
    with pytest.raises(UnknownEventType, match="a release at least as new"):
        history(bodies)


def test_fields_of_a_later_release_are_let_be() -> None:
    bodies = [line.replace(b'"data":{', b'"data":{"later":[1,2],') for line in lines("completed")]
    assert verify(history(bodies)) == verify(history(lines("completed")))


@pytest.mark.parametrize("name", ENDS)
def test_what_is_read_would_be_written_alike(name: str) -> None:
    bodies = lines(name)
    for body, event in zip(bodies, history(bodies), strict=True):
        assert orjson.dumps(event.as_json()) == orjson.dumps(orjson.loads(body)["data"])


def test_a_divergence_tells_the_place_in_the_plan_and_the_argument() -> None:
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history(lines("edited")))
    error = diverged.value
    assert error.plan is not None
    assert error.position is not None
    line, column = error.position
    assert error.plan.split("\n")[line - 1][column - 1 :].startswith("(call :fs.read")
    assert f"effect 1 (line {line}, column {column} of the plan): the record has fs.read sha256:" in str(error)
    assert [(each.path, each.recorded, each.actual) for each in error.differences] == [("path", "a.txt", "c.txt")]


@pytest.mark.parametrize("name", ENDS)
def test_a_history_without_its_beginning_is_refused(name: str) -> None:
    for first in range(1, len(lines(name))):
        with pytest.raises(HistoryInvalid):
            known_events([recorded(number, body) for number, body in enumerate(lines(name), start=1)][first:])
        with pytest.raises(HistoryInvalid):
            verify(history(lines(name)[first:]), AGENTS)


@pytest.mark.parametrize("name", ENDS)
def test_a_history_that_lacks_its_end_replays_as_far_as_it_goes(name: str) -> None:
    for last in range(1, len(lines(name))):
        assert verify(history(lines(name)[:last]), AGENTS).events == last


@pytest.mark.parametrize("name", ENDS)
def test_a_history_with_a_hole_or_two_swapped_events_is_refused_where_it_is_read(name: str) -> None:
    whole = [recorded(number, body) for number, body in enumerate(lines(name), start=1)]
    for place in range(1, len(whole) - 1):
        with pytest.raises(HistoryInvalid, match=f"event {place + 1} of /histories/run/{name} is missing"):
            known_events([*whole[:place], *whole[place + 1 :]])
        with pytest.raises(HistoryInvalid):
            known_events([*whole[:place], whole[place + 1], whole[place], *whole[place + 2 :]])


@pytest.mark.parametrize("name", ENDS)
def test_events_swapped_behind_good_numbers_never_break_the_replay_itself(name: str) -> None:
    events = history(lines(name))
    for place in range(len(events) - 1):
        swapped = [*events[:place], events[place + 1], events[place], *events[place + 2 :]]
        with suppress(ReplayDiverged, HistoryInvalid):
            verify(swapped, AGENTS)


def test_two_effects_that_changed_places_diverge() -> None:
    bodies = lines("stateful")
    for old, new in ((b'"effect":"0"', b'"effect":"x"'), (b'"effect":"1"', b'"effect":"0"'), (b'"x"', b'"1"')):
        bodies = [body.replace(old, new) for body in bodies]
    with pytest.raises(ReplayDiverged) as diverged:
        verify(history(bodies))
    assert diverged.value.effect == "0"


@pytest.mark.parametrize("name", ["completed", "written", "slept", "planned"])
def test_values_that_no_release_wrote_are_refused(name: str) -> None:
    for hostile in (b'{"$int":"x"}', b'{"$map":7}', b"1.0", b'{"$nonsense":1}'):
        bodies = [
            body.replace(b'"inputs":{', b'"inputs":{"hostile":' + hostile + b",", 1).replace(b",}", b"}")
            for body in lines(name)
        ]
        with pytest.raises((HistoryInvalid, ReplayDiverged)):
            verify(history(bodies))
