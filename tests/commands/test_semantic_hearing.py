"""What a process hears of answers: whatever the log holds, its index has what may be found, and nothing else for long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from adapters.vectors.memory import MemoryVectorIndex
from commands.cache.meanings import LONGEST_GOAL
from commands.cache.publishing import publish
from commands.cache.semantic_hearing import Answers
from commands.feed import Feed
from commands.reuse import Reuse
from domain.cache.events import CacheEntryPublished, Meaning
from domain.kernel.embedding import Embedding
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.values import digest_json
from tests.commands.meanings import ChosenPoints, MeaningWorld, entry_of
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

GOAL = "Read the number and count on"


async def _published(world: MeaningWorld, goal: str = GOAL) -> CacheEntryPublished:
    await world.solve(f"run-{len(await world.published())}", goal=goal)
    return (await world.published())[-1]


def _process(world: MeaningWorld, embedder: Any = None) -> tuple[Reuse, Feed]:
    """A process that has heard nothing yet."""
    embedder = embedder or world.points
    reuse = Reuse(
        embedder=embedder, vectors=MemoryVectorIndex(embedder.name, embedder.dimensions), signer=None, trusted={}
    )
    answers = Answers(reuse)
    return reuse, Feed(world.store, world.clock, {"cache": [answers.hear]}, [answers.flush])


async def _goals(reuse: Reuse, embedder: Any, near: str = GOAL) -> set[str]:
    (point,) = await embedder.embed([near])
    return {each.labels["goal"] for each in await reuse.vectors.search(point, {}, 100)}


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 7},
        {"value": {"parameters": "sha256:x"}},
        {"value": {"parameters": 1, "program": 2}},
        {"meaning": None},
        {"meaning": Meaning(text="x" * (LONGEST_GOAL + 1), embedder="chosen", vector="")},
    ],
    ids=["number", "no program", "numbers", "no meaning", "long"],
)
def test_an_entry_that_cannot_be_read_is_left_out_and_keeps_no_other_out(changes: dict[str, Any]) -> None:
    async def story() -> None:
        world = MeaningWorld()
        good = await _published(world)
        bad = good.model_copy(update={"digest": digest_json("bad")} | changes)
        await publish(world.services, None, TENANT, bad)
        await _published(world, "Another goal of theirs")
        reuse, feed = _process(world)
        await feed.catch_up()
        assert await _goals(reuse, world.points) == {GOAL, "Another goal of theirs"}

    simulate(story())


@pytest.mark.parametrize(
    "vector", ["", "AAAA", "not Base64", "/////w=="], ids=["none", "short", "no text", "no number"]
)
def test_a_point_that_cannot_be_read_is_made_anew(vector: str) -> None:
    async def story() -> None:
        world = MeaningWorld()
        good = await _published(world)
        meaning = Meaning(text="Read on and count", embedder="chosen", vector=vector)
        bad = good.model_copy(update={"digest": digest_json("bad"), "meaning": meaning})
        await publish(world.services, None, TENANT, bad)
        reuse, feed = _process(world)
        await feed.catch_up()
        assert await _goals(reuse, world.points) == {GOAL, "Read on and count"}

    simulate(story())


def test_while_the_embedder_is_away_invalidations_are_heard_and_nothing_is_lost() -> None:
    class Away(ChosenPoints):
        name = "another"
        is_away = True

        async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
            if self.is_away:
                raise ServiceUnreachable("nobody answers")
            return await super().embed(texts)

    async def story() -> None:
        world = MeaningWorld()
        await _published(world)
        gone = await _published(world, "Another goal of theirs")
        away = Away()
        reuse, feed = _process(world, away)
        with pytest.raises(ServiceUnreachable):
            await feed.catch_up()
        await world.send("InvalidateEntry", {"entry": entry_of(gone)}, "c1")
        away.is_away = False
        await feed.catch_up()
        assert await _goals(reuse, away) == {GOAL}

    simulate(story())


@pytest.mark.parametrize(
    ("data", "left"),
    [
        ({}, {"Later"}),
        ({"level": "L3"}, {"Later"}),
        ({"level": "L2"}, {GOAL, "Other", "Later"}),
        ({"tag": "crm"}, {GOAL, "Other", "Later"}),
        ({"depends": "tool:t.read@1"}, {"Other", "Later"}),
        ({"depends": "tool:t.read@2"}, {GOAL, "Other", "Later"}),
        ({"namespace": "elsewhere"}, {GOAL, "Other", "Later"}),
    ],
    ids=["namespace", "level", "other level", "tag", "tool", "other version", "other namespace"],
)
def test_what_an_invalidation_names_leaves_the_index_and_what_came_later_stays(
    data: dict[str, Any], left: set[str]
) -> None:
    async def story() -> None:
        world = MeaningWorld()
        await _published(world)
        await world.solve("other", "(do [1 2])", goal="Other")
        await world.send("InvalidateCache", {"namespace": "default", **data}, "c1")
        world.clock.jump(1)
        await world.solve("later", goal="Later")
        for _ in range(2):
            reuse, feed = _process(world)
            await feed.catch_up()
            assert await _goals(reuse, world.points) == left

    simulate(story())
