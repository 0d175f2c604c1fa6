"""A run recorded with version 1 of a tool replays under version 2, through the upcast that version 2 declares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import pytest

from adapters.tools.declare import declare
from adapters.tools.registry import BUILT_IN, ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from commands.replays.executing import ToolsDiffer, re_execute
from commands.replays.upcasting import under_present_tools
from domain.kernel.ids import StreamId
from domain.kernel.values import Keyword
from domain.runs.events import ToolCallCompleted
from domain.runs.journal import ReplayDiverged
from domain.runs.replay import verify
from domain.runs.upcasting import NoUpcast
from domain.tools import ToolNotDeclarable
from tests.histories.test_replay import AGENTS, ENDS, history, lines

STREAM = StreamId("histories", "run", "measured")


class Measure(TypedDict):
    """What version 2 gives."""

    size: int
    unit: str


def measure(text: str) -> Measure:
    """Measure a text, and say in what."""
    return Measure(size=len(text), unit="characters")


def with_unit(old: Any) -> Any:
    return {**old, Keyword("unit"): "characters"}


def runner(upcast: dict[str, Callable[[Any], Any]] | None, function: Any = measure) -> LocalToolRunner:
    """A worker that has version 2 of the tool."""
    tool = declare(function, "histories.measure", effects="pure", version="2", upcast=upcast)
    return LocalToolRunner(ToolRegistry([*tools_of_modules(BUILT_IN), tool]), ToolSettings(root=Path()))


def test_it_replays_under_the_new_type() -> None:
    events = history(lines("measured"))
    now = under_present_tools(runner({"1": with_unit}), events)
    replay, before = verify(now), verify(events)
    assert (replay.ended, replay.effects, replay.output_digest) == ("completed", 2, before.output_digest)
    results = [event.result for event in now if isinstance(event, ToolCallCompleted)]
    assert results[0] == {"$map": [[{"$kw": "size"}, 3], [{"$kw": "unit"}, "characters"]]}
    assert {event.version for event in now if isinstance(event, ToolCallCompleted)} == {"2"}


def test_the_new_version_really_gives_what_the_upcast_makes() -> None:
    tools = runner({"1": with_unit})
    events = history(lines("measured"))
    with pytest.raises(ToolsDiffer, match="is pinned to version 1 and here is 2"):
        asyncio.run(re_execute(tools, STREAM, events))
    done = asyncio.run(re_execute(tools, STREAM, under_present_tools(tools, events)))
    assert (done.executed, done.others) == (2, ())


def test_an_upcast_that_changes_what_the_program_sees_diverges() -> None:
    def doubled(old: Any) -> Any:
        return {Keyword("size"): 2 * old[Keyword("size")], Keyword("unit"): "bytes"}

    with pytest.raises(ReplayDiverged) as diverged:
        verify(under_present_tools(runner({"1": doubled}), history(lines("measured"))))
    assert diverged.value.effect == "output"


@pytest.mark.parametrize(
    ("upcast", "said"),
    [
        (None, "answered as version 1; version 2 has no upcast for that"),
        ({"0": with_unit}, "version 2 has no upcast for that"),
        ({"1": lambda old: old["absent"]}, "the upcast of histories.measure from version 1 failed: KeyError"),
        ({"1": lambda _: object()}, "failed: ValueNotEncodable"),
    ],
    ids=["none", "other", "raises", "no-value"],
)
def test_without_an_upcast_that_works_it_is_refused(upcast: Any, said: str) -> None:
    with pytest.raises(NoUpcast, match="effect 0") as refused:
        under_present_tools(runner(upcast), history(lines("measured")))
    assert said in str(refused.value)


def test_a_result_of_another_type_than_declared_diverges() -> None:
    with pytest.raises(ReplayDiverged):
        verify(under_present_tools(runner({"1": lambda _: "text"}), history(lines("measured"))))


def test_a_plan_that_does_not_compile_any_more_diverges() -> None:
    def measure_all(texts: list[str]) -> Measure:
        """Measure texts."""
        return Measure(size=len(texts), unit="texts")

    with pytest.raises(ReplayDiverged) as diverged:
        under_present_tools(runner({"1": with_unit}, measure_all), history(lines("measured")))
    assert (diverged.value.effect, "texts" in diverged.value.actual) == ("program", True)


@pytest.mark.parametrize("name", sorted(set(ENDS) - {"measured", "given-again", "gave-way", "stateful", "resolved"}))
def test_runs_whose_tools_have_not_changed_replay_as_before(name: str) -> None:
    events = history(lines(name))
    replay, before = verify(under_present_tools(runner(None), events), AGENTS), verify(events, AGENTS)
    assert (replay.ended, replay.effects, replay.output_digest) == (before.ended, before.effects, before.output_digest)


def test_the_present_version_needs_no_upcast() -> None:
    with pytest.raises(ToolNotDeclarable, match="upcast is for earlier versions; 2 is the present one"):
        runner({"2": with_unit})
