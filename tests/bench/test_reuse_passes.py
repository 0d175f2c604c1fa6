"""Entries of the made package asked of the model and asked again, on the real servers: what is reused, and how right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from adapters.nats.wakes import unsettled
from commands.catalog import COMMANDS, REACTIONS
from commands.handle import Answer, CommandEnvelope, CommandHandler
from commands.runs.pool import DriverPool
from infra.bench.bfcl.corpus import Corpus, Entry
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.world import Scenario
from infra.bench.reuse.model import NAME, GroundTruth, served
from infra.bench.reuse.passes import Log, Pass, Ran, Setup, run_passes
from infra.bench.reuse.report import Report
from infra.bench.reuse.workload import Workload, workload
from infra.bootstrap.write_side import write_side
from infra.settings import load
from infra.stack.endpoints import Endpoints

NOW = datetime(2026, 2, 3, tzinfo=UTC)
LEVELS = ("L1", "L2", "L4")


@pytest.fixture
def tools(made_corpus: Corpus) -> BfclTools:
    return BfclTools(made_corpus)


@pytest.fixture
def entries(made_corpus: Corpus) -> list[Entry]:
    """Two entries, and the first one again as another variant: the same goal, other inputs, the same program."""
    files, cards = [each for each in made_corpus.entries(("base", "long_context")) if not each.id.endswith("_1")]
    asked = [replace(files, asked=(("List my notes and write d.",), (), ("List again and add 1.",)))]
    asked.append(replace(asked[0], id="multi_turn_miss_func_0", config='{"GorillaFileSystem": {"notes": {"z": "9"}}}'))
    return [*asked, replace(cards, asked=(("Pay with card 7.",),))]


def truths(tools: BfclTools, entries: Sequence[Entry]) -> list[list[Any]]:
    found = []
    for entry in entries:
        world = tools.world(Scenario.of_entry(entry, NOW))
        calls = [(tools.catalogue.resolve(entry.classes, call.name), call) for call in entry.calls]
        found.append([world.call(method.class_name, method.name, call.args, call.kwargs) for method, call in calls])
    return found


@asynccontextmanager
async def working(endpoints: Endpoints, tools: BfclTools, tenant: str, url: str, effects: str) -> AsyncIterator[Log]:
    settings = load(
        data=endpoints.data,
        tenant=tenant,
        embedder="lexical",
        models={"default": {"url": url, "model": NAME}},
        programs={"effects": effects},
    )
    async with write_side(settings, endpoints, run_scoped=(tools,)) as side:
        handler = CommandHandler(side.services, COMMANDS, REACTIONS)

        async def send(envelope: CommandEnvelope) -> Answer:
            handled = await handler.handle(envelope, "bench")
            await handler.react(handled)
            return handled.answer

        tasks = [
            # One by one, as the benchmark's worker drives them: what a run teaches is there before the next one begins.
            asyncio.create_task(DriverPool(side.services, f"{tenant}/1", 1).work()),
            asyncio.create_task(side.feed.follow()),
        ]
        try:
            yield Log(tenant, side.services.store, send, partial(unsettled, side.connection, tenant))
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def ran(
    endpoints: Endpoints, tools: BfclTools, tenant: str, load_: Workload, effects: str, levels: Sequence[str] = LEVELS
) -> tuple[Pass, Pass]:
    model, setup = GroundTruth(load_.plans), Setup(form=load_.form, levels=tuple(levels), similarity=0.99)
    with served(model) as url:
        async with working(endpoints, tools, tenant, url, effects) as log:
            first, second = await run_passes(setup, load_, log, model, 1, lambda _: None)
    return first, second


def answered(each: Pass) -> list[tuple[str, bool]]:
    return [(outcome.by, outcome.right) for outcome in each.outcomes]


async def test_the_second_pass_asks_no_model_every_run_is_right_and_the_benchmark_would_see_if_not(
    stack: Endpoints, tools: BfclTools, entries: list[Entry]
) -> None:
    found = workload(entries, truths(tools, entries), tools.catalogue, "calls")
    assert (found.programs, found.untold) == (2, frozenset())
    first, second = await ran(stack, tools, "reuse-all", found, "write")
    assert {outcome.right for each in (first, second) for outcome in each.outcomes} == {True}
    assert first.outcomes[0].by == "model"
    assert {outcome.by for outcome in second.outcomes} <= {"L2", "L4"}
    assert (second.asked, second.needless) == (0, ())
    assert (first.replays.identical, second.replays.identical) == (3, 3)
    assert len(first.learned.modules) == 2

    setup = Setup(form="calls", levels=LEVELS, similarity=0.99)
    one = Ran(setup=setup, workload=found, embedder="lexical-384-v1", passes=(first, second), used={})
    report = Report(release="0.made", entries=3, ran=[one])
    assert report.passed
    screen = Console(file=StringIO(), width=120)
    screen.print(report.render())
    assert isinstance(screen.file, StringIO)
    assert "wrong hits / hits: 0 / " in screen.file.getvalue()
    (document,) = report.document()["setups"]
    assert document["passes"][1]["variants"]["all"]["model_calls"] == 0
    assert document["passes"][0]["learned"]["published"]["base"] == 1

    def passes(**changed: Any) -> bool:
        one = Ran(setup=setup, workload=found, embedder="e", passes=(first, replace(second, **changed)), used={})
        return Report(release="0.made", entries=3, ran=[one]).passed

    outcome, *others = second.outcomes
    assert passes(outcomes=second.outcomes)
    assert not passes(outcomes=(replace(outcome, right=False), *others))
    assert not passes(outcomes=(replace(outcome, completed=False), *others))
    assert not passes(needless=(outcome.entry,))
    assert not passes(asked=1)


async def test_what_the_policy_refuses_is_not_published_and_asked_again_without_other_levels(
    stack: Endpoints, tools: BfclTools, entries: list[Entry]
) -> None:
    found = workload(entries[:1], truths(tools, entries[:1]), tools.catalogue, "turns")
    first, second = await ran(stack, tools, "reuse-refused", found, "read", ["L4"])
    assert answered(first) == answered(second) == [("model", True)]
    assert (first.asked, second.asked, second.needless) == (1, 1, ())
    assert (first.learned.of("published"), first.learned.of("refused", "base")) == (0, 1)


async def test_a_goal_that_does_not_tell_gives_a_wrong_hit_that_is_said_to_be_the_models_too(
    stack: Endpoints, tools: BfclTools, entries: list[Entry]
) -> None:
    one = entries[2]
    other = replace(one, id="multi_turn_base_9", turns=((replace(one.calls[0], kwargs={"card": "7", "amount": 1}),),))
    pair = [one, other]
    found = workload(pair, truths(tools, pair), tools.catalogue, "calls")
    assert found.untold == {other.id}
    first, second = await ran(stack, tools, "reuse-untold", found, "write")
    assert answered(second) == [("L4", True), ("L4", False)]
    setup = Setup(form="calls", levels=LEVELS, similarity=0.99)
    one_ran = Ran(setup=setup, workload=found, embedder="lexical-384-v1", passes=(first, second), used={})
    report = Report(release="0.made", entries=2, ran=[one_ran])
    (document,) = report.document()["setups"]
    assert document["together"]["wrong_share"] > 0.3
    assert document["together"]["avoidable_share"] == 0
    assert {"entry": other.id, "by": "L4", "goal_tells": False} in document["passes"][1]["wrong"]
