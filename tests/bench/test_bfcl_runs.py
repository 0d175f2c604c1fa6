"""Entries of the made package as runs on the real servers: driven, taken up after a crash, replayed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from commands.catalog import COMMANDS, REACTIONS
from commands.handle import Answer, CommandEnvelope, CommandHandler
from commands.runs.pool import DriverPool
from domain.kernel.events import Recorded
from domain.kernel.values import digest_json
from domain.runs.events import ToolCallCompleted
from infra.bench.bfcl.corpus import Corpus, Entry
from infra.bench.bfcl.figures import measure
from infra.bench.bfcl.replaying import histories_of, re_execute_all, verify_all
from infra.bench.bfcl.submitting import Send, SubmissionRefused, Submissions, output_of, run_all, task_of
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.world import Scenario
from infra.bootstrap.write_side import WriteSide, write_side
from infra.settings import load
from infra.stack.endpoints import Endpoints

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture
def tools(made_corpus: Corpus) -> BfclTools:
    return BfclTools(made_corpus)


@pytest.fixture
def entries(made_corpus: Corpus) -> list[Entry]:
    return list(made_corpus.entries(("base", "long_context")))


@asynccontextmanager
async def working(endpoints: Endpoints, tools: BfclTools, tenant: str) -> AsyncIterator[WriteSide]:
    settings = load(data=endpoints.data, tenant=tenant)
    async with write_side(settings, endpoints, run_scoped=(tools,)) as side:
        pool = asyncio.create_task(DriverPool(side.services, f"{tenant}/1", 4).work())
        try:
            yield side
        finally:
            pool.cancel()
            with suppress(asyncio.CancelledError):
                await pool


def expected(tools: BfclTools, entry: Entry) -> object:
    world = tools.world(Scenario.of_entry(entry, NOW))
    results = []
    for call in entry.calls:
        method = tools.catalogue.resolve(entry.classes, call.name)
        results.append(world.call(method.class_name, method.name, call.args, call.kwargs))
    return output_of(entry, results)


def sender(side: WriteSide) -> Send:
    """A way to the write side without the bus."""
    handler = CommandHandler(side.services, COMMANDS, REACTIONS)

    async def send(envelope: CommandEnvelope) -> Answer:
        handled = await handler.handle(envelope, "bench")
        await handler.react(handled)
        return handled.answer

    return send


async def run_entries(side: WriteSide, tools: BfclTools, entries: list[Entry], tenant: str) -> list[Recorded]:
    tasks = {f"{tenant}-{entry.id}": task_of(entry, tools.catalogue, NOW) for entry in entries}
    submissions = Submissions(tenant=tenant, tasks=tasks, concurrent=2)
    events, seconds = await run_all(submissions, sender(side), side.services.store, lambda: None)
    assert seconds > 0
    return events


async def test_every_entry_gives_its_ground_truth_and_replays_alike(
    stack: Endpoints, tools: BfclTools, entries: list[Entry]
) -> None:
    async with working(stack, tools, "bfcl-all") as side:
        events = await run_entries(side, tools, entries, "bfcl-all")
    outputs = {event.stream.id: event.data["output"] for event in events if event.short_name == "RunCompleted"}
    assert outputs == {f"bfcl-all-{entry.id}": expected(tools, entry) for entry in entries}
    figures = measure(events)
    assert (figures.completed, figures.effects) == (3, sum(len(entry.calls) for entry in entries))
    histories = histories_of(events)
    assert verify_all(histories).divergences == ()
    assert re_execute_all(histories, tools).divergences == ()


async def test_a_changed_result_is_found_by_both_replays(
    stack: Endpoints, tools: BfclTools, entries: list[Entry]
) -> None:
    async with working(stack, tools, "bfcl-forged") as side:
        events = await run_entries(side, tools, entries[:1], "bfcl-forged")
    ((run, history),) = histories_of(events).items()
    forged = [
        event.model_copy(update={"result": {"result": 7}, "result_digest": digest_json({"result": 7})})
        if isinstance(event, ToolCallCompleted) and event.tool == "math-api.add"
        else event
        for event in history
    ]
    (verified,) = verify_all({run: forged}).divergences
    assert (verified.entry, verified.effect) == (entries[0].id, "output")
    (re_executed,) = re_execute_all({run: forged}, tools).divergences
    assert (re_executed.tool, re_executed.explanation) == ("math-api.add", None)


async def test_a_task_that_is_not_accepted_stops_the_pass(stack: Endpoints, tools: BfclTools) -> None:
    settings = load(data=stack.data, tenant="bfcl-refused")
    async with write_side(settings, stack, run_scoped=(tools,)) as side:
        task = {"goal": "Nothing", "tools": ["no.such"]}
        submissions = Submissions(tenant="bfcl-refused", tasks={"refused": task}, concurrent=1)
        with pytest.raises(SubmissionRefused, match=r"no\.such"):
            await run_all(submissions, sender(side), side.services.store, lambda: None)
