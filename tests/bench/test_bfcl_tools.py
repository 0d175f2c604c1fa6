"""Runs do not see each other, their objects can be made again, and nothing reads the clock unseen."""

from __future__ import annotations

import asyncio
import decimal
from datetime import UTC, datetime

import pytest

from adapters.tools.registry import ToolRegistry
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from domain.kernel.values import Value
from domain.rtfs.reader import read
from domain.tools import CallContext, ToolFailed, ToolSucceeded
from infra.bench.bfcl.corpus import Call, Corpus, CorpusInvalid, Entry
from infra.bench.bfcl.isolation import FOLDER, Constants, ImportRefused, Sources, UnseededRandomness
from infra.bench.bfcl.plans import arguments_of, plan_of, tools_of
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.world import Scenario, World, inputs_of, to_value

NOW = datetime(2026, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def tools(made_corpus: Corpus) -> BfclTools:
    return BfclTools(made_corpus)


def entries(corpus: Corpus) -> dict[str, Entry]:
    return {entry.id: entry for entry in corpus.entries(("base", "long_context"))}


def results(tools: BfclTools, entry: Entry, world: World, calls: tuple[Call, ...] | None = None) -> list[Value]:
    found = []
    for call in entry.calls if calls is None else calls:
        method = tools.catalogue.resolve(entry.classes, call.name)
        found.append(world.call(method.class_name, method.name, (), arguments_of(call, method, entry.id)))
    return found


def test_two_long_context_runs_do_not_share_the_constants_that_they_change(
    tools: BfclTools, made_corpus: Corpus
) -> None:
    entry = entries(made_corpus)["multi_turn_long_context_0"]
    first, second = (tools.world(Scenario.of_entry(entry, NOW)) for _ in range(2))
    assert results(tools, entry, first) == [{"balance": 70}]
    assert results(tools, entry, second) == [{"balance": 70}]


def test_a_world_made_again_goes_on_as_the_first_would(tools: BfclTools, made_corpus: Corpus) -> None:
    entry = entries(made_corpus)["multi_turn_long_context_1"]
    whole = results(tools, entry, tools.world(Scenario.of_entry(entry, NOW)))
    for cut in range(len(entry.calls)):
        again = tools.world(Scenario.of_entry(entry, NOW))
        results(tools, entry, again, entry.calls[:cut])
        assert results(tools, entry, again, entry.calls[cut:]) == whole[cut:]


def test_a_result_is_a_copy_that_later_calls_do_not_change(tools: BfclTools, made_corpus: Corpus) -> None:
    entry = entries(made_corpus)["multi_turn_long_context_0"]
    world = tools.world(Scenario.of_entry(entry, NOW))
    before = world.call("TravelAPI", "pay", ("7", 1))
    world.call("TravelAPI", "pay", ("7", 1))
    assert before == {"balance": 99}


def test_arguments_stay_as_they_were_given(tools: BfclTools, made_corpus: Corpus) -> None:
    entry = entries(made_corpus)["multi_turn_base_0"]
    world = tools.world(Scenario.of_entry(entry, NOW))
    names = [".c"]
    world.call("GorillaFileSystem", "keep", (names,))
    world.call("GorillaFileSystem", "keep", (["d"],))
    assert names == [".c"]


def test_the_time_is_the_scenarios_and_every_look_at_it_is_counted(tools: BfclTools, made_corpus: Corpus) -> None:
    entry = entries(made_corpus)["multi_turn_long_context_1"]
    for year in (2020, 2040):
        world = tools.world(Scenario.of_entry(entry, datetime(year, 6, 1, tzinfo=UTC)))
        assert world.call("TravelAPI", "age", ("2000-01-01",)) == {"years": year - 2000}
        assert world.time.looks == 1


def test_methods_that_look_at_the_clock_are_marked(tools: BfclTools) -> None:
    assert [
        method.tool for method in tools.catalogue.methods(tuple(tools.catalogue.classes)) if method.reads_clock
    ] == ["travel-api.age"]


def test_precision_set_by_a_method_stays_inside_it(tools: BfclTools, made_corpus: Corpus) -> None:
    entry = entries(made_corpus)["multi_turn_base_0"]
    before = decimal.getcontext().prec
    assert tools.world(Scenario.of_entry(entry, NOW)).call("MathAPI", "square_root", (2, 4)) == {"result": 1.414}
    assert decimal.getcontext().prec == before


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import os\n", ImportRefused),
        ("import random\nrandom.Random()\n", UnseededRandomness),
        ("import random\nrandom.random()\n", AttributeError),
    ],
)
def test_other_ways_to_the_world_are_closed(made_corpus: Corpus, source: str, error: type[Exception]) -> None:
    (made_corpus.root / FOLDER / "ticket_api.py").write_text(f"{source}class TicketAPI:\n    pass\n")
    with pytest.raises(error):
        Sources(made_corpus.root).isolate(long_context=False).type("TicketAPI")


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import os\n", ImportRefused),
        ("A = 1\nA += 1\n", ImportRefused),
        ("A, B = 1, 2\n", ImportRefused),
        ("A = open('/etc/passwd')\n", ValueError),
        ("A = [1 for _ in 'x']\n", ValueError),
        ("A = (\n", SyntaxError),
    ],
)
def test_only_constants_are_taken_from_the_module_of_constants(
    made_corpus: Corpus, source: str, error: type[Exception]
) -> None:
    (made_corpus.root / FOLDER / "long_context.py").write_text(source)
    with pytest.raises(error):
        Sources(made_corpus.root)


