"""What is known of right and wrong comes from the model's own answers, from the critic and from people."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from commands.cache.meanings import point_id
from domain.cache.events import CacheEntryInvalidated, ReuseJudged
from domain.rtfs.vm.execution import SLICE
from domain.runs.state import Phase
from tests.commands.meanings import MeaningWorld, entry_of
from tests.commands.reusing import PLAN
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

COUNT = "Read the number and count on from there"
ALIKE = "From there count on and read the number"
WRITING = "(let [a (call :t.put {:n (:n inputs)})] [a 10])"
STOPPING = "(let [a (call :t.read {:n (:n inputs)})] [a (quot a (- a 2))])"
"""With 1 it stops."""


@pytest.fixture
def world() -> MeaningWorld:
    world = MeaningWorld()
    world.alike(COUNT, ALIKE)
    return world


@pytest.mark.parametrize(
    ("stored", "model", "judge", "correct"),
    [
        (PLAN, PLAN, "same-program/1", True),
        (PLAN, "; counted\n(let [b (call :t.read {:n (:n inputs)})] [b (* b 10)])", "same-program/1", True),
        (PLAN, "(let [a (call :t.read {:n (:n inputs)})] [a (* 10 a)])", "same-output/1", True),
        (PLAN, "(let [a (call :t.read {:n (:n inputs)})] [a (+ a 18)])", "same-output/1", True),
        (PLAN, "(let [a (call :t.read {:n (:n inputs)})] [a 5])", "same-output/1", False),
        (PLAN, "(do [2 20])", "same-output/1", False),
        (WRITING, "(do [2 10])", "same-output/1", False),
        ("(do [2 10])", WRITING, "same-output/1", False),
        (STOPPING, PLAN, "same-output/1", False),
    ],
    ids=[
        "same text", "other names", "other program", "by chance", "other output", "asks for more", "changes more",
        "changes less", "stops",
    ],
)  # fmt: skip
def test_an_explored_answer_is_compared_with_the_model_s(
    world: MeaningWorld, stored: str, model: str, judge: str, correct: bool
) -> None:
    async def story() -> None:
        await world.solve("first", stored, goal=COUNT, inputs={"n": 5})
        assert len(await world.published()) == 1
        await world.solve("second", model, goal=ALIKE, inputs={"n": 1})
        assert (await world.looked("second")).outcome == "explore"
        (judged,) = await world.judged()
        assert (judged.judge, judged.correct, judged.source, judged.run) == (judge, correct, "exploration", "second")
        assert judged.score == (await world.looked("second")).score
        assert (await world.verify("second")).replayable

    simulate(story())


def test_a_run_that_did_not_do_well_tells_nothing_of_what_was_proposed(world: MeaningWorld) -> None:
    async def story() -> None:
        checks = {"checks": ["(= 2 (count output))"]}
        await world.solve("first", goal=COUNT, **checks)
        await world.solve("second", "(do [1 2 3])", goal=ALIKE, **checks)
        assert (await world.state("second")).phase is Phase.FAILED
        assert (await world.looked("second")).outcome == "explore"
        assert await world.judged() == []

    simulate(story())


def test_what_was_withdrawn_in_between_is_not_judged(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        (published,) = await world.published()

        async def invalidate(_: Any) -> None:
            world.tools.during = None
            await world.send("InvalidateEntry", {"entry": entry_of(published)}, "c1")

        world.tools.during = invalidate
        await world.solve("second", goal=ALIKE)
        assert (await world.looked("second")).outcome == "explore"
        assert await world.judged() == []

    simulate(story())


async def _hit(world: MeaningWorld, plan: str, model: str, **task: Any) -> list[str]:
    """A run to which the stored plan is given, which the task's checks refuse; the model then answers otherwise."""
    await world.solve("first", plan, goal=COUNT, **task)
    await world.believe(0.9)
    return await world.solve("second", model, goal=ALIKE, **(task | {"inputs": {"n": 7}}))


