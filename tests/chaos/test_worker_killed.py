"""A worker killed at each step of each kind of effect: every run ends, nothing that was done is done again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.chaos.harness import TOOLS, System, system, three_calls, unknown_outcomes, until
from tests.chaos.tools import executions
from tests.chaos.worker import (
    AFTER_COMMAND,
    AFTER_EXECUTION,
    AFTER_RECORD,
    AFTER_REQUEST,
    BEFORE_COMMAND,
    BEFORE_EXECUTION,
    BEFORE_REQUEST,
    SUBMISSION,
)

OF_WRITES = (BEFORE_REQUEST, AFTER_REQUEST, BEFORE_EXECUTION, AFTER_EXECUTION, AFTER_RECORD)
OF_READS = (BEFORE_EXECUTION, AFTER_EXECUTION, AFTER_RECORD)
MORTAL = "1"
"""The second of three calls."""

STEPS = [(tool, step) for tool in TOOLS for step in (OF_READS if tool == "chaos.look" else OF_WRITES)]
IN_DOUBT = {AFTER_REQUEST, BEFORE_EXECUTION, AFTER_EXECUTION}


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_killed_at_each_step(data_directory: Path) -> None:
    async with system(data_directory, ["left", "right"], concurrent=4) as world:
        runs: dict[str, tuple[str, str]] = {}
        left = list(STEPS)
        while left:
            # What a worker was about to reach when another run's fault killed it is tried again.
            started = await start(world, left, len(runs))
            runs |= started
            await world.until_ended(started)
            left = [runs[run] for run in world.faults_left()]
            world.forget_faults()

        await until(lambda: world.restarts("left") + world.restarts("right") == len(STEPS))
        await world.check(runs)
        for run, (tool, step) in runs.items():
            final = await world.state(run)
            assert (final.phase, final.output) == ("completed", 4 if tool != "chaos.sum" else 1 + 1 + 2), run
            doubted = unknown_outcomes(await world.events(run))
            if tool != "chaos.append":
                assert doubted == [], "what may be repeated is repeated without asking"
            elif step in IN_DOUBT and world.had_fault(run):
                assert MORTAL in doubted, "a person was asked"
        done = {(each.run, each.effect) for each in executions(world.folder)}
        assert {(run, effect) for run in runs for effect in "012"} <= done


async def start(world: System, steps: list[tuple[str, str]], first: int) -> dict[str, tuple[str, str]]:
    """Submit a run for each of these steps, at which it will kill its worker."""
    runs = {f"run-{number}": wanted for number, wanted in enumerate(steps, start=first)}
    for run, (_, step) in runs.items():
        world.plan_fault(run, step, MORTAL, signal.SIGKILL)
    for run, (tool, _) in runs.items():
        assert (await world.tell("SubmitRun", three_calls(tool), run)).outcome == "accepted"
    return runs


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_killed_while_it_handles_a_command(data_directory: Path) -> None:
    runs = {"before": BEFORE_COMMAND, "after": AFTER_COMMAND}
    async with system(data_directory, ["worker"]) as world:
        for run, step in runs.items():
            world.plan_fault(run, step, SUBMISSION, signal.SIGKILL)
            answer = await world.send("SubmitRun", three_calls("chaos.append"), run, within=2)
            assert (answer.outcome, answer.commandid) == ("accepted", run)
        await world.until_ended(runs)
        assert world.faults_left() == []
        await world.check(runs)
        assert [(await world.state(run)).output for run in runs] == [4, 4]
        for run in runs:
            assert [event.short_name for event in await world.events(run)].count("RunSubmitted") == 1
