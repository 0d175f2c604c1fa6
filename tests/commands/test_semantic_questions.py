"""Another question is not answered: what it differs in keeps it apart, or speaks against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from commands.cache.judgements import withdraw
from commands.cache.meanings import KIND, LONGEST_GOAL, among, point_id
from commands.indexes import Point
from domain.runs.state import Phase
from domain.tools import ToolDeclaration
from tests.commands.meanings import MeaningWorld, entry_of
from tests.commands.reusing import PLAN
from tests.commands.world import DECLARATIONS, TENANT, Models, Tools
from tests.simulation.virtual_loop import simulate

COUNT = "Read the number and count on from there"
ALIKE = "From there count on and read the number"


async def known(world: MeaningWorld) -> None:
    """One answer is there, and may be given again."""
    world.alike(COUNT, ALIKE)
    await world.solve("first", goal=COUNT)
    await world.believe(0.9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"goal": "From there do not count on and read the number"}, "the goals differ in polarity"),
        ({"goal": "From there count on by 7 and read the number"}, "the goals differ in numbers"),
        ({"goal": 'From there count on and read the number "three"'}, "the goals differ in"),
        ({"goal": "From there count on and read the number of Alice"}, "the goals differ in names"),
        ({"output": ":any"}, "no question like this"),
        ({"inputs": {"n": 1, "m": 2}}, "no question like this"),
        ({"tools": ["t.read", "t.add"]}, "no question like this"),
        ({"checks": ["true"]}, "no question like this"),
        ({"limits": {"tool_calls": 5}}, "no question like this"),
        ({"cache": {"levels": ["L3"], "namespace": "elsewhere"}}, "no question like this"),
        ({"goal": "Bake a cake with plums"}, "not alike"),
        ({"goal": "Count on " * 1_000}, f"those of up to {LONGEST_GOAL} are compared"),
    ],
    ids=[
        "negated", "other number", "quoted", "other name", "other output", "other inputs", "other tools",
        "other checks", "other limits", "other namespace", "unlike", "long",
    ],
)  # fmt: skip
def test_another_task_is_not_answered(change: dict[str, Any], reason: str) -> None:
    async def story() -> None:
        world = MeaningWorld()
        goal = change.get("goal", ALIKE)
        await known(world)
        if "Bake" not in goal:
            world.points.near[goal] = world.points.near[COUNT]
        await world.solve("second", goal=goal, **{name: value for name, value in change.items() if name != "goal"})
        assert (await world.state("second")).phase is Phase.COMPLETED
        lookup = await world.looked("second")
        assert lookup.outcome == "miss"
        assert reason in lookup.reason

    simulate(story())


class NextRelease(Models):
    """The same model, at another version."""

    def identity(self, name: str) -> str:
        return f"{name}:m-2"


def test_another_version_of_the_model_is_another_question() -> None:
    async def story() -> None:
        world = MeaningWorld()
        await known(world)
        world.models = NextRelease()
        world.services = replace(world.services, models=world.models)
        await world.solve("second", goal=ALIKE)
        assert "no question like this" in (await world.looked("second")).reason

    simulate(story())


class NextTools(Tools):
    """The same tools, one of them at another version with the same words."""

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        read = DECLARATIONS["t.read"]
        return {**DECLARATIONS, "t.read": replace(read, capability=replace(read.capability, version="2"))}


def test_another_version_of_a_tool_is_another_question() -> None:
    async def story() -> None:
        world = MeaningWorld()
        await known(world)
        world.services = replace(world.services, tools=NextTools())
        await world.solve("second", goal=ALIKE)
        assert "no question like this" in (await world.looked("second")).reason

    simulate(story())


def test_nothing_crosses_tenants_not_even_in_a_shared_index() -> None:
    async def story() -> None:
        world = MeaningWorld()
        await known(world)
        (published,) = await world.published()
        assert point_id(TENANT, entry_of(published)) != point_id("other", entry_of(published))
        (point,) = await world.points.embed([ALIKE])
        where = among(KIND, "other", "default", published.value["parameters"])
        stranger = where | {"entry": "3" * 64, "goal": ALIKE, "program": "sha256:" + "0" * 64}
        await world.reuse.vectors.put([Point(point_id("other", "3" * 64), point, stranger)])
        await world.solve("second", None, goal=ALIKE)
        lookup = await world.looked("second")
        assert (lookup.outcome, lookup.entry) == ("hit", entry_of(published))
        own = await world.reuse.vectors.search(point, where, 10)
        assert [each.labels["entry"] for each in own] == ["3" * 64]

    simulate(story())


def test_neighbours_that_were_answered_otherwise_speak_against() -> None:
    async def story() -> None:
        world = MeaningWorld()
        others = [f"Count on number {'so ' * number}it reads" for number in range(4)]
        world.alike(COUNT, ALIKE, *others)
        await world.solve("first", goal=COUNT)
        score = await _score(world, "alone")
        for number, goal in enumerate(others[:2]):
            await world.solve(f"same-{number}", PLAN, goal=goal)
        assert await _score(world, "agreed") > score
        for number, goal in enumerate(others[2:]):
            await world.solve(f"other-{number}", "(do [7 8])", goal=goal)
        assert await _score(world, "disputed") < score

    simulate(story())


async def _score(world: MeaningWorld, run: str) -> float:
    goal = f"{ALIKE} {run}"
    world.points.near[goal] = world.points.near[COUNT]
    await world.solve(run, goal=goal)
    lookup = await world.looked(run)
    for published in await world.published():
        if published.run == run:  # its own answer is no neighbour of the next
            await withdraw(world.services, TENANT, entry_of(published), "test", "test")
    await world.feed.catch_up()
    assert lookup.score is not None
    return lookup.score