CHECKS: dict[str, Any] = {"checks": ["(= (first output) (+ 1 (:n inputs)))"]}
FIXED = "(do [2 20])"


def test_where_the_critic_rejects_what_was_given_the_run_goes_on_with_the_model(world: MeaningWorld) -> None:
    async def story() -> None:
        kinds = await _hit(world, FIXED, PLAN, **CHECKS)
        assert kinds == [
            "RunSubmitted", "RunClaimed", "RunRouted", "ModelCallRequested", "ModelCallAnswered", "PlanDrafted",
            "ProgramCompiled", "VerdictReached", "ReuseSettled", "RunRouted", "ModelCallRequested",
            "ModelCallAnswered", "PlanDrafted", "ProgramCompiled", "ToolCallCompleted", "VerdictReached",
            "RunCompleted",
        ]  # fmt: skip
        run = await world.state("second")
        assert (run.phase, run.output, run.spent.tokens) == (Phase.COMPLETED, [8, 80], 15)
        assert [(each.level, each.outcome) for each in run.refuted] == [("L3", "refuted")]
        hit, missed = await world.lookups("second")
        assert (hit.outcome, missed.outcome) == ("hit", "miss")
        assert missed.reason == f"the answer of {hit.entry} was tried and refuted"
        (judged,) = await world.judged()
        assert (judged.judge, judged.correct, judged.source, judged.entry) == ("critic/1", False, "feedback", hit.entry)
        assert judged.score == hit.score
        events = await world.cache_events()
        assert not any(isinstance(event, CacheEntryInvalidated) for event in events), "it was right for its own goal"
        assert await world.reuse.vectors.count() == 2, "beside it there is the model's own answer now"
        assert (await world.verify("second")).effects == 1
        for _ in range(2):
            await world.drive("second")
        assert await world.cache_events() == events

    simulate(story())


def test_a_run_that_changed_the_world_fails_and_what_was_given_is_withdrawn_all_the_same(world: MeaningWorld) -> None:
    async def story() -> None:
        plan = "(let [a (call :t.put {:n 1})] [a 20])"
        await _hit(world, plan, PLAN, **CHECKS)
        run = await world.state("second")
        assert (run.phase, run.error.error.type) == (Phase.FAILED, "critic.rejected")
        (judged,) = await world.judged()
        assert (judged.judge, judged.correct) == ("critic/1", False)
        assert not any(isinstance(event, CacheEntryInvalidated) for event in await world.cache_events())
        assert (await world.verify("second")).effects == 1

    simulate(story())


def test_what_was_wrong_for_a_goal_like_its_own_stays_for_its_own_and_is_not_given_to_that_again(
    world: MeaningWorld,
) -> None:
    async def story() -> None:
        await _hit(world, FIXED, PLAN, **CHECKS)
        (judged,) = await world.judged()
        await world.solve("own", None, goal=COUNT, **CHECKS)
        own = await world.looked("own")
        assert (own.outcome, own.entry, own.reason) == ("hit", judged.entry, "the same goal")
        await world.reuse.vectors.remove([point_id(TENANT, entry_of((await world.published())[-1]))])
        await world.solve("third", PLAN, goal=ALIKE, **(CHECKS | {"inputs": {"n": 9}}))
        again = await world.looked("third")
        assert (again.outcome, again.entry) == ("explore", judged.entry), "compared, and not given"

    simulate(story())


