"""A worker that stands still for longer than its claim: another takes over, and the first does nothing afterwards."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from domain.runs.events import RunClaimed
from tests.chaos.harness import System, system, task, unknown_outcomes, until
from tests.chaos.tools import executions
from tests.chaos.worker import AFTER_REQUEST

PLAN = "(reduce + 0 (step-parallel (call :chaos.append {:n 1}) (call :chaos.put {:n 2})))"
RUN = "stopped"


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_stopped_between_request_and_execution(data_directory: Path) -> None:
    async with system(data_directory, ["left", "right"]) as world:
        append, put = "0/0/0", "0/1/0"
        world.plan_fault(RUN, AFTER_REQUEST, append, signal.SIGSTOP)
        await world.tell("SubmitRun", task(PLAN), RUN)
        await until(lambda: not world.faults_left())
        await world.until_ended([RUN])

        epochs = [event.data["epoch"] for event in await world.events(RUN) if event.type == RunClaimed.TYPE]
        assert sorted(set(epochs)) == [1, 2], "another worker took over"
        assert unknown_outcomes(await world.events(RUN)) == [append]
        before = await world.events(RUN)
        assert counted(world) == {append: 1, put: 1}

        stopped = "left" if is_stopped(world, "left") else "right"
        world.kill(stopped, signal.SIGCONT)
        await until(lambda: f"run {RUN} moved on" in log_of(world, stopped))
        assert counted(world) == {append: 1, put: 1}, "the stopped one found out before it did anything"
        assert await world.events(RUN) == before
        assert (await world.state(RUN)).output == 2 + 3
        await world.check([RUN])


def counted(world: System) -> dict[str, int]:
    return dict(Counter(each.effect for each in executions(world.folder)))


def is_stopped(world: System, name: str) -> bool:
    return Path(f"/proc/{world.pid(name)}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def log_of(world: System, name: str) -> str:
    return (world.endpoints.data / "logs" / f"{name}.log").read_text()
