"""Figures are read off events, and the report says what they mean."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from rich.console import Console

from domain.kernel.events import Draft, Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import format_time
from infra.bench.bfcl.figures import Figures, Quantiles, measure
from infra.bench.bfcl.report import CLOCK, Divergence, Pass, Replays, Report
from infra.bench.bfcl.usage import Usage

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(run: str, *steps: tuple[str, float]) -> list[Recorded]:
    """Events of a run: type and milliseconds after the beginning."""
    stream = StreamId("acme", "run", run)
    events = []
    for version, (name, milliseconds) in enumerate(steps, 1):
        draft = Draft(
            id=f"{run}-{version}",
            type=f"precedent.run.{name}.v1",
            time=format_time(BEGAN + timedelta(milliseconds=milliseconds)),
            correlation=run,
            causation="c",
            actor="a",
            data={},
        )
        where = address(stream, 1, version, name)
        events.append(Recorded(Position(0, 0, version), where, draft.body(stream, version)))
    return events


@pytest.fixture
def events() -> list[Recorded]:
    return [
        *recorded("a", ("RunSubmitted", 0), ("ToolCallRequested", 10), ("ToolCallCompleted", 12), ("RunCompleted", 20)),
        *recorded("b", ("RunSubmitted", 100), ("ToolCallCompleted", 105), ("ToolCallFailed", 109), ("RunFailed", 500)),
        *recorded("c", ("RunSubmitted", 100), ("ToolCallCompleted", 106)),
    ]


def test_quantiles_are_of_nearest_rank() -> None:
    assert Quantiles.of([3, 1, 2]) == Quantiles(2, 3, 3)
    assert Quantiles.of(range(1, 201)) == Quantiles(100, 198, 200)
    assert Quantiles.of([]) == Quantiles(0, 0, 0)


def test_figures_of_runs(events: list[Recorded]) -> None:
    figures = measure(reversed(events))
    assert figures.endings == {"RunCompleted": 1, "RunFailed": 1, "unfinished": 1}
    assert (figures.runs, figures.completed) == (3, 1)
    assert figures.outcomes == {"ToolCallCompleted": 3, "ToolCallFailed": 1}
    assert figures.effects == 4
    assert figures.seconds == pytest.approx(0.5)
    assert figures.effects_per_second == pytest.approx(8)
    assert [round(value) for value in (figures.step.p50, figures.step.p99)] == [4, 6]
    assert round(figures.run.worst) == 400
    assert figures.events == 10
    assert sum(count for count, _ in figures.bytes_by_type.values()) == 10
    assert figures.bytes_per_event == pytest.approx(sum(len(event.body) for event in events) / 10)


def report(figures: Figures, *divergences: Divergence, wrong: tuple[str, ...] = ()) -> Report:
    replays = Replays(mode="verify", runs=figures.runs, seconds=1.5, divergences=divergences)
    used = {"worker": Usage(processor_seconds=4.25, peak_megabytes=160)}
    one = Pass(name="fsync", concurrent=64, seconds=2.0, wrong=wrong, figures=figures, used=used, replays=(replays,))
    return Report(release="1", entries=1, calls=4, clock_calls=1, passes=(one,))


def divergence(tool: str) -> Divergence:
    return Divergence(entry="e", run="a", effect="0", tool=tool, expected="x", actual="y")


def text(given: Report) -> str:
    console = Console(file=io.StringIO(), width=160)
    console.print(given.render())
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.fixture
def one_run() -> Figures:
    return measure(recorded("a", ("RunSubmitted", 0), ("ToolCallCompleted", 2), ("RunCompleted", 8)))


def test_a_report_of_identical_replays_passes_and_is_plain_data(one_run: Figures) -> None:
    good = report(one_run)
    assert good.passed
    document = orjson.loads(orjson.dumps(good.document()))
    assert document["passed"]
    assert document["passes"][0]["figures"]["completed"] == 1
    assert document["passes"][0]["replays"][0]["identical"] == 1
    assert "1 of 1 in 1.50 s" in text(good)
    assert "4.2 s, 160 MB" in text(good)


def test_an_explained_divergence_is_shown_with_its_cause(one_run: Figures) -> None:
    explained = report(one_run, divergence("travel-api.verify-traveler-information"))
    assert explained.passed
    assert explained.document()["passes"][0]["replays"][0]["divergences"][0]["explanation"] == CLOCK
    assert "0 of 1 in 1.50 s" in text(explained)
    assert "1 x travel-api.verify-traveler-information: reads the clock" in " ".join(text(explained).split())


@pytest.mark.parametrize("fault", ["unexplained divergence", "wrong output", "unfinished run"])
def test_whatever_is_not_explained_fails_the_report(one_run: Figures, fault: str) -> None:
    unfinished = measure(recorded("a", ("RunSubmitted", 0), ("ToolCallCompleted", 2)))
    bad = {
        "unexplained divergence": report(one_run, divergence("math-api.add")),
        "wrong output": report(one_run, wrong=("e",)),
        "unfinished run": report(unfinished),
    }[fault]
    assert not bad.passed
