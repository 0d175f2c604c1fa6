"""The in-memory adapters act out the faults of a broker, on the loop's own time and always alike."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from adapters.memory.clock import BIRTH, LoopClock, ManualClock
from adapters.memory.content import MemoryContentStore
from adapters.memory.event_store import MemoryEventStore
from adapters.memory.faults import DELIVERED, Delivery, Fate, NoFaults
from adapters.memory.wakes import MemoryWakes
from commands.ports import NEW_STREAM, Append, Head, Wake
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.kernel.ids import StreamId
from tests.contracts.event_store import draft, drafts, head_of

RUN = StreamId("acme", "run", "r1")
OTHER = StreamId("acme", "run", "r2")


class Script(NoFaults):
    """Fates in order; afterwards nothing goes wrong."""

    def __init__(self, *fates: Fate) -> None:
        self._fates = list(fates)

    def append(self, streams: Sequence[StreamId], attempt: int) -> Delivery:
        return Delivery(self._fates.pop(0)) if self._fates else DELIVERED

    def wake(self, wake: Wake) -> Delivery:
        return Delivery(self._fates.pop(0)) if self._fates else DELIVERED


class Patient(asyncio.SelectorEventLoop):
    """A loop on which waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        return self._virtual

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            self._virtual = max(self._virtual, self._scheduled[0]._when)
        super()._run_once()


def in_no_time(scenario: Callable[[], object]) -> None:
    with asyncio.Runner(loop_factory=Patient) as runner:
        runner.run(scenario())


def store(*fates: Fate) -> MemoryEventStore:
    return MemoryEventStore(MemoryContentStore(), faults=Script(*fates))


@pytest.mark.parametrize(
    "fates",
    [[Fate.LOST], [Fate.UNACKNOWLEDGED], [Fate.DOUBLED], [Fate.TORN], [Fate.LOST, Fate.UNACKNOWLEDGED, Fate.TORN]],
    ids=str,
)
def test_an_append_survives_faults_and_is_stored_once(fates: list[Fate]) -> None:
    async def scenario() -> None:
        events = store(*fates)
        appended = await events.append(RUN, drafts("c1", 3), NEW_STREAM)
        assert appended == (await events.load(RUN)).events
        assert [event.version for event in appended] == [1, 2, 3]

    in_no_time(scenario)


@pytest.mark.parametrize("fate", [Fate.LOST, Fate.UNACKNOWLEDGED, Fate.DOUBLED, Fate.TORN])
def test_an_atomic_append_survives_faults_and_never_tears(fate: Fate) -> None:
    async def scenario() -> None:
        events = store(fate)
        appends = [Append(RUN, drafts("c1", 2), NEW_STREAM), Append(OTHER, drafts("c2", 1), NEW_STREAM)]
        appending = asyncio.create_task(events.append_atomically(appends))
        await asyncio.sleep(0.5)
        assert (await events.load(RUN)).head.version in (0, 2)
        stored = await appending
        assert stored == ((await events.load(RUN)).events, (await events.load(OTHER)).events)

    in_no_time(scenario)


@pytest.mark.parametrize(("fate", "stored"), [(Fate.LOST, 0), (Fate.UNACKNOWLEDGED, 2), (Fate.TORN, 2)])
def test_a_broker_that_never_acknowledges_is_unreachable_and_a_retry_finds_the_truth(fate: Fate, stored: int) -> None:
    async def scenario() -> None:
        events = store(*[fate] * 4)
        with pytest.raises(ServiceUnreachable, match=r"/acme/run/r1 after 4 attempts"):
            await events.append(RUN, drafts("c1", 2), NEW_STREAM)
        assert (await events.load(RUN)).head.version == stored
        appended = await events.append(RUN, drafts("c1", 2), NEW_STREAM)
        assert appended == (await events.load(RUN)).events

    in_no_time(scenario)


def test_someone_else_wins_while_a_message_is_lost() -> None:
    async def scenario() -> None:
        events = store(Fate.LOST)
        losing = asyncio.create_task(events.append(RUN, [draft("c1")], NEW_STREAM))
        await asyncio.sleep(0.5)
        won = await events.append(RUN, [draft("c2")], NEW_STREAM)
        with pytest.raises(VersionConflict):
            await losing
        assert (await events.load(RUN)).events == won

    in_no_time(scenario)


def test_a_writer_that_dies_leaves_what_had_arrived() -> None:
    async def scenario() -> None:
        events = store(Fate.TORN)
        writer = asyncio.create_task(events.append(RUN, drafts("c1", 3), NEW_STREAM))
        await asyncio.sleep(0.5)
        writer.cancel()
        await asyncio.wait([writer])
        assert (await events.load(RUN)).head == Head(1, 1)
        appended = await events.append(RUN, drafts("c1", 3), NEW_STREAM)
        assert head_of(appended) == Head(3, 3)

    in_no_time(scenario)


def test_messages_take_their_time_and_may_overtake() -> None:
    class Slow(NoFaults):
        def append(self, streams: Sequence[StreamId], attempt: int) -> Delivery:
            return Delivery(there=2.0 if streams[0] == RUN else 0.5, back=1.0)

        def load(self, stream: StreamId) -> float:
            return 0.25

    async def scenario() -> None:
        events = MemoryEventStore(MemoryContentStore(), faults=Slow())
        clock = asyncio.get_running_loop().time
        first = asyncio.create_task(events.append(RUN, [draft("c1")], NEW_STREAM))
        (second,) = await events.append(OTHER, [draft("c2")], NEW_STREAM)
        assert clock() == 1.5
        assert (second.position.sequence, (await first)[0].position.sequence) == (1, 2)
        assert clock() == 3.0
        await events.load(RUN)
        assert clock() == 3.25

    in_no_time(scenario)


def test_a_lost_wake_comes_again_and_a_doubled_one_twice() -> None:
    async def scenario() -> None:
        wakes = MemoryWakes(LoopClock(), faults=Script(Fate.LOST, Fate.DELIVERED, Fate.DOUBLED))
        await wakes.send(Wake(RUN, "submitted"))
        (held,) = await wakes.receive(5, 20.0)
        assert asyncio.get_running_loop().time() == 5.0
        await held.settle()
        await wakes.send(Wake(OTHER, "submitted"))
        (one,) = await wakes.receive(5, 1.0)
        (same,) = await wakes.receive(5, 1.0)
        assert one.wake == same.wake == Wake(OTHER, "submitted")
        await one.settle()
        await same.settle()
        assert await wakes.receive(5, 60.0) == []

    in_no_time(scenario)


def test_clocks_move_only_as_told() -> None:
    manual = ManualClock()
    manual.advance(90.5)
    assert manual.now() == BIRTH + timedelta(seconds=90.5)
    assert manual.monotonic() == 90.5

    async def scenario() -> None:
        clock = LoopClock()
        await asyncio.sleep(3600)
        assert clock.now() == BIRTH + timedelta(hours=1)
        clock.jump(-7200)
        assert clock.now() == BIRTH - timedelta(hours=1)
        assert clock.monotonic() == 3600

    in_no_time(scenario)
