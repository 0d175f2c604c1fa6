"""A question of the same meaning is answered with what was answered before, once evidence says that this goes well."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from adapters.embedding.lexical import LexicalEmbedder
from adapters.vectors.memory import MemoryVectorIndex
from commands.cache.judgements import withdraw
from commands.evidence import EvidenceBook
from commands.replays.executing import re_execute
from domain.cache.semantic import Policy as Terms
from domain.kernel.ids import StreamId
from domain.runs.state import Phase
from tests.commands.meanings import MeaningWorld, entry_of
from tests.commands.reusing import PLAN
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

COUNT = "Read the number and count on from there"
ALIKE = "From there count on and read the number"
BOTH: dict[str, Any] = {"cache": {"levels": ["L2", "L3"]}}


@pytest.fixture
def world() -> MeaningWorld:
    world = MeaningWorld()
    world.alike(COUNT, ALIKE)
    return world


async def hit(world: MeaningWorld, run: str = "second", **task: Any) -> None:
    kinds = await world.solve(run, None, **({"goal": ALIKE} | task))
    assert (await world.looked(run)).outcome == "hit", await world.looked(run)
    assert kinds[-1] == "RunCompleted"


def test_a_paraphrase_is_answered_without_the_model_once_there_is_evidence(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        kinds = await world.solve("second", None, goal=ALIKE, inputs={"n": 41})
        run = await world.state("second")
        assert (run.phase, run.output, run.spent.tokens, run.spent.usd) == (Phase.COMPLETED, [42, 420], 0, 0.0)
        lookup = await world.looked("second")
        assert (lookup.level, lookup.outcome, lookup.tier) == ("L3", "hit", "log")
        assert lookup.score == pytest.approx(0.9801, abs=1e-4)
        assert lookup.threshold == 0.9
        (published,) = await world.published()
        (answer,) = await world.answers("second")
        assert (answer.source, answer.entry) == ("cache", lookup.entry)
        assert (answer.saved.tokens, answer.saved.usd) == (15, 0.25)
        assert kinds[-3:] == ["VerdictReached", "ReuseSettled", "RunCompleted"]
        assert published.run == "first"
        assert published.depends == ("model:default", "tool:t.read@1")
        assert len(await world.published()) == 1, "what was given again is no answer of its own"

    simulate(story())


def test_a_closed_namespace_is_opened_by_what_is_explored(world: MeaningWorld) -> None:
    async def story() -> None:
        goals = [f"{ALIKE}{' please' * number}" for number in range(40)]
        world.alike(COUNT, *goals)
        await world.solve("first", goal=COUNT)
        said = []
        for number, goal in enumerate(goals):
            await world.solve(f"run-{number}", goal=goal)
            said.append(await world.looked(f"run-{number}"))
        outcomes = [each.outcome for each in said]
        explored = outcomes.index("hit")
        assert explored >= 15, "so many right answers are needed for these terms"
        assert outcomes == ["explore"] * explored + ["hit"] * (40 - explored)
        assert "nothing may be reused yet" in said[0].reason
        terms = asdict(world.reuse.evidence.policy)
        assert all(each.terms is not None and each.terms.model_dump() == terms for each in said), "what held is told"
        judged = await world.judged()
        assert {(each.judge, each.correct, each.stands_for, each.reusable) for each in judged} == {
            ("same-program/1", True, 1, False)
        }
        assert len(judged) == explored

    simulate(story())


def test_the_same_goal_needs_no_evidence(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await hit(world, goal=COUNT, inputs={"n": 7})
        assert (await world.looked("second")).reason == "the same goal"
        assert await world.judged() == []

    simulate(story())


def test_a_share_of_hits_is_explored_and_stands_for_the_others(world: MeaningWorld) -> None:
    async def story() -> None:
        world.use(evidence=EvidenceBook(policy=Terms(bound=0.2, trust=0.9, explore_one_in=4)))
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        said = []
        for number in range(60):
            await world.solve(f"run-{number}", goal=ALIKE)
            said.append((await world.looked(f"run-{number}")).outcome)
            if said[-1] == "explore":
                # what was explored is an answer of its own, and would answer the same goal from now on
                (*_, mine) = await world.published()
                await withdraw(world.services, TENANT, entry_of(mine), "to go on", "test")
                await world.feed.catch_up()
        assert set(said) == {"hit", "explore"}
        assert 5 <= said.count("explore") <= 28
        judged = await world.judged()
        assert {(each.stands_for, each.reusable, each.correct, each.judge) for each in judged} == {
            (4, True, True, "same-program/1")
        }
        assert len(judged) == said.count("explore")

    simulate(story())


def test_nothing_is_looked_up_unless_the_task_asks_for_it(world: MeaningWorld) -> None:
    async def story() -> None:
        for run in ("first", "second"):
            await world.solve(run, goal=COUNT, cache={"levels": ["L1"]})
            assert await world.lookups(run) == []
        assert await world.published() == []
        world.services = replace(world.services, reuse=None)
        await world.submit("third", None, goal=COUNT, cache={"levels": ["L3"]})
        world.models.answers[:] = ["(+ 1 2)"]
        await world.drive("third")
        assert (await world.looked("third")).reason == "reuse is switched off here"

    simulate(story())


def test_with_exact_reuse_the_entry_points_at_the_exact_one(world: MeaningWorld) -> None:
    async def story() -> None:
        world.keep_exact()
        await world.solve("first", goal=COUNT, **BOTH)
        (published,) = await world.published()
        assert set(published.value) == {"parameters", "program", "entry"}
        await world.believe(0.9)
        await hit(world, **BOTH)
        assert [each.level for each in await world.all_lookups("second")] == ["L2", "L3"]
        await hit(world, "third", cache={"levels": ["L3"]})
        await world.send("InvalidateEntry", {"entry": published.value["entry"]}, "c1")
        await world.solve("fourth", goal=ALIKE, **BOTH)
        lookup = await world.looked("fourth")
        assert "the entry that has the answer" in lookup.reason
        assert "it was invalidated at" in lookup.reason

    simulate(story())


def test_a_replay_asks_no_cache_and_a_fork_inherits_the_answer(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        await hit(world)
        world.services = replace(world.services, reuse=None)
        assert (await world.verify("second")).effects == 1
        again = await re_execute(world.tools, StreamId(TENANT, "run", "second"), await world.events_of("second"))
        assert (again.executed, again.others) == (1, ())
        await world.fork("fork", "second")
        (answer,) = await world.answers("fork")
        assert answer.source == "inherited"
        assert (await world.state("fork")).output == [2, 20]
        assert (await world.verify("fork")).replayable

    simulate(story())


def test_only_the_first_draft_is_looked_up_and_the_draft_that_did_well_is_published(world: MeaningWorld) -> None:
    async def story() -> None:
        world.models.answers[:] = ["(no program", PLAN]
        await world.submit(
            "first", None, goal=COUNT, inputs={"n": 1}, output="[:vector :int]", cache={"levels": ["L3"]}
        )
        await world.drive("first")
        await world.feed.catch_up()
        assert len(await world.lookups("first")) == 1
        (published,) = await world.published()
        assert (published.effect, published.cost.tokens) == ("plan/2", 30)
        assert published.value["answer"]["text"] == PLAN

    simulate(story())


def test_publishing_again_after_a_crash_changes_nothing(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await world.solve("second", goal=ALIKE)
        before = await world.cache_events()
        assert len(before) == 3, "two answers, one judgement"
        for _ in range(3):
            await world.drive("first")
            await world.drive("second")
        assert await world.cache_events() == before
        await withdraw(world.services, TENANT, entry_of((await world.published())[0]), "no", "test")
        await world.drive("first")
        assert len(await world.published()) == 2, "an answer that was withdrawn does not come back by itself"

    simulate(story())


def test_an_answer_that_did_not_do_is_not_published(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("rejected", goal=COUNT, checks=["(= 7 (count output))"])
        await world.solve("stopped", "(first [])", goal=COUNT)
        await world.submit("given", PLAN, goal=COUNT, inputs={"n": 1}, cache={"levels": ["L3"]})
        await world.drive("given")
        assert await world.published() == []

    simulate(story())


def test_every_index_can_be_lost_and_is_built_again_from_the_events(world: MeaningWorld) -> None:
    async def story() -> None:
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        await hit(world, "before")
        for number in range(3):
            world.use()  # a new process, with an empty index and nothing heard
            await hit(world, f"again-{number}")
            (before, now) = (await world.looked("before"), await world.looked(f"again-{number}"))
            assert before.model_copy(update={"duration": 0}) == now.model_copy(update={"duration": 0})

    simulate(story())


def test_points_of_another_embedder_are_made_anew(world: MeaningWorld) -> None:
    async def story() -> None:
        world.use(embedder=LexicalEmbedder())
        await world.solve("first", goal=COUNT)
        await world.believe(0.5)
        points = type(world)().points
        points.near = {COUNT: (0, 0.99), ALIKE: (0, 0.99)}
        world.use(embedder=points)
        await hit(world)

    simulate(story())


def test_words_are_enough_where_no_model_is_installed(world: MeaningWorld) -> None:
    async def story() -> None:
        embedder = LexicalEmbedder()
        world.use(embedder=embedder, vectors=MemoryVectorIndex(embedder.name, embedder.dimensions))
        await world.solve("first", goal=COUNT)
        await world.believe(0.6)
        await hit(world, goal="Read the number and count on from here")
        await world.solve("third", goal="Bake a cake with plums")
        assert "not alike" in (await world.looked("third")).reason

    simulate(story())


def test_a_program_is_not_signed_for_an_answer_that_was_only_alike(world: MeaningWorld) -> None:
    async def story() -> None:
        levels = {"cache": {"levels": ["L3", "L4"]}}
        await world.solve("first", goal=COUNT, **levels)
        assert len(await world.program_events()) == 1
        await world.believe(0.9)
        await world.solve("second", None, goal=ALIKE, **levels)
        assert (await world.state("second")).phase is Phase.COMPLETED
        assert len(await world.program_events()) == 1

    simulate(story())


def test_while_a_program_is_compared_the_model_is_really_asked(world: MeaningWorld) -> None:
    async def story() -> None:
        from domain.programs.policy import Policy

        levels = {"cache": {"levels": ["L3", "L4"]}}
        await world.solve("first", goal=COUNT, **levels)
        world.use(Policy(shadow=1.0))
        kinds = await world.solve("second", goal=COUNT, **levels)
        assert "ShadowCompared" in kinds
        assert "so that a program can be compared" in (await world.looked("second")).reason

    simulate(story())


def test_a_program_below_its_threshold_is_not_worth_asking_a_model_that_need_not_be(world: MeaningWorld) -> None:
    async def story() -> None:
        levels = {"cache": {"levels": ["L3", "L4"]}}
        await world.solve("first", goal=COUNT, **levels)
        await world.believe(0.9)
        await hit(world, **levels)
        (program,) = (await world.state("second")).routing.lookups
        assert (program.level, program.outcome) == ("L4", "explore")
        assert not any(each.level == "L4" for each in await world.judged())

    simulate(story())
