"""Programs over time: terms, keys, tools and contents change, and what can be solved again by a program is."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from adapters.crypto.signing import FileSigner
from adapters.embedding.lexical import LexicalEmbedder
from adapters.vectors.memory import MemoryVectorIndex
from commands.programs.log import load_program
from commands.programs.publishing import demote
from domain.kernel.errors import VersionConflict
from domain.kernel.ids import StreamId
from domain.programs.events import ProgramDemoted, ProgramProposed, ProgramPublished, ProgramRefused
from domain.programs.policy import Policy
from domain.programs.state import Status
from domain.runs.state import Phase
from domain.tools import CallContext, ToolFailed, ToolOutcome
from tests.commands.reusing import PLAN, ReusingWorld
from tests.commands.world import DECLARATIONS, TENANT, Tools, declaration
from tests.simulation.virtual_loop import simulate

COPYING = "(let [a (call :t.read {:n (:n inputs)})] [a (+ a 7)])"


async def events_of(world: ReusingWorld, kind: type[Any]) -> list[Any]:
    return [event for event in await world.program_events() if isinstance(event, kind)]


def test_who_may_not_publish_keeps_nobody_else_from_publishing() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(Policy(publishers=("user:ops-*",)))
        await world.solve("first")
        await world.solve("again")
        assert len(await events_of(world, ProgramRefused)) == 1
        world.use()
        await world.solve("second")
        assert len(await events_of(world, ProgramPublished)) == 1
        assert "ProgramReused" in await world.solve("third", None)

    simulate(story())


def test_after_a_change_of_keys_what_the_former_key_signed_is_signed_anew() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        world.signer = FileSigner.generated("newer")
        world.use()
        kinds = await world.solve("second")
        assert "ProgramReused" not in kinds
        (lookup,) = (await world.state("second")).routing.lookups
        assert "none of these keys is trusted here" in lookup.reason
        before, after = await events_of(world, ProgramPublished)
        assert [proof.run for proof in after.proofs] == ["second"], "what an untrusted key vouched for counts no more"
        assert after.offer.id == before.offer.id
        assert "ProgramReused" in await world.solve("third", None, inputs={"n": 3})
        assert len(await events_of(world, ProgramPublished)) == 2

    simulate(story())


def test_after_a_change_of_keys_a_copied_input_must_prove_itself_anew() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", COPYING, inputs={"n": 7})
        await world.solve("other", COPYING, inputs={"n": 8})
        assert len(await events_of(world, ProgramPublished)) == 1
        world.signer = FileSigner.generated("newer")
        world.use()
        await world.solve("second", COPYING, inputs={"n": 7})
        proposed = (await world.program_events())[-1]
        assert isinstance(proposed, ProgramProposed)
        program, _ = await load_program(world.services, StreamId(TENANT, "program", proposed.offer.id))
        assert (program.status, program.envelope) == (Status.CANDIDATE, None)
        await world.solve("third", COPYING, inputs={"n": 8})
        assert "ProgramReused" in await world.solve("fourth", None, inputs={"n": 9})

    simulate(story())


def test_a_key_that_is_not_trusted_here_signs_nothing_anew() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        world.use(trusted={})
        for number in range(3):
            await world.solve(f"again-{number}")
        assert len(await world.program_events()) == 1

    simulate(story())


def test_lost_bytes_are_stored_again_by_the_next_run_that_comes_to_them() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        world.services.content._blobs.clear()
        assert "ProgramReused" not in await world.solve("second")
        assert "ProgramReused" in await world.solve("third", None)
        assert len(await world.program_events()) == 1

    simulate(story())


def test_the_same_inputs_are_no_second_proof() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(Policy(proofs=2))
        for number in range(3):
            await world.solve(f"same-{number}")
        assert not await events_of(world, ProgramPublished)
        assert len(await world.program_events()) == 1, "a run that proves nothing new is not told of"
        await world.solve("other", inputs={"n": 5})
        (published,) = await events_of(world, ProgramPublished)
        assert [proof.run for proof in published.proofs] == ["same-0", "other"]

    simulate(story())


def test_of_a_program_without_inputs_runs_are_counted() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(Policy(proofs=3))
        plan = "(let [a (call :t.read {:n 1})] [a])"
        for number in range(3):
            await world.solve(f"run-{number}", plan, inputs={})
        (published,) = await events_of(world, ProgramPublished)
        assert len(published.proofs) == 3
        assert "ProgramReused" in await world.solve("reused", None, inputs={})

    simulate(story())


class Upgraded(Tools):
    """Tools of which one comes in ever newer versions."""

    version = "1"

    def declarations(self) -> Any:
        read = declaration("t.read", "read")
        capability = replace(read.capability, version=self.version)
        return DECLARATIONS | {"t.read": replace(read, capability=capability)}


def test_programs_for_former_versions_of_a_tool_hide_no_newer_one() -> None:
    async def story() -> None:
        tools = Upgraded()
        world = ReusingWorld(tools=tools)
        for version in range(1, 7):
            tools.version = str(version)
            world.use()
            assert "ProgramReused" not in await world.solve(f"first-{version}")
            assert "ProgramReused" in await world.solve(f"second-{version}", None)
        tools.version = "1"
        world.use()
        assert "ProgramReused" in await world.solve("rolled-back", None), "what was right is right again"

    simulate(story())


class Numberless(LexicalEmbedder):
    """To which numbers mean nothing, as to many a model."""

    async def embed(self, texts: Any) -> Any:
        return await super().embed([re.sub(r"[0-9]+", "", text) for text in texts])


def test_a_goal_that_differs_in_a_number_hides_no_program_for_the_same_goal() -> None:
    async def story() -> None:
        world = ReusingWorld()
        embedder = Numberless()
        world.use(embedder=embedder, vectors=MemoryVectorIndex(embedder.name, embedder.dimensions))
        goals = [f"Read the number and count on to {number} {number + 1}" for number in (11, 12, 13, 14)]
        for number, goal in enumerate(goals):
            assert "ProgramReused" not in await world.solve(f"first-{number}", goal=goal)
        for number, goal in enumerate(goals):
            assert "ProgramReused" in await world.solve(f"second-{number}", None, goal=goal)

    simulate(story())


def test_a_program_that_stops_where_another_did_well_is_demoted() -> None:
    stopping = "(let [a (call :t.read {:n (:n inputs)})] [(quot 100 (- a 3))])"

    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first", stopping)
        kinds = await world.solve("second", PLAN, inputs={"n": 2})
        assert kinds.count("RunRouted") == 2
        run = await world.state("second")
        assert (run.phase, run.refuted[0].outcome) == (Phase.COMPLETED, "failed")
        (demoted,) = await events_of(world, ProgramDemoted)
        assert "stopped" in demoted.reason
        assert demoted.run == "second"
        third = await world.solve("third", None, inputs={"n": 2})
        assert third.count("RunRouted") == 1

    simulate(story())


class Moody(Tools):
    """Tools that fail once, when told."""

    fails = False

    async def run(self, name: str, arguments: Any, call: CallContext) -> ToolOutcome:
        if self.fails:
            self.fails = False
            return ToolFailed(type="tool.timeout", message="the network is down")
        return await super().run(name, arguments, call)


def test_a_program_that_stops_by_the_world_s_fault_is_kept() -> None:
    async def story() -> None:
        tools = Moody()
        world = ReusingWorld(tools=tools)
        await world.solve("first")
        tools.fails = True
        kinds = await world.solve("second")
        assert kinds.count("RunRouted") == 2
        assert not await events_of(world, ProgramDemoted), "the model came to the same program"
        assert "ProgramReused" in await world.solve("third", None)

    simulate(story())


def test_a_program_that_was_denied_what_it_asked_for_is_kept() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        kinds = await world.solve("second", "(let [a 1] [a 2])", limits={"tool_calls": 0})
        assert kinds.count("RunRouted") == 2
        assert (await world.state("second")).phase is Phase.COMPLETED
        assert not await events_of(world, ProgramDemoted)

    simulate(story())


def test_a_demotion_that_others_keep_overtaking_is_not_given_up_silently() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        (published,) = await world.program_events()
        inner = world.store

        class Overtaken:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            async def append(self, *_: Any) -> Any:
                raise VersionConflict("somebody was first")

        services = replace(world.services, store=Overtaken())
        with pytest.raises(VersionConflict):
            await demote(services, TENANT, published.offer.id, "wrong", "second")

    simulate(story())


def test_a_program_that_comparisons_find_wrong_for_its_own_goal_answers_no_more() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        world.use(Policy(shadow=1.0))
        twice = "(let [a (call :t.read {:n (:n inputs)})] [a a])"
        assert "ShadowCompared" in await world.solve("compared", twice)
        world.use()
        kinds = await world.solve("second", None, inputs={"n": 2})
        assert "ProgramReused" in kinds
        assert (await world.state("second")).output == [3, 3], "what the model came to answers now"

    simulate(story())
