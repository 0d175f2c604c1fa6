"""One epoch follows another: appends go on, nothing is seen twice or lost, whoever knows of it and whoever does not."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from adapters.nats.connection import Connection
from adapters.nats.epochs import EpochEmpty, ensure_streams
from adapters.nats.shards import Shard
from commands.ports import EVERYTHING, NEW_STREAM, Append, Head, Selection
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.ids import START, Position
from domain.ledger.epochs import is_carried
from projections.applying import closing
from tests.adapters.nats.epochs import Rolling, bodies, run
from tests.contracts.event_store import draft, drafts, head_of


@pytest.fixture
async def rolling(tmp_path: Path) -> AsyncIterator[Rolling]:
    rolling = Rolling(tmp_path)
    await rolling.start()
    yield rolling
    await rolling.stop()


async def test_a_stream_goes_on_in_the_next_epoch_as_if_nothing_had_been(rolling: Rolling) -> None:
    head = await rolling.appended(run("a"), 3)
    known = await rolling.epochs.roll_over(0)
    assert (known.open, known.first) == (1, 4)
    more = await rolling.store.append(run("a"), drafts("more", 2), head)
    assert [event.version for event in more] == [4, 5]
    assert [event.position for event in more] == [Position(1, 0, 5), Position(1, 0, 6)], "behind the mark at 4"
    loaded = await rolling.store.load(run("a"))
    assert [event.version for event in loaded.events] == [1, 2, 3, 4, 5]
    assert loaded.head == head_of(more)
    assert bodies((await rolling.store.load(run("a"), after=2)).events) == bodies(loaded.events[2:])
    assert bodies((await rolling.store.load(run("a"), after=4)).events) == bodies(loaded.events[4:])
    assert (await rolling.store.load(run("a"), after=5)).events == ()
    marks = [event for event in await rolling.everything() if is_carried(event)]
    assert [event.data["position"] for event in marks] == ["0.0:3"]
    assert (await rolling.audited()).sound


async def test_a_writer_may_sleep_through_several_epochs(rolling: Rolling) -> None:
    sleeper = rolling.another_store()
    heads = [head_of(await sleeper.append(run(name), drafts(name, 2), NEW_STREAM)) for name in ("a", "b")]
    for name in ("between", "also between"):
        await rolling.epochs.roll_over(0)
        await rolling.appended(run(name.replace(" ", "-")), 1)
    # Carried over into the second epoch by someone else, without another event.
    other = await rolling.store.load(run("b"))
    await rolling.store.append(run("b"), drafts("b-2", 1), other.head)
    (stored,) = await sleeper.append(run("a"), drafts("a-2", 1), heads[0])
    assert stored.version == 3
    assert stored.position.epoch == 2
    with pytest.raises(VersionConflict):
        await sleeper.append(run("b"), drafts("b-3", 1), heads[1])
    assert [event.version for event in (await sleeper.load(run("b"))).events] == [1, 2, 3]
    assert (await rolling.audited()).sound
    sleeper.close()


async def test_a_stream_that_was_carried_over_twice_is_still_one(rolling: Rolling) -> None:
    head = await rolling.appended(run("a"), 2)
    for number in range(3):
        await rolling.epochs.roll_over(0)
        head = await rolling.appended(run("a"), 1 + number, head)
    assert [event.version for event in (await rolling.store.load(run("a"))).events] == list(range(1, 9))
    assert (await rolling.audited()).sound


async def test_a_head_that_is_older_than_the_last_event_conflicts(rolling: Rolling) -> None:
    first = await rolling.appended(run("a"), 1)
    last = await rolling.appended(run("a"), 1, first)
    await rolling.epochs.roll_over(0)
    for wrong in (first, Head(2, first.sequence), Head(1, last.sequence), Head(3, last.sequence + 1), NEW_STREAM):
        with pytest.raises(VersionConflict):
            await rolling.store.append(run("a"), drafts("wrong", 1), wrong)
    assert (await rolling.appended(run("a"), 1, last)).version == 3
    for wrong in (first, Head(2, 3), NEW_STREAM):
        with pytest.raises(VersionConflict):
            await rolling.store.append(run("a"), drafts("wrong", 1), wrong)


async def test_who_does_not_know_of_the_rollover_does_not_begin_an_old_stream_anew(rolling: Rolling) -> None:
    stale = rolling.another_store()
    await stale.append(run("known"), drafts("known", 1), NEW_STREAM)
    begun = await rolling.store.append(run("a"), drafts("a", 2), NEW_STREAM)
    await rolling.epochs.roll_over(0)
    with pytest.raises(VersionConflict):
        await stale.append(run("a"), drafts("other", 1), NEW_STREAM)
    again = await stale.append(run("a"), drafts("a", 2), NEW_STREAM)
    assert bodies(again) == bodies(begun), "the same command, delivered again, has no second effect"
    assert (await stale.append(run("b"), drafts("b", 1), NEW_STREAM))[0].position == Position(1, 0, 4)
    stale.close()


async def test_who_does_not_know_of_the_rollover_sees_what_came_after_it(rolling: Rolling) -> None:
    stale = rolling.another_store()
    head = head_of(await stale.append(run("a"), drafts("a", 1), NEW_STREAM))
    await rolling.epochs.roll_over(0)
    await rolling.store.append(run("a"), drafts("more", 1), head)
    assert [event.version for event in (await stale.load(run("a"))).events] == [1, 2]
    another = rolling.another_store()
    assert str(await another.end()) == "1.0:3"
    events = [event async for batch in stale.read(START) for event in batch]
    assert [event.position.sequence for event in events] == [1, 2, 3]
    stale.close()
    another.close()


async def test_an_empty_epoch_ends_where_the_one_before_it_ended(rolling: Rolling) -> None:
    with pytest.raises(EpochEmpty):
        await rolling.epochs.roll_over(0)
    await rolling.appended(run("a"), 2)
    await rolling.epochs.roll_over(0)
    assert str(await rolling.another_store().end()) == "0.0:2"
    with pytest.raises(EpochEmpty):
        await rolling.epochs.roll_over(0)


async def test_a_follower_goes_on_in_the_next_epoch(rolling: Rolling) -> None:
    follower = rolling.another_store()
    await rolling.appended(run("a"), 2)
    seen: list[int] = []

    async def follow() -> None:
        async with closing(follower.follow(START, Selection(tenant="acme"))) as batches:
            async for batch in batches:
                seen.extend(event.position.sequence for event in batch)
                if seen[-1:] == [6]:
                    return

    following = asyncio.create_task(follow())
    await rolling.epochs.roll_over(0)
    await rolling.appended(run("b"), 2)
    await rolling.epochs.roll_over(0)
    await rolling.appended(run("c"), 2)
    await asyncio.wait_for(following, 30)
    assert seen == [1, 2, 3, 4, 5, 6]
    follower.close()


class Unanswered:
    """A connection on which some questions about a stream find nobody."""

    def __init__(self, inner: Connection, count: int) -> None:
        self._inner, self.left = inner, count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def api(self, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        if verb.startswith("STREAM.INFO.") and self.left:
            self.left -= 1
            raise ServiceUnreachable("nobody answers")
        return await self._inner.api(verb, body)


async def test_where_nobody_tells_whether_there_is_a_newer_epoch_nobody_says_that_there_is_no_news(
    rolling: Rolling,
) -> None:
    await rolling.appended(run("a"), 2)
    connection = Unanswered(rolling.connection, 3)
    shard = Shard(connection, rolling.epochs, 0)  # type: ignore[arg-type]
    async with aclosing(shard.follow(0, EVERYTHING, 10)) as batches, asyncio.timeout(30):
        assert len(await anext(batches)) == 2
        assert (await anext(batches), connection.left) == ([], 0)


async def test_streams_of_two_epochs_are_appended_to_together(rolling: Rolling) -> None:
    old, stale = await rolling.appended(run("old"), 2), rolling.another_store()
    await rolling.epochs.roll_over(0)
    young = await rolling.appended(run("young"), 1)
    for store in (stale, rolling.store):
        name = "first" if store is stale else "second"
        stored = await store.append_atomically(
            [
                Append(run("old"), [draft(f"{name}-old")], old),
                Append(run("young"), [draft(f"{name}-young")], young),
                Append(run(f"new-{name}"), drafts(f"new-{name}", 2), NEW_STREAM),
            ]
        )
        old, young = head_of(stored[0]), head_of(stored[1])
    with pytest.raises(VersionConflict):
        await rolling.store.append_atomically(
            [Append(run("old"), [draft("x")], old), Append(run("new-first"), [draft("y")], NEW_STREAM)]
        )
    assert (await rolling.audited()).sound
    stale.close()


async def test_writers_do_not_notice_rollovers_in_their_midst(rolling: Rolling) -> None:
    stores = [rolling.store, rolling.another_store()]
    going = True

    async def write(name: str, number: int) -> int:
        head = NEW_STREAM
        while going or head.version < 3:
            wanted = [draft(f"{name}-{head.version}")]
            head = head_of(await stores[number % 2].append(run(name), wanted, head))
        return head.version

    writers = [asyncio.create_task(write(f"w{number}", number)) for number in range(24)]
    for _ in range(3):
        before = await rolling.store.end()
        while (await rolling.store.end()).furthest(0) < before.furthest(0) + 100:
            assert not [each.exception() for each in writers if each.done()]
        await rolling.epochs.roll_over(0)
    going = False
    written = await asyncio.gather(*writers)
    for number, count in enumerate(written):
        loaded = await rolling.store.load(run(f"w{number}"))
        assert [event.version for event in loaded.events] == list(range(1, count + 1))
    report = await rolling.audited()
    assert report.sound, report.findings[:3]
    marks = sum(is_carried(event) for event in await rolling.everything())
    assert report.events == sum(written) + marks
    stores[1].close()


class TestInterrupted:
    async def test_between_closing_and_opening_appends_wait(self, rolling: Rolling) -> None:
        head = await rolling.appended(run("a"), 1)
        await rolling.epochs.close(0, 0)
        waiting = asyncio.create_task(rolling.appended(run("a"), 1, head))
        with pytest.raises(ServiceUnreachable, match="rollover` finishes it"):
            await rolling.epochs.refreshed(0)
        assert not waiting.done()
        await ensure_streams(rolling.connection)
        assert (await rolling.epochs.refreshed(0)).open == 1
        assert (await waiting).version == 2

    async def test_who_connects_finishes_it(self, rolling: Rolling) -> None:
        head = await rolling.appended(run("a"), 1)
        await rolling.epochs.close(0, 0)
        rolling.store.close()
        await rolling.connection.close()
        await rolling.broker.restart()
        await rolling.connect()
        assert (await rolling.epochs.refreshed(0)).open == 1
        assert (await rolling.appended(run("a"), 1, head)).version == 2
        assert (await rolling.audited()).sound

    async def test_repeating_it_finishes_it_and_closes_nothing_more(self, rolling: Rolling) -> None:
        await rolling.appended(run("a"), 1)
        await rolling.epochs.close(0, 0)
        with pytest.raises(EpochEmpty):
            await rolling.epochs.roll_over(0)
        assert (await rolling.epochs.refreshed(0)).open == 1

    async def test_killed_right_after_opening(self, rolling: Rolling) -> None:
        head = await rolling.appended(run("a"), 1)
        await rolling.epochs.roll_over(0)
        await rolling.broker.restart()
        assert (await rolling.appended(run("a"), 1, head)).version == 2
        assert (await rolling.audited()).sound

    async def test_two_at_once_make_one_epoch(self, rolling: Rolling) -> None:
        await rolling.appended(run("a"), 1)
        await asyncio.gather(*(rolling.epochs.roll_over(0) for _ in range(2)), return_exceptions=True)
        await asyncio.gather(*(ensure_streams(rolling.connection) for _ in range(3)))
        assert (await rolling.epochs.refreshed(0)).open == 1
