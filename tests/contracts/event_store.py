"""What every event store does. Subclass it and give a `store` fixture (three shards) and a `tenant` of each test."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from commands.appends import EventTooLarge, ShardsDiffer, TooManyEvents
from commands.ports import NEW_STREAM, Append, EventStore, Head, Selection
from domain.kernel.errors import InvalidInput, VersionConflict
from domain.kernel.events import Draft, EventCatalog, Recorded
from domain.kernel.ids import START, HostileName, Positions, StreamId, event_id

SHARDS = 3


def draft(cause: str, index: int = 0, *, kind: str = "precedent.test.Happened.v1", **data: object) -> Draft:
    return Draft(
        id=event_id(cause, index),
        type=kind,
        time="2026-01-01T00:00:00.000000Z",
        correlation=cause,
        causation=cause,
        actor="agent:tester",
        data=dict(data),
    )


def drafts(cause: str, count: int) -> list[Draft]:
    return [draft(cause, index, number=index) for index in range(count)]


def head_of(events: Sequence[Recorded]) -> Head:
    return Head(events[-1].version, events[-1].position.sequence)


async def everything(batches: AsyncIterator[Sequence[Recorded]]) -> list[Recorded]:
    return [event async for batch in batches for event in batch]


async def first(count: int, batches: AsyncIterator[Sequence[Recorded]]) -> list[Recorded]:
    events: list[Recorded] = []
    async for batch in batches:
        events += batch
        if len(events) >= count:
            break
    await batches.aclose()  # type: ignore[attr-defined]
    return events


class EventStoreContract:
    @pytest.fixture
    def stream(self, tenant: str) -> StreamId:
        return StreamId(tenant, "run", "r1")

    # Appending and loading

    async def test_events_are_loaded_as_they_were_appended(self, store: EventStore, stream: StreamId) -> None:
        appended = await store.append(stream, drafts("c1", 3), NEW_STREAM)
        loaded = await store.load(stream)
        assert loaded.events == appended
        assert loaded.head == head_of(appended)
        assert [event.version for event in appended] == [1, 2, 3]
        assert [event.data for event in appended] == [{"number": 0}, {"number": 1}, {"number": 2}]

    async def test_an_event_carries_its_envelope_and_its_address(self, store: EventStore, stream: StreamId) -> None:
        (event,) = await store.append(stream, [draft("c1", word="hello")], NEW_STREAM)
        shard = stream.shard(SHARDS)
        assert event.address == f"evt.{shard}.{stream.tenant}.run.r1.1.Happened"
        assert (event.position.epoch, event.position.shard) == (0, shard)
        assert event.document == {
            "specversion": "1.0",
            "id": event_id("c1", 0),
            "source": f"/{stream.tenant}/run/r1",
            "type": "precedent.test.Happened.v1",
            "time": "2026-01-01T00:00:00.000000Z",
            "subject": "r1",
            "sequence": "1",
            "correlationid": "c1",
            "causationid": "c1",
            "actor": "agent:tester",
            "datacontenttype": "application/json",
            "data": {"word": "hello"},
        }

    async def test_a_stream_that_nobody_wrote_to_is_new(self, store: EventStore, stream: StreamId) -> None:
        assert await store.load(stream) == await store.load(stream, after=7)
        assert (await store.load(stream)).head == NEW_STREAM

    async def test_appending_nothing_changes_nothing(self, store: EventStore, stream: StreamId) -> None:
        assert await store.append(stream, [], NEW_STREAM) == ()
        assert (await store.load(stream)).head == NEW_STREAM

    async def test_the_tail_after_a_version_is_loaded_with_the_head(self, store: EventStore, stream: StreamId) -> None:
        appended = await store.append(stream, drafts("c1", 5), NEW_STREAM)
        tail = await store.load(stream, after=3)
        assert tail.events == appended[3:]
        assert tail.head == head_of(appended)
        assert (await store.load(stream, after=5)).events == ()
        assert (await store.load(stream, after=5)).head == head_of(appended)

    async def test_a_load_sees_every_acknowledged_event(self, store: EventStore, stream: StreamId) -> None:
        head = NEW_STREAM
        for number in range(30):
            head = head_of(await store.append(stream, [draft("c1", number)], head))
            assert (await store.load(stream)).head == head

    async def test_a_stream_may_have_thousands_of_events(self, store: EventStore, stream: StreamId) -> None:
        appended = await store.append(stream, drafts("c1", 2100), NEW_STREAM)
        loaded = await store.load(stream)
        assert loaded.events == appended
        assert [event.version for event in loaded.events] == list(range(1, 2101))
        assert (await store.load(stream, after=1050)).events == appended[1050:]
        (last,) = await store.append(stream, [draft("c2")], loaded.head)
        assert (await store.load(stream, after=2100)).events == (last,)

    # Expectations

    @pytest.mark.parametrize("wrong", ["older", "newer", "other sequence", "new"])
    async def test_a_wrong_head_is_a_conflict_and_appends_nothing(
        self, store: EventStore, stream: StreamId, wrong: str
    ) -> None:
        events = await store.append(stream, drafts("c1", 3), NEW_STREAM)
        head = head_of(events)
        expected = {
            "older": head_of(events[:2]),
            "newer": Head(head.version + 1, head.sequence + 1),
            "other sequence": Head(head.version, head.sequence - 1),
            "new": NEW_STREAM,
        }[wrong]
        with pytest.raises(VersionConflict, match=rf"{stream} ends at version 3 .*load its tail"):
            await store.append(stream, drafts("c2", 2), expected)
        assert (await store.load(stream)).events == events

    async def test_of_concurrent_writers_one_wins_each_version(self, store: EventStore, stream: StreamId) -> None:
        async def attempt(writer: int, head: Head) -> Sequence[Recorded] | VersionConflict:
            try:
                return await store.append(stream, [draft(f"w{writer}", head.version, by=writer)], head)
            except VersionConflict as conflict:
                return conflict

        head = NEW_STREAM
        for version in range(1, 4):
            outcomes = await asyncio.gather(*(attempt(writer, head) for writer in range(20)))
            (won,) = [outcome for outcome in outcomes if not isinstance(outcome, VersionConflict)]
            loaded = await store.load(stream)
            assert loaded.events[-1:] == won
            assert loaded.head.version == version
            head = loaded.head

    async def test_many_streams_are_written_at_the_same_time(self, store: EventStore, tenant: str) -> None:
        async def write(number: int) -> tuple[StreamId, list[Recorded]]:
            stream, head, events = StreamId(tenant, "run", f"r{number}"), NEW_STREAM, []
            for step in range(6):
                count = 1 + (number + step) % 3
                batch = [draft(f"{number}/{step}", index, step=step) for index in range(count)]
                events += await store.append(stream, batch, head)
                head = head_of(events)
            return stream, events

        written = await asyncio.gather(*(write(number) for number in range(60)))
        for stream, events in written:
            assert list((await store.load(stream)).events) == events
            assert [event.version for event in events] == list(range(1, len(events) + 1))

    async def test_one_refusal_among_many_writers_is_nobody_elses(self, store: EventStore, tenant: str) -> None:
        async def write(number: int) -> bool:
            expected = Head(1, 1) if number % 10 == 0 else NEW_STREAM
            try:
                await store.append(StreamId(tenant, "run", f"r{number}"), [draft(f"c{number}")], expected)
            except VersionConflict:
                return False
            return True

        assert await asyncio.gather(*map(write, range(60))) == [number % 10 != 0 for number in range(60)]

    # Saying it twice

    async def test_the_same_append_again_returns_what_is_stored(self, store: EventStore, stream: StreamId) -> None:
        stored = await store.append(stream, [draft("c1", 0, said="first"), draft("c1", 1)], NEW_STREAM)
        again = await store.append(stream, [draft("c1", 0, said="second"), draft("c1", 1)], NEW_STREAM)
        assert again == stored
        assert again[0].data == {"said": "first"}
        await store.append(stream, [draft("c2")], head_of(stored))
        assert await store.append(stream, [draft("c1", 0), draft("c1", 1)], NEW_STREAM) == stored

    async def test_what_was_half_appended_is_completed(self, store: EventStore, stream: StreamId) -> None:
        (begun,) = await store.append(stream, [draft("c1", 0)], NEW_STREAM)
        completed = await store.append(stream, drafts("c1", 3), NEW_STREAM)
        assert completed[0] == begun
        assert (await store.load(stream)).events == completed

    async def test_the_same_event_sent_by_two_at_once_is_stored_once(self, store: EventStore, stream: StreamId) -> None:
        one, other = await asyncio.gather(*(store.append(stream, drafts("c1", 2), NEW_STREAM) for _ in range(2)))
        assert one == other
        assert (await store.load(stream)).events == one

    async def test_a_cancelled_append_blocks_nobody(self, store: EventStore, stream: StreamId) -> None:
        abandoned = asyncio.create_task(store.append(stream, [draft("c1")], NEW_STREAM))
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.wait([abandoned])
        async with asyncio.timeout(5):
            head = (await store.load(stream)).head
            while True:
                try:
                    (event,) = await store.append(stream, [draft("c2")], head)
                    break
                except VersionConflict:  # the abandoned event arrived after all
                    head = (await store.load(stream)).head
        assert (await store.load(stream)).events[-1] == event

    # Sizes

    async def test_a_big_value_is_put_aside_and_put_back(self, store: EventStore, stream: StreamId) -> None:
        big = {"text": "x" * 100_000}
        (event,) = await store.append(stream, [draft("c1", big=big, small=1)], NEW_STREAM)
        assert len(event.body) < 1000
        assert event.document["data"]["big"]["$content"].startswith("sha256:")
        assert event.data == {"big": big, "small": 1}
        (loaded,) = (await store.load(stream)).events
        (read,) = await everything(store.read(START, Selection(tenant=stream.tenant)))
        assert loaded == read == event
        assert loaded.data == read.data == event.data
        (stored,) = await everything(store.read(START, Selection(tenant=stream.tenant, whole=False)))
        assert (stored, stored.data) == (event, event.document["data"])

    async def test_an_event_never_fails_for_its_values(self, store: EventStore, stream: StreamId) -> None:
        values = {f"field{number}": "y" * 60_000 for number in range(40)}
        (event,) = await store.append(stream, [draft("c1", **values)], NEW_STREAM)
        assert (await store.load(stream)).events[0].data == event.data == values

    async def test_a_bulky_stream_is_loaded_and_read_whole(self, store: EventStore, stream: StreamId) -> None:
        events: list[Recorded] = []
        for part in range(10):
            batch = [draft(f"c{part}", index, bulk="z" * 60_000) for index in range(30)]
            events += await store.append(stream, batch, head_of(events) if events else NEW_STREAM)
        assert list((await store.load(stream)).events) == events
        assert await everything(store.read(START, Selection(tenant=stream.tenant))) == events
        assert await first(len(events), store.follow(START, Selection(tenant=stream.tenant))) == events

    async def test_what_is_no_value_must_fit(self, store: EventStore, stream: StreamId) -> None:
        with pytest.raises(EventTooLarge, match=r"precedent\.test\.Happened\.v1 .* bytes"):
            await store.append(stream, [draft("c" * 2_000_000)], NEW_STREAM)
        assert (await store.load(stream)).head == NEW_STREAM

    # Names

    @pytest.mark.parametrize("name", ["*", ">", "a.b", "", "a b", "a\r\nPUB x 0", "ü", "x" * 65])
    async def test_hostile_names_never_reach_the_log(self, store: EventStore, stream: StreamId, name: str) -> None:
        for parts in ((name, "run", "r1"), (stream.tenant, name, "r1"), (stream.tenant, "run", name)):
            with pytest.raises(HostileName):
                StreamId(*parts)
        with pytest.raises(HostileName):
            Selection(tenant=name)
        with pytest.raises(HostileName):
            Selection(event=name)
        if "." not in name:
            with pytest.raises(HostileName, match="event type"):
                await store.append(stream, [draft("c1", kind=f"precedent.test.{name}.v1")], NEW_STREAM)
        hostile = Draft(id=name, type="a.B.v1", time="", correlation="", causation="", actor="", data={})
        with pytest.raises(HostileName, match="event id"):
            await store.append(stream, [hostile], NEW_STREAM)
        assert (await store.load(stream)).head == NEW_STREAM

    async def test_unknown_types_and_fields_are_kept(self, store: EventStore, stream: StreamId) -> None:
        unknown = draft("c1", kind="elsewhere.Unheard.v9", odd={"$kw": "kept"}, nested=[1, {"a": None}])
        (event,) = await store.append(stream, [unknown], NEW_STREAM)
        (loaded,) = (await store.load(stream)).events
        assert loaded == event
        assert loaded.data == unknown.data
        assert EventCatalog([]).decode(loaded) is None

    # Several streams at once

    @pytest.fixture
    def together(self, tenant: str) -> list[StreamId]:
        streams = [StreamId(tenant, "run", f"t{number}") for number in range(40)]
        return [stream for stream in streams if stream.shard(SHARDS) == streams[0].shard(SHARDS)][:3]

    async def test_an_atomic_append_spans_streams(self, store: EventStore, together: list[StreamId]) -> None:
        old, new, other = together
        events = await store.append(old, drafts("c0", 2), NEW_STREAM)
        appends = [
            Append(old, drafts("c1", 2), head_of(events)),
            Append(new, drafts("c2", 1), NEW_STREAM),
            Append(other, drafts("c3", 3), NEW_STREAM),
        ]
        stored = await store.append_atomically(appends)
        assert [[event.version for event in part] for part in stored] == [[3, 4], [1], [1, 2, 3]]
        assert (await store.load(old)).events == events + stored[0]
        assert (await store.load(other)).events == stored[2]
        assert await store.append_atomically(appends) == stored

    async def test_an_atomic_append_appends_all_or_nothing(self, store: EventStore, together: list[StreamId]) -> None:
        old, new, _ = together
        events = await store.append(old, drafts("c0", 2), NEW_STREAM)
        with pytest.raises(VersionConflict, match=str(old)):
            await store.append_atomically(
                [Append(new, drafts("c2", 1), NEW_STREAM), Append(old, drafts("c1", 2), head_of(events[:1]))]
            )
        assert (await store.load(new)).head == NEW_STREAM
        assert (await store.load(old)).events == events

    async def test_an_atomic_append_says_what_it_cannot_do(self, store: EventStore, tenant: str) -> None:
        streams = [StreamId(tenant, "run", f"t{number}") for number in range(10)]
        with pytest.raises(ShardsDiffer):
            await store.append_atomically([Append(s, drafts(s.id, 1), NEW_STREAM) for s in streams])
        with pytest.raises(InvalidInput, match="twice"):
            await store.append_atomically([Append(streams[0], drafts("c", 1), NEW_STREAM)] * 2)
        with pytest.raises(InvalidInput, match="without events"):
            await store.append_atomically([Append(streams[0], [], NEW_STREAM)])
        with pytest.raises(TooManyEvents):
            await store.append_atomically([Append(streams[0], drafts("c", 1001), NEW_STREAM)])
        assert await store.append_atomically([]) == ()
        assert await everything(store.read(START, Selection(tenant=tenant))) == []

    # Reading

    async def filled(self, store: EventStore, tenant: str, count: int = 40) -> list[Recorded]:
        async def write(number: int) -> Sequence[Recorded]:
            stream = StreamId(tenant, "run" if number % 2 else "task", f"r{number}")
            kinds = ["precedent.test.Began.v1", "precedent.test.Ended.v1"]
            return await store.append(stream, [draft(f"c{number}", i, kind=k) for i, k in enumerate(kinds)], NEW_STREAM)

        return [event for events in await asyncio.gather(*map(write, range(count))) for event in events]

    async def test_a_reader_gets_every_event_once_in_order(self, store: EventStore, tenant: str) -> None:
        written = await self.filled(store, tenant)
        read = await everything(store.read(START, Selection(tenant=tenant), batch=7))
        assert sorted(read, key=lambda event: event.position) == sorted(written, key=lambda event: event.position)
        for shard in range(SHARDS):
            sequences = [event.position.sequence for event in read if event.position.shard == shard]
            assert sequences == sorted(sequences)
            assert sequences

    async def test_batches_are_bounded_and_not_empty(self, store: EventStore, tenant: str) -> None:
        await self.filled(store, tenant)
        sizes = [len(batch) async for batch in store.read(START, Selection(tenant=tenant), batch=7)]
        assert 1 <= min(sizes) <= max(sizes) <= 7

    @pytest.mark.parametrize(
        ("fields", "count"),
        [
            ({"category": "run"}, 40),
            ({"event": "Ended"}, 40),
            ({"category": "task", "event": "Began"}, 20),
            ({"stream": "r7"}, 2),
            ({"stream": "r7", "category": "task"}, 0),
        ],
    )
    async def test_a_selection_narrows(
        self, store: EventStore, tenant: str, fields: dict[str, str], count: int
    ) -> None:
        await self.filled(store, tenant)
        selection = Selection(tenant=tenant, **fields)
        read = await everything(store.read(START, selection))
        assert len(read) == count
        assert all(selection.matches(event.address) for event in read)

    async def test_another_tenants_events_are_not_selected(self, store: EventStore, tenant: str) -> None:
        await self.filled(store, tenant, count=3)
        assert await everything(store.read(START, Selection(tenant=f"{tenant}-2"))) == []

    async def test_reading_goes_on_after_a_set_of_positions(self, store: EventStore, tenant: str) -> None:
        await self.filled(store, tenant)
        read = await everything(store.read(START, Selection(tenant=tenant)))
        seen, rest = read[:33], read[33:]
        positions = START
        for event in seen:
            positions = positions.advanced(event.position)
        again = await everything(store.read(Positions.parse(str(positions)), Selection(tenant=tenant)))
        assert sorted(again, key=lambda event: event.position) == sorted(rest, key=lambda event: event.position)

    async def test_the_end_covers_what_was_appended(self, store: EventStore, tenant: str) -> None:
        written = await self.filled(store, tenant)
        end = await store.end()
        assert all(end.sequence(0, event.position.shard) >= event.position.sequence for event in written)
        assert await everything(store.read(end, Selection(tenant=tenant))) == []
        (event,) = await store.append(StreamId(tenant, "run", "later"), [draft("later")], NEW_STREAM)
        assert await everything(store.read(end, Selection(tenant=tenant))) == [event]

    async def test_a_read_ends_where_the_log_ended_when_it_began(self, store: EventStore, tenant: str) -> None:
        stream = StreamId(tenant, "run", "growing")
        head = head_of(await store.append(stream, drafts("c1", 20), NEW_STREAM))
        read = []
        async for batch in store.read(START, Selection(tenant=tenant), batch=5):
            read += batch
            head = head_of(await store.append(stream, [draft("c2", head.version)], head))
        assert [event.version for event in read] == list(range(1, 21))

    # Following

    async def test_a_follower_gets_the_past_and_then_the_present(self, store: EventStore, tenant: str) -> None:
        past = await self.filled(store, tenant, count=10)
        follower = store.follow(START, Selection(tenant=tenant))
        async with asyncio.timeout(20):
            followed = await first(len(past), aiter_keeping_open(follower))
            assert {event.position for event in followed} == {event.position for event in past}
            for number in range(5):
                stream = StreamId(tenant, "run", f"live{number}")
                events = await store.append(stream, [draft(f"live{number}")], NEW_STREAM)
                assert await first(1, aiter_keeping_open(follower)) == list(events)
        await follower.aclose()  # type: ignore[attr-defined]

    async def test_a_follower_without_news_hears_that_all_is_well(self, store: EventStore, tenant: str) -> None:
        async with asyncio.timeout(10):
            async for batch in store.follow(await store.end(), Selection(tenant=tenant)):
                assert batch == []
                break

    async def test_followers_do_not_disturb_each_other(self, store: EventStore, tenant: str) -> None:
        async with asyncio.timeout(20):
            followers = [
                asyncio.create_task(first(80, store.follow(START, Selection(tenant=tenant), batch=n + 1)))
                for n in range(4)
            ]
            written = await self.filled(store, tenant, count=40)
            for followed in await asyncio.gather(*followers):
                assert {event.position for event in followed} == {event.position for event in written}
                assert len(followed) == len(written)


async def aiter_keeping_open(source: AsyncIterator[Sequence[Recorded]]) -> AsyncIterator[Sequence[Recorded]]:
    """The next batches of a source that outlives this iteration."""
    while True:
        yield await anext(source)
