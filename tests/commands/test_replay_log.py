"""The stream of a replay: small, in order, and read back as it was written."""

from __future__ import annotations

from pathlib import Path

import orjson

from adapters.memory.clock import LoopClock
from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from commands.replays.recording import MOST_DIVERGENCES, ReplayLog, past_replays
from domain.kernel.ids import StreamId
from domain.runs.replay_events import DivergenceFound, ReplayFinished, ReplayStarted

STARTED = ReplayStarted(mode="verify", run="r", events=3, digest="sha256:0", release="1")
FINISHED = ReplayFinished(outcomes={"diverged": 1}, reasons={}, effects=2, output_digest=None)
FOUND = DivergenceFound(run="r", effect="0", tool=None, expected="a", actual="b", line=1, column=2)


def log(store: MemoryEventStore, name: str = "p1") -> ReplayLog:
    return ReplayLog(store, LoopClock(), StreamId("acme", "replay", name), "user:ann")


async def test_what_was_written_is_read_back() -> None:
    store = MemoryEventStore(MemoryContentStore())
    one = log(store)
    await one.append(STARTED)
    (open_,) = await past_replays(store, "acme", 10)
    assert (open_.started, open_.finished) == (STARTED, None)
    await one.append(FOUND, FINISHED)
    (past,) = await past_replays(store, "acme", 10)
    assert (past.actor, past.divergences, past.finished) == ("user:ann", [FOUND], FINISHED)
    events = (await store.load(one.stream)).events
    assert [event.version for event in events] == [1, 2, 3]
    assert len({event.id for event in events}) == 3
    assert [event.causation for event in events] == ["p1", events[0].id, events[0].id]


async def test_a_million_divergences_are_no_million_events() -> None:
    store = MemoryEventStore(MemoryContentStore())
    one = log(store)
    await one.append(STARTED)
    for _ in range(12):
        await one.append(*[FOUND] * 100)
    await one.append(FINISHED)
    (past,) = await past_replays(store, "acme", 10)
    assert (len(past.divergences), past.finished) == (MOST_DIVERGENCES, FINISHED)


async def test_the_newest_are_told() -> None:
    store = MemoryEventStore(MemoryContentStore())
    for name in "abcde":
        await log(store, name).append(STARTED, FINISHED)
    assert [past.id for past in await past_replays(store, "acme", 3)] == ["c", "d", "e"]
    assert await past_replays(store, "nobody", 3) == []


def test_the_shapes_are_kept_for_ever() -> None:
    """As the first release wrote them."""
    lines = (Path(__file__).parent / "replay_events.jsonl").read_bytes().splitlines()
    for event, line in zip((STARTED, FOUND, FINISHED), lines, strict=True):
        kind, data = orjson.loads(line)
        assert (event.TYPE, event.as_json()) == (kind, data)
        assert type(event).model_validate(data) == event
