"""What may answer is known from what was heard within the last second; else the log is asked, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from adapters.memory.kept_streams import MemoryStreams
from commands.heard import LONGEST_SILENCE, UNHEARD, Heard
from commands.ports import NEW_STREAM
from commands.programs.log import append
from commands.programs.retrieving import retrieve
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import StreamId
from domain.programs.acceptance import Wanted
from domain.programs.events import ProgramDemoted, ProgramPublished, ProgramRevoked, module_stream
from tests.commands.meanings import MeaningWorld
from tests.commands.reusing import ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

COUNT = "Read the number and count on from there"
ALIKE = "From there count on and read the number"


class Asked:
    """A log that notes which streams of what is reused it was asked for, and may not answer."""

    def __init__(self, inner: Any, *, fails: bool = False) -> None:
        self._inner, self._fails = inner, fails
        self.streams: list[StreamId] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def load(self, stream: StreamId, after: int = 0) -> Any:
        if stream.category in {"program", "cache"}:
            self.streams.append(stream)
            if self._fails:
                raise ServiceUnreachable("nobody answers")
        return await self._inner.load(stream, after)


async def published(world: ReusingWorld) -> ProgramPublished:
    await world.solve("first")
    (event,) = await world.program_events()
    assert isinstance(event, ProgramPublished)
    return event


def test_a_hit_asks_the_log_nothing_while_it_is_heard() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await published(world)
        asked = Asked(world.store, fails=True)
        world.reuse.revocations.silence = lambda: world.feed.silent_for("program")
        world.services = replace(world.services, store=asked)
        assert "ProgramReused" in await world.solve("second", None)
        assert asked.streams == []

    simulate(story())


@pytest.mark.parametrize("silence", [LONGEST_SILENCE, LONGEST_SILENCE + 0.01, 3_600.0, float("inf")])
def test_after_a_second_of_silence_the_log_is_asked(silence: float) -> None:
    async def story() -> None:
        world = ReusingWorld()
        program = await published(world)
        demoted, stream = ProgramDemoted(reason="doubt", run=None), StreamId(TENANT, "program", program.offer.id)
        head = (await world.store.load(stream)).head
        await append(world.services, stream, head, demoted, cause="test/1", actor="user:a")
        world.reuse.heard.silent_for = lambda _: silence
        events = await world.reuse.heard.events(world.store, stream)
        assert len(events) == (1 if silence <= LONGEST_SILENCE else 2)

    simulate(story())


@pytest.mark.parametrize("kind", ["demoted", "revoked"])
def test_a_withdrawal_acts_once_it_is_heard_and_at_once_where_the_feed_has_stopped(kind: str) -> None:
    async def story() -> None:
        for is_heard in (True, False):
            world = ReusingWorld()
            program = await published(world)
            if kind == "demoted":
                name, head = program.offer.id, (await world.store.load(_stream(program.offer.id))).head
                event: Any = ProgramDemoted(reason="doubt", run=None)
            else:
                name, head = module_stream(program.offer.module), NEW_STREAM
                event = ProgramRevoked(module=program.offer.module, reason="it leaks")
            await append(world.services, _stream(name), head, event, cause="test/1", actor="user:a")
            if is_heard:
                await world.feed.catch_up()
            else:
                world.reuse.heard.silent_for = lambda _: 1.5
            assert "ProgramReused" not in await world.solve("second")

    simulate(story())


def _stream(name: str) -> StreamId:
    return StreamId(TENANT, "program", name)


def test_where_neither_the_feed_nor_the_log_is_heard_nothing_is_reused() -> None:
    async def story() -> None:
        world = ReusingWorld()
        offer = (await published(world)).offer
        asked = Asked(world.store, fails=True)
        services = replace(world.services, store=asked)
        tools = {effect.name: effect.version for effect in offer.effects}
        wanted = Wanted(tenant=TENANT, namespace="default", interface=offer.interface, tools=tools)
        for silence, outcome in ((1.0, "hit"), (1.1, "miss")):
            world.reuse.heard.silent_for = lambda _, silence=silence: silence  # type: ignore[misc]
            lookup, program = await retrieve(services, world.reuse, offer.goal, wanted, draw="r")
            assert (lookup.outcome, program is None) == (outcome, outcome == "miss")
        assert lookup.code == "failed"
        assert asked.streams

    simulate(story())


def test_an_answer_of_the_same_meaning_is_given_without_asking_the_log() -> None:
    async def story() -> None:
        world = MeaningWorld()
        world.alike(COUNT, ALIKE)
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        await world.feed.catch_up()
        asked = Asked(world.store)
        world.services = replace(world.services, store=asked)
        await world.solve("second", None, goal=ALIKE)
        assert (await world.looked("second")).outcome == "hit"
        assert asked.streams == []

    simulate(story())


async def test_who_must_know_what_the_log_says_now_asks_it() -> None:
    class Log:
        async def load(self, stream: StreamId, after: int = 0) -> Any:
            raise ServiceUnreachable(f"{stream} after {after}")

    stream = StreamId(TENANT, "program", "one")
    with pytest.raises(ServiceUnreachable, match="/acme/program/one after 3"):
        await UNHEARD.events(Log(), stream, 3)  # type: ignore[arg-type]
    with pytest.raises(ServiceUnreachable):
        await Heard(MemoryStreams()).events(Log(), stream)  # type: ignore[arg-type]
    assert await Heard(MemoryStreams(), lambda _: 0.0).events(Log(), stream) == ()  # type: ignore[arg-type]