def test_what_was_wrong_for_its_own_goal_is_withdrawn(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", FIXED, goal=COUNT, **CHECKS)
        await world.solve("second", PLAN, goal=COUNT, **(CHECKS | {"inputs": {"n": 7}}))
        run = await world.state("second")
        assert (run.phase, run.output, run.refuted[0].level) == (Phase.COMPLETED, [8, 80], "L3")
        events = await world.cache_events()
        assert sum(isinstance(event, CacheEntryInvalidated) for event in events) == 1

    simulate(story())


@pytest.mark.parametrize("goal", [COUNT, ALIKE], ids=["its own goal", "a goal like it"])
def test_feedback_withdraws_what_was_wrong_for_its_own_goal(world: MeaningWorld, goal: str) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        await world.solve("second", None, goal=goal)
        entry = (await world.looked("second")).entry
        for number, run in enumerate(("another-run", "first", "second")):
            data = {
                "namespace": "default", "run": run, "level": "L3", "entry": entry, "score": 1.0, "correct": False,
            }  # fmt: skip
            assert (await world.send("JudgeReuse", data, f"c{number}")).outcome == "accepted"
            withdrawn = [each for each in await world.cache_events() if isinstance(each, CacheEntryInvalidated)]
            assert len(withdrawn) == (1 if run == "second" and goal == COUNT else 0)

    simulate(story())


def test_where_the_given_plan_stops_the_run_goes_on_and_nobody_is_blamed(world: MeaningWorld) -> None:
    async def story() -> None:
        plan = "(let [a (call :t.read {:n (:n inputs)})] [a (quot 40 (- a 8))])"
        kinds = await _hit(world, plan, PLAN)
        assert kinds.count("RunRouted") == 2
        run = await world.state("second")
        assert (run.phase, run.output, run.refuted[0].outcome) == (Phase.COMPLETED, [8, 80], "failed")
        assert await world.judged() == []
        assert len(await world.published()) == 2
        assert (await world.verify("second")).effects == 2

    simulate(story())


@pytest.mark.parametrize("correct", [True, False])
def test_what_people_say_counts_against_reuse_only(world: MeaningWorld, correct: bool) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        await world.solve("second", None, goal=ALIKE)
        lookup = await world.looked("second")
        before = world.reuse.evidence.threshold(TENANT, "default", "L3")
        data = {
            "namespace": "default", "run": "second", "level": "L3", "entry": lookup.entry, "score": lookup.score,
            "correct": correct, "reason": "I looked",
        }  # fmt: skip
        for number in range(3):
            answer = await world.send("JudgeReuse", data, f"c{number}")
            assert answer.outcome == "accepted", answer
        await world.feed.catch_up()
        judged = [event for event in await world.cache_events() if isinstance(event, ReuseJudged)][-1]
        assert (judged.judge, judged.source, judged.correct) == ("person", "feedback", correct)
        after = world.reuse.evidence.threshold(TENANT, "default", "L3")
        own = world.reuse.evidence.own(TENANT, lookup.entry or "")
        kinds = await world.solve("third", goal=ALIKE, inputs={"n": 3})
        if correct:
            assert (after, own.right, own.wrong) == (before, 3, 0)
            assert (await world.looked("third")).outcome == "hit"
        else:
            assert after > before
            assert own.wrong == 3
            assert (await world.looked("third")).outcome == "explore", "it is compared, and not given"
            assert kinds[-1] == "RunCompleted"
        withdrawn = [event for event in await world.cache_events() if isinstance(event, CacheEntryInvalidated)]
        assert withdrawn == [], "it was given to a goal that is only like its own"

    simulate(story())


async def turns_beside_a_judgement(stored: str) -> tuple[int, int]:
    """How often others had their turn while a run was judged beside this plan, and the plan's slices of fuel."""
    world, turns = MeaningWorld(), 0
    world.alike(COUNT, ALIKE)

    async def other_work() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    await world.solve("first", stored, goal=COUNT)
    fuel = (await world.verify("first")).fuel
    other = asyncio.create_task(other_work())
    before = turns
    await world.solve("second", "(do [3 30])", goal=ALIKE)
    other.cancel()
    (judged,) = await world.judged()
    assert judged.judge == "same-output/1"
    return turns - before, fuel // SLICE


def test_judging_a_long_plan_leaves_time_for_everything_else() -> None:
    long = "(do [(reduce (fn [x y] (+ x y)) 0 (range 0 1000000)) 1])"

    async def story() -> None:
        short_turns, _ = await turns_beside_a_judgement("(do [2 20])")
        long_turns, slices = await turns_beside_a_judgement(long)
        assert slices > 5
        assert long_turns - short_turns >= slices - 1

    simulate(story())
