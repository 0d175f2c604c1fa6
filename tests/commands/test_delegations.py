"""Who answers: the first target that can, and the one that did before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from commands.delegations import key_of
from domain.cache.events import CacheEntryPublished
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Cost
from domain.kernel.values import format_time
from domain.models import ModelOffer
from domain.runs.delegation import Rung, asked_next, ladder, tool_for
from domain.runs.state import Phase
from domain.runs.task import Limits as TaskLimits
from domain.runs.task import TaskFile, accept
from domain.tools import CallContext, ToolFailed, ToolOutcome
from tests.commands.reusing import PLAN, ReusingWorld
from tests.commands.world import DECLARATIONS, TENANT, Tools
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


ASKS: dict[str, Any] = {"goal": "t.read", "tools": ["t.read", "t.add"], "output": ":int", "inputs": {"n": 1}}


@pytest.mark.parametrize(
    ("checks", "outcome"), [(["(= output 7)"], "refuted"), (["(= 1 (quot 1 (- output 2)))"], "refuted")], ids=range(2)
)
def test_a_tool_whose_answer_fails_the_checks_gives_way_to_the_model(checks: list[str], outcome: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        plan, gives = ("(+ 3 4)", 7) if "7" in checks[0] else ("(+ 1 2)", 3)
        kinds = await world.solve("first", plan, checks=checks, cache={"levels": ["L1"]}, **ASKS)
        assert kinds.count("RunRouted") == 2
        run = await world.state("first")
        assert (run.phase, run.route, run.output) == (Phase.COMPLETED, "model", gives)
        (refused,) = run.refuted
        assert (refused.level, refused.entry, refused.outcome, refused.goes_on) == ("L1", "t.read", outcome, True)
        assert checks[0] in refused.reason
        assert (await world.verify("first")).ended is Phase.COMPLETED
        await world.feed.catch_up()
        world.models.asked.clear()
        kinds = await world.solve("second", plan, checks=checks, cache={"levels": ["L1"]}, **ASKS)
        assert kinds.count("RunRouted") == 1, "a model answered tasks of this shape: the tool is not tried again"
        assert (await world.state("second")).route == "model"

    simulate(story())


def test_a_tool_that_fails_gives_way_too() -> None:
    class Broken(Tools):
        async def run(self, name: str, arguments: Any, call: CallContext) -> ToolOutcome:
            return ToolFailed(type="t.broken", message="out of order")

    async def story() -> None:
        world = ReusingWorld(tools=Broken())
        await world.solve("first", "(+ 2 3)", cache={"levels": []}, **ASKS)
        run = await world.state("first")
        assert (run.phase, run.output) == (Phase.COMPLETED, 5)
        assert (run.refuted[0].outcome, "out of order" in run.refuted[0].reason) == ("failed", True)
        await world.verify("first")

    simulate(story())


def test_a_tool_that_has_changed_something_ends_the_run_where_it_was_wrong() -> None:
    async def story() -> None:
        world = ReusingWorld()
        task = ASKS | {"goal": "t.add", "checks": ["(= output 7)"], "cache": {"levels": []}}
        kinds = await world.solve("first", "7", **task)
        assert kinds.count("RunRouted") == 1
        assert (await world.state("first")).error.error.type == "critic.rejected"
        assert world.tools.done["0"] == 1

    simulate(story())


def test_without_a_model_to_give_way_to_the_verdict_stands() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.models.offered = {}
        await world.solve("first", None, checks=["(= output 7)"], cache={"levels": []}, **ASKS)
        run = await world.state("first")
        assert (run.error.error.type, run.refuted) == ("critic.rejected", ())

    simulate(story())


def test_invalidating_forgets_what_answered() -> None:
    from commands.delegations import Delegations
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


async def _remember_by_hand(world: ReusingWorld, run: str, value: Any) -> None:
    """What whoever can write to the log could say."""
    key = key_of((await world.state(run)).accepted_task)
    stream = StreamId(TENANT, "cache", key.id)
    slice_ = await world.store.load(stream)
    event = CacheEntryPublished(
        namespace=key.namespace, level="L1", kind="delegation", version=key.version, digest=key.digest, value=value,
        volatility="slow", expires=None, cost=Cost(), run=run, effect="route",
    )  # fmt: skip
    draft = Draft(
        id=str(uuid4()), type=event.TYPE, time=format_time(world.clock.now()), correlation=run, causation=run,
        actor="user:mallory", data=event.as_json(),
    )  # fmt: skip
    await world.store.append(stream, [draft], slice_.head)
    await world.feed.catch_up()


@pytest.mark.parametrize(
    "value",
    [
        {}, [], None, 7, "program", {"target": "program"}, {"target": "program", "entry": 7},
        {"target": "program", "entry": "../../etc"}, {"target": "program", "entry": "0" * 100},
        {"target": "program", "entry": {"a": []}}, {"target": "model", "name": ["x"]}, {"target": "model"},
        {"target": ["model"], "name": "default"}, {"target": "oracle", "name": "default"},
        {"target": "model", "name": "gone"}, {"target": "model", "name": "x" * 100_000},
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_cannot_be_a_target_is_no_answer_and_breaks_nothing(value: Any) -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", **BOTH)
        await _remember_by_hand(world, "first", value)
        kinds = await world.solve("second", PLAN, **BOTH)
        run = await world.state("second")
        assert run.phase is Phase.COMPLETED
        assert "ProgramReused" in kinds, "it is found without what was remembered"
        assert len(run.routing.lookups[0].reason) < 1_100

    simulate(story())


def test_what_is_remembered_cannot_make_unlike_goals_alike() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", **BOTH)
        entry = (await world.program_events())[0].offer.id
        await world.solve("cake", "(let [a 1] [a a])", goal="Bake a cake with plums", **BOTH)
        await _remember_by_hand(world, "cake", {"target": "program", "entry": entry})
        await world.solve("again", "(let [a 1] [a a])", goal="Bake a cake with plums", **BOTH)
        run = await world.state("again")
        assert run.reused is None or run.reused.entry != entry

    simulate(story())


@pytest.mark.parametrize("goal", [".", " .. ", "...."])
def test_a_goal_without_words_is_no_tool_s(goal: str) -> None:
    task = accept(TaskFile(goal=goal, inputs={"n": 1}, output=":int", tools=("t.read",)), ("t.read",), TaskLimits())
    capability = replace(DECLARATIONS["t.read"].capability, doc="")
    assert tool_for(task, {"t.read": capability}) is None


def test_a_task_that_wants_no_cache_asks_nothing_of_reuse() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", **BOTH)

        class Untouched:
            def __getattr__(self, name: str) -> Any:
                raise AssertionError(f"it was asked for {name}")

        world.services = replace(world.services, reuse=Untouched())
        loaded: list[StreamId] = []
        inner = world.store

        class Counting:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            async def load(self, stream: StreamId, after: int = 0) -> Any:
                loaded.append(stream)
                return await inner.load(stream, after)

        world.services = replace(world.services, store=Counting())
        await world.solve("second", PLAN, cache={"levels": []})
        assert (await world.state("second")).phase is Phase.COMPLETED
        assert {stream.category for stream in loaded} <= {"run"}
        assert len(loaded) <= 1

    simulate(story())