def test_a_constant_is_made_once_for_each_run() -> None:
    code = {"A": compile("[1]", "test", "eval")}
    one, other = Constants(code), Constants(code)
    one.A.append(2)
    assert (one.A, other.A) == ([1, 2], [1])
    with pytest.raises(AttributeError, match="no constant B"):
        one.B  # noqa: B018


def test_what_is_no_value_becomes_one() -> None:
    assert to_value((1, {"a": ...}, decimal.Decimal("0.5"), None)) == [1, {"a": "Ellipsis"}, 0.5, None]


def test_a_plan_makes_the_calls_in_order_and_gives_results_by_turn(tools: BfclTools, made_corpus: Corpus) -> None:
    entry = entries(made_corpus)["multi_turn_base_0"]
    plan = plan_of(entry, tools.catalogue)
    assert plan == (
        "(let [r0 (call :gorilla-file-system.ls {:a true})\n"
        '      r1 (call :gorilla-file-system.write {:content "it\'s \\"new\\"\\n" :note-name "d"})\n'
        "      r2 (call :gorilla-file-system.ls)\n"
        "      r3 (call :math-api.add {:a 1 :b -2.5})]\n"
        "  [[r0 r1] [] [r2 r3]])\n"
    )
    assert len(read(plan)) == 1
    assert tools_of(entry, tools.catalogue) == [
        "gorilla-file-system.ls",
        "gorilla-file-system.write",
        "math-api.add",
    ]


@pytest.mark.parametrize(
    "call", [Call("ls", (True, False), {}), Call("ls", (True,), {"a": True}), Call("ls", (), {"b": 1})]
)
def test_a_call_that_does_not_fit_its_method_is_refused(tools: BfclTools, call: Call) -> None:
    with pytest.raises(CorpusInvalid):
        arguments_of(call, tools.catalogue.resolve(("GorillaFileSystem",), "ls"), "here")


def test_the_last_class_of_an_entry_wins_a_name(tools: BfclTools) -> None:
    assert tools.catalogue.resolve(("MathAPI", "GorillaFileSystem"), "ls").class_name == "GorillaFileSystem"


async def call(runner: LocalToolRunner, run: str, name: str, arguments: dict[str, Value]) -> Value | ToolFailed:
    outcome = await runner.run(name, arguments, CallContext(tenant="t", run=run, effect="0"))
    return outcome.value if isinstance(outcome, ToolSucceeded) else outcome


async def test_each_open_run_has_tools_of_its_own_and_failures_are_told_in_the_packages_words(
    tools: BfclTools, made_corpus: Corpus
) -> None:
    runner = LocalToolRunner(ToolRegistry((), [tools]), ToolSettings())
    entry = entries(made_corpus)["multi_turn_base_0"]
    for run in ("r1", "r2"):
        runner.open_run(run, inputs_of(entry, NOW))
    await asyncio.gather(call(runner, "r1", "gorilla-file-system.write", {"note-name": "mine"}))
    assert await call(runner, "r1", "gorilla-file-system.ls", {}) == {"notes": ["b", "a", "mine"]}
    assert await call(runner, "r2", "gorilla-file-system.ls", {}) == {"notes": ["b", "a"]}
    failed = await call(runner, "r2", "gorilla-file-system.raw", {"names": ["nowhere"]})
    assert isinstance(failed, ToolFailed)
    assert (failed.type, failed.message) == (
        "bfcl.raised",
        "gorilla-file-system.raw: Error during execution: 'nowhere'",
    )


async def test_a_run_of_something_else_has_none_of_these_tools(tools: BfclTools) -> None:
    runner = LocalToolRunner(ToolRegistry((), [tools]), ToolSettings())
    runner.open_run("r", {"site": ".venv"})
    failed = await call(runner, "r", "math-api.add", {"a": 1, "b": 2})
    assert isinstance(failed, ToolFailed)
    assert failed.type == "tool.not-open"
