"""A worker killed while it pursues an agent: every run ends, and what was answered is not asked again."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.chaos.harness import TENANT, system, until
from tests.chaos.tools import executions
from tests.chaos.worker import AFTER_EXECUTION, AFTER_RECORD, AFTER_REQUEST, BEFORE_EXECUTION

STEPS = [
    ("chaos.append", BEFORE_EXECUTION, "1"),
    ("chaos.append", AFTER_EXECUTION, "2/1/0"),
    ("chaos.append", AFTER_REQUEST, "4"),
    ("chaos.append", AFTER_RECORD, "4"),
    ("chaos.look", BEFORE_EXECUTION, "2/1/0"),
    ("chaos.look", AFTER_EXECUTION, "4"),
]


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_killed_at_each_step_of_an_agent(data_directory: Path) -> None:
    async with system(data_directory, ["left", "right"], concurrent=4) as world:
        left = list(STEPS)
        runs: dict[str, tuple[str, str, str]] = {}
        while left:
            # What a worker was about to reach when another run's fault killed it is tried again.
            started = {f"run-{number}": wanted for number, wanted in enumerate(left, start=len(runs))}
            for run, (tool, step, effect) in started.items():
                world.plan_fault(run, step, effect, signal.SIGKILL)
                task = {"goal": "Survive", "agent": "chaos.agent", "tools": [tool], "inputs": {"tool": tool}}
                assert (await world.tell("SubmitRun", {"task": task}, run)).outcome == "accepted"
            runs |= started
            await world.until_ended(started)
            left = [runs[run] for run in world.faults_left()]
            world.forget_faults()
        await until(lambda: world.restarts("left") + world.restarts("right") == len(STEPS))
        await world.check(runs)
        for run in runs:
            assert (await world.state(run)).phase == "completed", f"{TENANT} {run}"
        done = {(each.run, each.effect) for each in executions(world.folder)}
        assert {(run, effect) for run in runs for effect in ("1", "2/0/0", "2/1/0", "4")} <= done
