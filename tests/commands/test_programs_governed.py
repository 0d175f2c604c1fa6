"""Who may end a program for everybody, and how one that was demoted comes back; who may answer in its place."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from commands.handle import Answer
from commands.programs.publishing import demote
from domain.programs.events import (
    ProgramContradicted,
    ProgramDemoted,
    ProgramEvent,
    ProgramProven,
    ProgramPublished,
    ProgramReinstated,
)
from domain.programs.policy import Policy
from domain.runs.state import Phase
from tests.commands.reusing import PLAN, ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

PAIR = "(let [a (call :t.read {:n (:n inputs)})] [a a])"
EQUAL = "(= (first output) (second output))"


async def solve_as(world: ReusingWorld, principal: str, run: str, plan: str | None = PLAN, **task: object) -> list[str]:
    world.principal = principal
    try:
        return await world.solve(run, plan, **task)
    finally:
        world.principal = "someone"


async def publish(world: ReusingWorld, **task: object) -> ProgramPublished:
    await world.solve("first", **task)
    (event,) = await events_of(world, ProgramPublished)
    return event


async def events_of(world: ReusingWorld, kind: type[ProgramEvent]) -> Sequence[ProgramEvent]:
    return [event for event in await world.program_events() if isinstance(event, kind)]


async def reinstate(world: ReusingWorld, program: str, command: str = "c-back") -> Answer:
    answer = await world.send("ReinstateProgram", {"program": program, "reason": "the check was wrong"}, command)
    await world.feed.catch_up()
    return answer


def test_a_contrary_check_keeps_nobody_else_from_reusing_a_program() -> None:
    async def story() -> None:
        world = ReusingWorld()
        program = (await publish(world)).offer.id
        kinds = await solve_as(world, "mallory", "contrary", PAIR, checks=[EQUAL])
        assert kinds.count("RunRouted") == 2, "its own run goes on with the model"
        assert (await world.state("contrary")).output == [2, 2]
        assert not await events_of(world, ProgramDemoted)
        (noted,) = await events_of(world, ProgramContradicted)
        assert (noted.run, noted.by, len(noted.checks)) == ("contrary", "user:mallory", 1)
        assert (await world.verify("contrary")).effects == 2
        await solve_as(world, "mallory", "again", None, checks=[EQUAL], inputs={"n": 5})
        run = await world.state("again")
        assert run.output == [6, 6], "what does not fail that check answers tasks that ask for it"
        assert run.reused is not None and run.reused.entry != program and not run.refuted  # noqa: PT018

    simulate(story())


def test_of_tasks_that_nobody_can_solve_the_program_is_tried_once() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await publish(world)
        await solve_as(world, "mallory", "impossible", PLAN, checks=["(= 1 2)"])
        assert (await world.state("impossible")).phase is Phase.FAILED
        await solve_as(world, "mallory", "impossible-2", PLAN, checks=["(= 1 2)"])
        run = await world.state("impossible-2")
        (lookup,) = run.routing.lookups
        assert "fails a check of this task" in lookup.reason
        kinds = await world.solve("other", None, inputs={"n": 9})
        assert "ProgramReused" in kinds, "all others are answered as before"

    simulate(story())


@pytest.mark.parametrize("of_whom", ["who proved it", "who may demote", "a check that held"])
def test_what_counts_for_all(of_whom: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        held = ["(= 2 (first output))"] if of_whom == "a check that held" else []
        await publish(world, checks=held)
        if of_whom == "who may demote":
            world.use(Policy(demoters=("user:ops-?",)))
        who = {"who proved it": "someone", "who may demote": "ops-1"}.get(of_whom, "mallory")
        checks, inputs = (held, {"n": 4}) if held else ([EQUAL], {"n": 1})
        await solve_as(world, who, "second", PAIR, checks=checks, inputs=inputs)
        (demoted,) = await events_of(world, ProgramDemoted)
        assert demoted.run == "second"

    simulate(story())


def test_a_demoted_program_returns_after_runs_that_came_to_it_and_a_person_s_word() -> None:
    async def story() -> None:
        world = ReusingWorld()
        program = (await publish(world)).offer.id
        await world.send("DemoteProgram", {"program": program, "reason": "doubt"}, "c-demote")
        for number in range(5):
            assert "ProgramReused" not in await world.solve(f"run-{number}", inputs={"n": 10 + number})
            if number == 1:
                early = await reinstate(world, program, "c-early")
                assert (early.outcome, early.error.code) == ("rejected", "program.not-reinstated")
                assert "2 of 3 runs" in early.error.message
        assert len(await events_of(world, ProgramProven)) == 3, "as many as it takes"
        answer = await reinstate(world, program)
        assert [event.type for event in answer.events] == ["precedent.program.ProgramReinstated.v1"]
        assert (await reinstate(world, program)).model_dump() == answer.model_dump(), "the same command again"
        assert "ProgramReused" in await world.solve("back", None)
        assert (await reinstate(world, program, "c-more")).error.code == "program.not-reinstated"
        world.use()
        await world.feed.catch_up()
        assert "ProgramReused" in await world.solve("new-process", None, inputs={"n": 3})

    simulate(story())


def test_a_run_that_is_driven_again_does_not_demote_what_was_reinstated() -> None:
    async def story() -> None:
        world = ReusingWorld()
        world.use(Policy(reinstated_after=1))
        program = (await publish(world)).offer.id
        await world.solve("second", PAIR, checks=[EQUAL])
        assert len(await events_of(world, ProgramDemoted)) == 1
        world.use(Policy(reinstated_after=1, shadow=1.0))
        world.reuse.vectors._points.clear()
        await world.solve("came-to-it", PLAN, inputs={"n": 7})
        assert (await reinstate(world, program)).outcome == "accepted"
        await world.drive("second")
        await demote(world.services, TENANT, program, "heard again", "second")
        assert len(await events_of(world, ProgramDemoted)) == 1
        await demote(world.services, TENANT, program, "another run", "third")
        assert len(await events_of(world, ProgramDemoted)) == 2

    simulate(story())


def test_who_may_not_publish_may_not_reinstate() -> None:
    async def story() -> None:
        world = ReusingWorld()
        program = (await publish(world)).offer.id
        await world.send("DemoteProgram", {"program": program, "reason": "doubt"}, "c-demote")
        for number in range(3):
            await world.solve(f"run-{number}", inputs={"n": 10 + number})
        world.use(Policy(publishers=("user:ops-*",)))
        answer = await reinstate(world, program)
        assert (answer.outcome, answer.error.code) == ("denied", "access.denied")
        assert "programs.publishers" in answer.error.message
        world.use(trusted={})
        answer = await reinstate(world, program, "c-2")
        assert "no key that is trusted here" in answer.error.message
        await world.send("RevokeProgram", {"module": (await _offer(world)).module, "reason": "it leaks"}, "c-revoke")
        world.use()
        answer = await reinstate(world, program, "c-3")
        assert "revoked (it leaks)" in answer.error.message
        assert not await events_of(world, ProgramReinstated)

    simulate(story())


async def _offer(world: ReusingWorld) -> object:
    return (await events_of(world, ProgramPublished))[0].offer


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({}, "invalid"),
        ({"program": "x", "reason": "y"}, "invalid"),
        ({"program": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "reason": ""}, "invalid"),
        ({"program": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "reason": "y" * 4_001}, "invalid"),
        ({"program": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "reason": "y", "force": True}, "invalid"),
        ({"program": "0" * 8 + "-0000-0000-0000-" + "0" * 12, "reason": "y"}, "rejected"),
    ],
    ids=range(6),
)
def test_what_is_no_request_changes_nothing(data: dict[str, object], outcome: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        assert (await world.send("ReinstateProgram", data, "c-1")).outcome == outcome
        assert not await world.program_events()

    simulate(story())


def test_only_what_can_answer_supersedes() -> None:
    async def story() -> None:
        world = ReusingWorld()
        program = (await publish(world)).offer.id
        await world.solve("other-types", "(:n inputs)", output=":int")
        await world.solve("other-namespace", cache={"levels": ["L4"], "namespace": "else"})
        await world.solve("twin", PAIR, goal="Give the number back, and again")
        _, types, namespace, twin = [event.offer.id for event in await events_of(world, ProgramPublished)]
        for number, (by, code) in enumerate(
            {
                "0" * 8 + "-0000-0000-0000-" + "0" * 12: "not-found",
                types: "program.no-successor",
                namespace: "program.no-successor",
                program: "input.invalid",
            }.items()
        ):
            data = {"program": program, "by": by, "reason": "better"}
            assert (await world.send("SupersedeProgram", data, f"c-{number}")).error.code == code
        data = {"program": program, "by": twin, "reason": "better"}
        assert (await world.send("SupersedeProgram", data, "c-twin")).outcome == "accepted"
        back = {"program": twin, "by": program, "reason": "round in a circle"}
        answer = await world.send("SupersedeProgram", back, "c-back")
        assert (answer.error.code, "is superseded" in answer.error.message) == ("program.no-successor", True)

    simulate(story())
