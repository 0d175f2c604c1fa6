"""The tasks of AgentDojo, where it is installed: its functions as tools give what they give in its own hands."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from adapters.tools.registry import ToolRegistry
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from commands.replays.executing import OtherAnswer
from domain.kernel.values import encode
from domain.rtfs.capability import kebab
from domain.runs.differences import differences
from domain.tools import CallContext, ToolSucceeded
from infra.bench.dojo.benchmark import _reordered, expected_of, same_items
from infra.bench.dojo.corpus import Dojo, DojoMissing, Task
from infra.bench.dojo.tools import DojoTools, handed_over

NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def dojo() -> Dojo:
    try:
        return Dojo()
    except DojoMissing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def tools(dojo: Dojo) -> DojoTools:
    return DojoTools(dojo)


def of_suite(dojo: Dojo, suite: str) -> Task:
    return max((task for task in dojo.tasks if task.suite == suite), key=lambda task: len(task.calls))


@pytest.mark.parametrize("suite", ["workspace", "travel", "banking", "slack"])
async def test_a_run_has_an_environment_of_its_own(dojo: Dojo, tools: DojoTools, suite: str) -> None:
    task = of_suite(dojo, suite)
    runner = LocalToolRunner(ToolRegistry([], [tools]), ToolSettings())
    inputs = handed_over(task, NOW)["inputs"]
    expected = expected_of(tools, dojo.environment(suite, task.name), task, NOW)
    for run in ("a", "b", "a"):
        runner.open_run(run, inputs)
        context = CallContext(tenant="acme", run=run, effect="0")
        results = []
        for call in inputs["calls"]:
            arguments = {kebab(name): value for name, value in call["arguments"].items()}
            outcome = await runner.run(call["tool"], arguments, context)
            assert isinstance(outcome, ToolSucceeded), outcome
            results.append(outcome.value)
        assert same_items(encode(results), expected), run


def test_what_only_reads_changes_nothing(dojo: Dojo, tools: DojoTools) -> None:
    for task in dojo.tasks:
        environment = dojo.environment(task.suite, task.name)
        made = {tool.declaration.name: tool for tool in tools.on(environment, task.suite, NOW)}
        for call, asked in zip(task.calls, handed_over(task, NOW)["inputs"]["calls"], strict=True):
            before = environment.model_copy(deep=True) if asked["reads"] else None
            made[asked["tool"]].function(**call.arguments)
            assert before is None or before == environment, f"{task.id}: {call.tool}"


def other(then: object, now: object) -> OtherAnswer:
    return OtherAnswer(effect="0", tool="t", expected="", actual="", differences=differences(then, now))


def test_another_order_is_told_from_another_answer() -> None:
    assert _reordered(other({"a": ["x", "y", "z"]}, {"a": ["z", "x", "y"]}))
    assert not _reordered(other({"a": ["x", "y"]}, {"a": ["x", "w"]}))
    assert not _reordered(other(["x"], ["x", "x"]))
    assert not _reordered(other(1, 1))
    assert same_items([{"a": [1, 2]}, 3], [3, {"a": [2, 1]}])
    assert not same_items([1, 1, 2], [1, 2, 2])
