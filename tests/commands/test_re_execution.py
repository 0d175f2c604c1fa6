"""Deterministic tools are called again; what cannot be repeated is answered from the journal, and counted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters.agents.declare import agents_of_modules
from adapters.tools.declare import Tool, declare
from adapters.tools.registry import BUILT_IN, ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from commands.replays.executing import ReExecution, ToolsDiffer, re_execute
from domain.kernel.ids import StreamId
from domain.kernel.values import digest_json
from domain.runs.events import ToolCallCompleted, VerdictReached
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from tests.chaos.tools import FOLDER, Counting
from tests.histories.test_replay import ENDS, history, lines


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the histories were recorded beside."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    world = tmp_path / "world"
    world.mkdir()
    (world / "a.txt").write_text("one two three\n")
    (world / "b.txt").write_text("vier fünf\n")
    return world


AGENTS = agents_of_modules(["tests.histories.agents"])


def runner(root: Path, *more: Tool) -> LocalToolRunner:
    registry = ToolRegistry([*tools_of_modules([*BUILT_IN, "tests.histories.record"]), *more], (Counting(),))
    return LocalToolRunner(registry, ToolSettings(root=root))


def again(root: Path, events: list[RunEvent], *more: Tool) -> ReExecution:
    return asyncio.run(re_execute(runner(root, *more), StreamId("histories", "run", "r"), events, AGENTS))


ANSWERED = {
    # history: effects that are asked again, effects that are not and why
    "completed": (5, {}),
    "failed": (1, {}),
    "denied": (1, {"denied": 1}),
    "approved": (0, {"write": 1}),
    "refused": (0, {"person": 1}),
    "cancelled": (0, {"awaiting approval": 1}),
    "written": (0, {"write": 1}),
    "slept": (0, {"timer": 1}),
    "planned": (1, {"model": 2}),
    "paused": (0, {"write": 1}),
    "unanswered": (0, {}),
    "unplannable": (0, {}),
    "criticised": (0, {}),
    "stateful": (2, {}),
    "measured": (2, {}),
    "resolved": (0, {"person": 1}),
    "reused": (1, {}),
    "refuted": (1, {"model": 1}),
    "shadowed": (1, {"model": 1}),
    "alike": (1, {"model": 1}),
    "alike-refuted": (1, {"model": 1}),
    "approved-seen": (0, {"write": 1}),
    "given-again": (1, {}),
    "explored": (1, {"model": 1}),
    "gave-way": (0, {"model": 1}),
    "agent": (4, {"momentary": 5, "timer": 1}),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_history_is_re_executed(world: Path, name: str) -> None:
    done = again(world, history(lines(name)))
    assert (done.executed, dict(done.answered)) == ANSWERED[name]
    assert done.others == ()
    assert not (world / "out.txt").exists(), "what changes the world is never done again"


def test_a_tool_that_answers_otherwise_is_told_with_what_differs(world: Path) -> None:
    (world / "b.txt").write_text("vier sechs\n")
    done = again(world, history(lines("completed")))
    assert [(other.effect, other.tool) for other in done.others] == [("2", "fs.read"), ("3/1/0", "fs.read")]
    (found,) = done.others[0].differences
    assert (found.path, found.recorded, found.actual) == ("", "vier fünf\n", "vier sechs\n")


def test_a_tool_that_fails_now_or_failed_then_is_told(world: Path) -> None:
    (world / "b.txt").unlink()
    others = {other.effect: other for other in again(world, history(lines("completed"))).others}
    assert others["2"].actual.startswith("fs.not-found: ")
    (world / "absent.txt").write_text("here now")
    (other,) = again(world, history(lines("failed"))).others
    assert other.expected.startswith("fs.not-found: ")
    assert other.actual.startswith("sha256:")


def test_a_result_that_was_changed_with_care_is_found_by_its_tool(world: Path) -> None:
    """The last result of a run, its digest and the run's output forged alike: only the tool can tell."""
    events = history(lines("stateful"))
    forged: list[RunEvent] = []
    for event in events:
        update = {}
        if isinstance(event, ToolCallCompleted) and event.effect == "1":
            update = {"result": 6, "result_digest": digest_json(6)}
        if event.short_name() == "RunCompleted":
            update = {"output": 6, "output_digest": digest_json(6)}
        if isinstance(event, VerdictReached):
            update = {"decision": event.decision.model_copy(update={"saw": digest_json(6)})}
        forged.append(event.model_copy(update=update))
    (other,) = again(world, forged).others
    assert (other.effect, other.expected, other.actual) == ("1", digest_json(6), digest_json(5))


def test_a_history_that_diverges_calls_no_tool(world: Path) -> None:
    world.rename(world.parent / "gone")  # a call would fail, and so be told as one that differs
    with pytest.raises(ReplayDiverged):
        again(world, history(lines("edited")))


def test_another_version_is_refused_before_anything_is_called(world: Path) -> None:
    def sum_(n: int) -> int:
        """Another sum."""
        raise AssertionError(n)

    registry = ToolRegistry([declare(sum_, "chaos.sum", effects="read", version="2")])
    tools = LocalToolRunner(registry, ToolSettings(root=world))
    with pytest.raises(ToolsDiffer, match=r"chaos\.sum is pinned to version 1 and here is 2"):
        asyncio.run(re_execute(tools, StreamId("histories", "run", "r"), history(lines("stateful"))))


def test_a_tool_that_is_not_here_is_refused_unless_it_would_not_be_called(world: Path) -> None:
    tools = LocalToolRunner(ToolRegistry([]), ToolSettings(root=world))
    stream = StreamId("histories", "run", "r")
    with pytest.raises(ToolsDiffer, match=r"fs\.list is not here; fs\.read is not here"):
        asyncio.run(re_execute(tools, stream, history(lines("completed"))))
    assert asyncio.run(re_execute(tools, stream, history(lines("written")))).answered == {"write": 1}
