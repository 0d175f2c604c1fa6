"""A solved problem is answered by its program, without a model; and what is wrong with a program keeps it from running."""

from __future__ import annotations

import pytest

from domain.programs.events import ProgramDemoted, ProgramPublished
from domain.runs.planning import ProgramReused
from domain.runs.state import Phase
from tests.commands.reusing import ReusingWorld
from tests.simulation.virtual_loop import simulate


@pytest.fixture
def world() -> ReusingWorld:
    return ReusingWorld()


def test_the_second_run_of_a_task_asks_no_model(world: ReusingWorld) -> None:
    async def story() -> None:
        first = await world.solve("first")
        assert "ModelCallAnswered" in first
        (published,) = await world.program_events()
        assert isinstance(published, ProgramPublished)
        second = await world.solve("second", None, inputs={"n": 41})
        assert second == [
            "RunSubmitted", "RunClaimed", "RunRouted", "ProgramReused", "ToolCallCompleted",
            "VerdictReached", "ReuseSettled", "RunCompleted",
        ]  # fmt: skip
        run = await world.state("second")
        assert run.output == [42, 420]
        assert isinstance(run.program, ProgramReused)
        assert run.program.entry == published.offer.id
        assert run.spent.tokens == 0
        assert (await world.verify("second")).effects == 1
        assert len(await world.program_events()) == 1, "a run that reuses publishes nothing"

    simulate(story())


def test_a_program_that_is_refuted_is_demoted_and_the_model_is_asked(world: ReusingWorld) -> None:
    async def story() -> None:
        await world.solve("first")
        kinds = await world.solve(
            "second", "(let [a (call :t.read {:n (:n inputs)})] [a a])", checks=["(= (first output) (second output))"]
        )
        assert kinds.count("RunRouted") == 2
        run = await world.state("second")
        assert (run.phase, run.output) == (Phase.COMPLETED, [2, 2])
        assert (await world.verify("second")).effects == 2
        assert any(isinstance(event, ProgramDemoted) for event in await world.program_events())
        await world.solve("third", None)
        third = (await world.state("third")).reused
        assert third is not None
        assert third.entry != run.refuted[0].entry, "what answers now is the program that the second run found"

    simulate(story())
