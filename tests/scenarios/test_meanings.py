"""An answer is given to another goal of the same meaning, on the real log and the real index of points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands.cache.judgements import append_judgement
from commands.catalog import COMMANDS, REACTIONS
from commands.evidence import EvidenceBook
from commands.feed import Feed
from commands.handle import CommandEnvelope, CommandHandler
from commands.replays import recorded_events, verify_run
from commands.runs.driver import Driver
from commands.services import Services
from domain.cache.events import ReuseJudged
from domain.cache.semantic import Policy
from domain.kernel.ids import StreamId
from domain.runs.events import ModelCallRequested
from domain.runs.parts import Lookup
from domain.runs.replay import fold
from domain.runs.state import Phase, Run
from infra.bootstrap.reuse import feed_of
from infra.bootstrap.write_side import write_side
from infra.settings import load
from infra.stack.stack import embedded

TENANT = "meanings"
TERMS = Policy(bound=0.2, trust=0.9, explore_one_in=1_000_000)
COUNT = "Count how many of the numbers are even"
ALIKE = "Count how many of these numbers are even"
ODD = "Count how many of these numbers are not even"
TRANSCRIPT = """
transcript: 1
label: a test's, written by hand
entries:
  - match: {role: planner, contains: ["Count how many"]}
    answer: (count (filter even? (:numbers inputs)))
"""


async def tell(services: Services, command: str, kind: str, data: dict[str, Any]) -> None:
    handler = CommandHandler(services, COMMANDS, REACTIONS)
    envelope = CommandEnvelope(id=command, type=kind, tenant=TENANT, data=data)
    handled = await handler.handle(envelope, "someone")
    assert handled.answer.outcome == "accepted", handled.answer
    await handler.react(handled)


async def ran(services: Services, feed: Feed, name: str, goal: str) -> tuple[Run, Lookup]:
    """A run of the task with this goal, and what level L3 said."""
    task = {"goal": goal, "inputs": {"numbers": [1, 2, 4]}, "output": ":int", "cache": {"levels": ["L2", "L3"]}}
    await tell(services, name, "SubmitRun", {"task": task})
    await feed.catch_up()
    stream = StreamId(TENANT, "run", name)
    await Driver(services, stream, "test/1").drive()
    await feed.catch_up()
    events = await recorded_events(services.store, stream)
    asked = [event for event in events if isinstance(event, ModelCallRequested)]
    assert (await verify_run(services.store, stream, {})).replayable
    return fold(events), next(each for each in asked[-1].lookups if each.level == "L3")


async def open_namespace(services: Services, feed: Feed) -> None:
    for number in range(40):
        right = ReuseJudged(
            namespace="default",
            level="L3",
            entry=f"{number:064x}",
            score=0.7,
            correct=True,
            judge="test/1",
            source="exploration",
            run=f"before-{number}",
        )
        await append_judgement(services, TENANT, right, actor="agent:critic")
    await feed.catch_up()


@pytest.mark.timeout(120)
async def test_a_paraphrase_is_answered_until_the_entry_is_withdrawn(data_directory: Path, tmp_path: Path) -> None:
    transcript = tmp_path / "transcript.yaml"
    transcript.write_text(TRANSCRIPT)
    models = {"default": f"recorded:{transcript}"}
    settings = load(data=data_directory, tenant=TENANT, durability="flush", models=models, embedder="lexical")
    async with embedded(settings) as endpoints, write_side(settings, endpoints) as side:
        assert side.services.reuse is not None
        reuse = replace(side.services.reuse, evidence=EvidenceBook(policy=TERMS))
        services = replace(side.services, reuse=reuse)
        feed = feed_of(services.store, services.clock, reuse)

        _, missed = await ran(services, feed, "first", COUNT)
        assert missed.reason == "no question like this, with everything else the same"
        run, explored = await ran(services, feed, "second", ALIKE.replace("are", "might be"))
        assert (run.phase, explored.outcome) == (Phase.COMPLETED, "explore")
        await open_namespace(services, feed)

        run, hit = await ran(services, feed, "third", ALIKE)
        assert (run.phase, run.output, run.spent.tokens) == (Phase.COMPLETED, 2, 0)
        assert (hit.outcome, hit.tier) == ("hit", "log")
        _, refused = await ran(services, feed, "fourth", ODD)
        assert "the goals differ in polarity" in refused.reason

        await tell(services, "c1", "InvalidateCache", {"namespace": "default", "reason": "a story"})
        run, gone = await ran(services, feed, "fifth", ALIKE)
        assert (run.phase, gone.outcome) == (Phase.COMPLETED, "miss")
