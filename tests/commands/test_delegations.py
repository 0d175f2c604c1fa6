"""Who answers: the first target that can, and the one that did before."""

from __future__ import annotations

from typing import Any

import pytest

from domain.models import ModelOffer
from domain.runs.delegation import Rung, asked_next, ladder
from domain.runs.state import Phase
from domain.runs.task import Limits as TaskLimits
from domain.runs.task import TaskFile, accept
from tests.commands.reusing import PLAN, ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

BOTH: dict[str, Any] = {"cache": {"levels": ["L1", "L4"]}}


def lookups(run: Any) -> list[tuple[str, str]]:
    return [(each.level, each.outcome) for each in run.routing.lookups]


def test_the_program_that_answered_before_is_not_searched_for() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", **BOTH)
        assert lookups(await world.state("first")) == [("L1", "miss"), ("L4", "miss")]
        await world.feed.catch_up()
        await world.reuse.vectors.clear()
        assert "ProgramReused" in await world.solve("second", None, inputs={"n": 5}, **BOTH)
        assert lookups(await world.state("second")) == [("L1", "hit"), ("L4", "hit")]
        assert (await world.verify("second")).effects == 1

    simulate(story())


def test_a_remembered_program_that_was_revoked_is_not_used() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", **BOTH)
        module = (await world.state("first")).program.digest
        await world.send("RevokeProgram", {"module": module, "reason": "no"}, "c1")
        kinds = await world.solve("second", PLAN, **BOTH)
        assert "ProgramReused" not in kinds
        assert (await world.state("second")).phase is Phase.COMPLETED

    simulate(story())


def test_where_the_task_leaves_the_choice_the_smallest_model_is_asked_first() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.models.offered = {
            "big": ModelOffer("large", 10, 30),
            "dear": ModelOffer("small", 2, 2),
            "cheap": ModelOffer("small", 1, 1),
        }
        task = {"model": {"name": "auto"}, "cache": {"levels": ["L1"]}}
        world.models.answers[:] = ["(no program", "(nor this", PLAN]
        await world.submit("first", None, goal="Count", inputs={"n": 1}, output="[:vector :int]", **task)
        await world.feed.catch_up()
        await world.drive("first")
        assert [request.model for request in world.models.asked] == ["cheap", "dear", "big"]
        await world.feed.catch_up()
        world.models.asked.clear()
        await world.solve("second", PLAN, goal="Count", **task)
        run = await world.state("second")
        assert [request.model for request in world.models.asked] == ["big"], "it answered tasks of this shape before"
        assert run.routing.model == "big"
        assert "big answered tasks of this shape" in run.routing.lookups[0].reason

    simulate(story())


def test_without_any_model_the_choice_is_none() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.models.offered = {}
        await world.solve("first", None, model={"name": "auto"})
        run = await world.state("first")
        assert run.error.error.type == "run.no-planner"

    simulate(story())


@pytest.mark.parametrize(
    ("goal", "inputs", "tools", "route"),
    [
        ("t.read", {"n": 1}, ["t.read"], "tool"),
        (" T.READ. ", {"n": 1}, ["t.read", "t.add"], "tool"),
        ("t.read", {"n": "one"}, ["t.read"], "model"),
        ("t.read", {"n": 1, "more": 2}, ["t.read"], "model"),
        ("Read it", {"n": 1}, ["t.read"], "model"),
        ("t.read", {"n": 1}, ["t.add"], "model"),
    ],
    ids=["name", "spelled freely", "other type", "other inputs", "other words", "not a tool of the task"],
)
def test_a_task_in_a_tool_s_own_words_asks_the_tool(goal: str, inputs: Any, tools: list[str], route: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve(
            "first", "(+ 1 1)", goal=goal, inputs=inputs, tools=tools, output=":int", cache={"levels": []}
        )
        run = await world.state("first")
        assert run.route == route
        if route == "tool":
            assert (run.output, world.models.asked) == (2, [])
            await world.verify("first")

    simulate(story())


def test_invalidating_forgets_what_answered() -> None:
    from commands.delegations import Delegations, key_of
    from commands.ports import Selection
    from domain.cache.events import CacheInvalidated
    from domain.kernel.ids import START

    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", **BOTH)
        heard = Delegations()
        events = [e async for batch in world.store.read(START, Selection(category="cache")) for e in batch]
        for event in events:
            await heard.hear(event)
        key = key_of((await world.state("first")).accepted_task)
        assert heard.find(TENANT, key) is not None
        assert heard.find("other", key) is None
        gone = CacheInvalidated(namespace="default", level="L1", reason="test")
        draft_of = events[-1]
        import orjson

        document = draft_of.document | {"type": gone.TYPE, "data": gone.as_json()}
        from dataclasses import replace

        await heard.hear(replace(draft_of, body=orjson.dumps(document)))
        assert heard.find(TENANT, key) is None

    simulate(story())


def test_the_ladder() -> None:
    task = accept(TaskFile(goal="g", model={"name": "auto"}), (), TaskLimits())
    rungs = ladder(task, {"b": Rung("large", 1), "a": Rung("small", 9), "c": Rung("small", 9)})
    assert rungs == ("a", "c", "b")
    assert [asked_next(rungs, "c", rejected) for rejected in range(4)] == ["c", "b", "b", "b"]
    assert asked_next(rungs, "gone", 0) == "a"
    assert asked_next((), "a", 0) is None
