"""What a process hears of programs: whatever the log holds, revocations are heard and the index is filled."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import orjson
import pytest

from adapters.embedding.lexical import LexicalEmbedder
from adapters.vectors.memory import MemoryVectorIndex
from commands.feed import Feed
from commands.indexes import Embedder
from commands.ports import Head
from commands.programs.hearing import Programs
from commands.programs.log import append, labels
from commands.reuse import Reuse
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import bytes_of_text, text_of_bytes
from domain.programs.events import (
    Meaning,
    ProgramDemoted,
    ProgramEvent,
    ProgramPublished,
    ProgramRevoked,
    entry_id,
    module_stream,
)
from tests.commands.reusing import ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate


async def put(world: ReusingWorld, stream: StreamId, event: ProgramEvent, head: Head | None = None) -> None:
    await append(world.services, stream, head or Head(), event, cause="hand/1", actor="user:mallory")


async def published(world: ReusingWorld) -> ProgramPublished:
    await world.solve("first")
    (event,) = await world.program_events()
    assert isinstance(event, ProgramPublished)
    return event


def fresh(world: ReusingWorld, embedder: Embedder | None = None) -> tuple[Reuse, Feed]:
    """A process that has heard nothing yet."""
    embedder = embedder or LexicalEmbedder()
    vectors = MemoryVectorIndex(embedder.name, embedder.dimensions)
    filled = Reuse(embedder=embedder, vectors=vectors, signer=None, trusted={})
    programs = Programs(filled)
    return filled, Feed(world.store, world.clock, {"program": [programs.hear]}, [programs.flush])


class GoneEmbedder:
    name, dimensions = "another", 3

    async def embed(self, texts: Any) -> Any:
        raise ServiceUnreachable("the embedder does not answer")


def test_a_revocation_is_heard_though_points_cannot_be_made() -> None:
    async def story() -> None:
        world = ReusingWorld()
        offer = (await published(world)).offer
        assert (await world.send("RevokeProgram", {"module": offer.module, "reason": "leaks"}, "c1")).outcome == (
            "accepted"
        )
        reuse, feed = fresh(world, GoneEmbedder())
        task = asyncio.create_task(feed.follow())
        await asyncio.sleep(5)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert reuse.revocations.reason(TENANT, offer.module) == "leaks"

    simulate(story())


def _longer(text: str) -> str:
    return text_of_bytes(bytes_of_text(text) + b"\x00\x00\x00\x00")


@pytest.mark.parametrize("harm", ["size", "stream", "empty goal"])
def test_a_point_that_no_index_takes_keeps_no_other_out(harm: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        event = await published(world)
        good = event.offer
        bad = good.model_copy(update={"goal": "" if harm == "empty goal" else "Another goal"})
        if harm == "size":
            bad = bad.model_copy(
                update={"meaning": Meaning(embedder=good.meaning.embedder, vector=_longer(good.meaning.vector))}
            )
        if harm == "empty goal":
            bad = bad.model_copy(update={"meaning": Meaning(embedder="other", vector="")})
        name = "not-a-uuid" if harm == "stream" else bad.id
        await put(world, StreamId(TENANT, "program", name), event.model_copy(update={"offer": bad}))
        reuse, feed = fresh(world)
        await feed.catch_up()
        assert await reuse.vectors.count() >= 1
        (point,) = await reuse.embedder.embed([good.goal])
        found = await reuse.vectors.search(point, labels(TENANT, good.namespace, good.interface), 3)
        assert found[0].score > 0.999

    simulate(story())


def test_the_same_program_of_two_tenants_is_two_points() -> None:
    async def story() -> None:
        world = ReusingWorld()
        event = await published(world)
        other = StreamId("other", "program", event.offer.id)
        await put(world, other, event)
        assert "ProgramReused" in await world.solve("second", None, inputs={"n": 2})
        slice_ = await world.store.load(other)
        await put(world, other, ProgramDemoted(reason="theirs is wrong", run=None), slice_.head)
        assert "ProgramReused" in await world.solve("third", None, inputs={"n": 3})

    simulate(story())


def test_a_module_revoked_before_it_was_published_is_not_in_the_index() -> None:
    async def story() -> None:
        world = ReusingWorld()
        event = await published(world)
        world = ReusingWorld()
        module = event.offer.module
        await put(world, StreamId(TENANT, "program", module_stream(module)), ProgramRevoked(module=module, reason="no"))
        await put(world, StreamId(TENANT, "program", event.offer.id), event)
        reuse, feed = fresh(world)
        await feed.catch_up()
        assert await reuse.vectors.count() == 0
        assert reuse.revocations.reason("other", module) is None

    simulate(story())


def test_a_revocation_in_the_stream_of_something_else_revokes_no_module() -> None:
    async def story() -> None:
        world = ReusingWorld()
        module = (await published(world)).offer.module
        stream = StreamId(TENANT, "program", entry_id("a", "b", "c", "d"))
        await put(world, stream, ProgramRevoked(module=module, reason="no"))
        reuse, feed = fresh(world)
        await feed.catch_up()
        assert reuse.revocations.reason(TENANT, module) is None
        assert await reuse.vectors.count() == 1

    simulate(story())


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.pop("data"),
        lambda document: document.update(data=None),
        lambda document: document.update(data=[1]),
        lambda document: document.update(data={"offer": {"goal": 1}}),
        lambda document: document.update(type=7),
        lambda document: document.pop("time"),
        lambda document: document.update(time="yesterday"),
        lambda document: document.pop("specversion"),
    ],
    ids=["no data", "null", "list", "wrong fields", "type", "no time", "odd time", "no event"],
)
def test_what_cannot_be_read_is_left_out_and_the_feed_goes_on(change: Any) -> None:
    async def story() -> None:
        world = ReusingWorld()
        event = await published(world)
        stream = StreamId(TENANT, "program", event.offer.id)
        (stored,) = (await world.store.load(stream)).events
        document = orjson.loads(stored.body)
        change(document)
        broken = replace(stored, body=orjson.dumps(document))
        revocation = await _revocation(world, event.offer.module)

        class Odd:
            """A log in which the first event is none."""

            async def read(self, *_: Any) -> Any:
                yield [broken]
                yield [revocation]

            follow = read

        reuse, feed = fresh(world)
        feed.store = Odd()  # type: ignore[assignment]
        task = asyncio.create_task(feed.follow())
        await asyncio.sleep(3)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert reuse.revocations.reason(TENANT, event.offer.module) == "leaks"
        reuse, feed = fresh(world)
        feed.store = Odd()  # type: ignore[assignment]
        await feed.catch_up()
        assert reuse.revocations.reason(TENANT, event.offer.module) == "leaks"

    simulate(story())


async def _revocation(world: ReusingWorld, module: str) -> Recorded:
    stream = StreamId(TENANT, "program", module_stream(module))
    await put(world, stream, ProgramRevoked(module=module, reason="leaks"))
    return (await world.store.load(stream)).events[0]


def test_no_news_that_were_waited_for_are_as_old_as_the_question() -> None:
    """A process that stood still finds what the log said before that: it knows nothing of the time since."""

    async def story() -> None:
        world = ReusingWorld()

        class Late:
            async def follow(self, *_: Any) -> Any:
                while True:
                    await asyncio.sleep(5)
                    yield []

        _, feed = fresh(world)
        feed.store = Late()  # type: ignore[assignment]
        task = asyncio.create_task(feed.follow())
        for waited in (5.1, 5.0, 5.0):
            await asyncio.sleep(waited)
            assert feed.silent_for("program") == pytest.approx(5.1, abs=0.01)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    simulate(story())
