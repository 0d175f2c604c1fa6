"""A question of the same meaning is answered with what was answered before, once evidence says that this goes well."""

from __future__ import annotations

import pytest

from domain.runs.state import Phase
from tests.commands.meanings import MeaningWorld
from tests.simulation.virtual_loop import simulate

COUNT = "Read the number and count on from there"
ALIKE = "From there count on and read the number"


@pytest.fixture
def world() -> MeaningWorld:
    return MeaningWorld()


def test_a_paraphrase_is_answered_without_the_model_once_there_is_evidence(world: MeaningWorld) -> None:
    async def story() -> None:
        world.alike(COUNT, ALIKE)
        await world.solve("first", goal=COUNT)
        await world.believe(0.9)
        kinds = await world.solve("second", None, goal=ALIKE, inputs={"n": 41})
        run = await world.state("second")
        assert (run.phase, run.output, run.spent.tokens, run.spent.usd) == (Phase.COMPLETED, [42, 420], 0, 0.0)
        lookup = await world.looked("second")
        assert (lookup.level, lookup.outcome, lookup.tier) == ("L3", "hit", "log")
        (published,) = await world.published()
        (answer,) = await world.answers("second")
        assert (answer.source, answer.entry) == ("cache", lookup.entry)
        assert (answer.saved.tokens, answer.saved.usd) == (15, 0.25)
        assert kinds[-3:] == ["VerdictReached", "ReuseSettled", "RunCompleted"]
        assert published.run == "first"
        assert (await world.verify("second")).effects == 1
        assert len(await world.published()) == 1, "what was given again is no answer of its own"

    simulate(story())
