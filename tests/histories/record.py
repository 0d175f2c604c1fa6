"""Records the histories of this folder by running tasks on a real broker: ``python -m tests.histories.record``.

They are committed and never recorded again: a release that cannot replay what an earlier one wrote must fail here.
Record only histories that do not exist yet; ``--again`` is for whoever changes what they show.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict

import orjson

from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import tool
from commands.catalog import COMMANDS, REACTIONS
from commands.handle import CommandEnvelope, CommandHandler
from commands.replays import recorded_events
from commands.runs.driver import Driver
from commands.runs.pool import DriverPool
from commands.services import Services
from domain.kernel.ids import StreamId
from domain.kernel.values import digest_json
from domain.programs.policy import Policy
from domain.runs.replay import fold
from infra.bootstrap.write_side import WriteSide, write_side
from infra.settings import load
from infra.stack.stack import embedded
from tests.chaos.tools import FOLDER, Counting

HERE = Path(__file__).parent
TENANT = "histories"
READ_ALL = """
(let [names (map :path (call :fs.list {:path "." :pattern "*.txt"}))
      texts (map (fn [name] (call :fs.read {:path name})) names)
      again (step-parallel (call :fs.read {:path (first names)}) (call :fs.read {:path (last names)}))]
  {:texts texts :again again :exact 9007199254740993 :ratio 0.1 :whole 2.0 :nothing nil :kind :done})
"""


@tool("histories.mail", effects="external")
def mail(context: ToolContext, to: str) -> int:
    """Send a mail whose fate nobody knows."""
    raise ToolFault("mail.silent", f"no answer about the mail to {to}", outcome_unknown=True)


class Measure(TypedDict):
    """What version 1 of the tool below gave."""

    size: int


@tool("histories.measure", effects="pure", version="1")
def measure(text: str) -> Measure:
    """Measure a text. Version 2, in ``test_upcasts.py``, gives more: this one stays as it was recorded."""
    return Measure(size=len(text))


Said = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Story:
    """A task, and what people say in turn while it waits for them."""

    task: dict[str, Any]
    said: tuple[Said, ...] = ()
    before: dict[str, Any] | None = None
    """A task that is run first, whose program may then answer."""
    shadow: float = 0.0
    """Share of hits that are compared with the model."""


def _reading(**more: Any) -> dict[str, Any]:
    return {
        "inputs": {"file": "a.txt"},
        "tools": ["fs.read"],
        "output": ":int",
        "cache": {"levels": ["L1", "L4"]},
        **more,
    }


ALIKE: dict[str, Any] = {"cache": {"levels": ["L3"]}}
SHORT: dict[str, Any] = {**ALIKE, "checks": ["(= 14 output)"]}
"""What holds for the first input does not for the second."""


SEEN = "the digest of the request that waits"

AGAIN: dict[str, Any] = {
    "plan": '(:size (call :histories.measure {:text "again"}))',
    "tools": ["histories.measure"],
    "output": ":int",
    "cache": {"levels": ["L2"]},
}


def _writing(**more: Any) -> dict[str, Any]:
    plan = '(:size (call :fs.write {:path "out.txt" :text "written"}))'
    return {"plan": plan, "tools": ["fs.write"], "output": ":int", **more}


STORIES = {
    "completed": Story(
        {"plan": READ_ALL, "tools": ["fs.list", "fs.read"], "checks": ["(= 2 (count (:again output)))"]}
    ),
    "failed": Story({"plan": '(call :fs.read {:path "absent.txt"})', "tools": ["fs.read"]}),
    "denied": Story(
        {
            "plan": '(do (call :fs.read {:path "a.txt"}) (call :fs.read {:path "b.txt"}))',
            "tools": ["fs.read"],
            "limits": {"tool_calls": 1},
        }
    ),
    "approved": Story(_writing(approvals=["fs.write"]), (("GrantApproval", {"effect": "0", "note": "fine"}),)),
    "refused": Story(_writing(approvals=["fs.write"]), (("RefuseApproval", {"effect": "0", "reason": "no"}),)),
    "cancelled": Story(_writing(approvals=["fs.write"]), (("CancelRun", {"reason": "enough"}),)),
    "paused": Story(
        _writing(approvals=["fs.write"]),
        (("PauseRun", {"reason": "lunch"}), ("ResumeRun", {}), ("GrantApproval", {"effect": "0"})),
    ),
    "written": Story(_writing()),
    "slept": Story({"plan": "(do (call :timer.sleep {:seconds 0.2}) 7)", "tools": ["timer.sleep"]}),
    "planned": Story({"inputs": {"file": "a.txt"}, "tools": ["fs.read"], "output": ":int"}),
    "unanswered": Story({}),
    "unplannable": Story({"plan": "(+ 1", "tools": []}),
    "criticised": Story({"plan": "(+ 1 2)", "output": ":int", "checks": ["(> output 3)"]}),
    "measured": Story(
        {
            "plan": '(reduce + 0 (map (fn [text] (:size (call :histories.measure {:text text}))) ["one" "three"]))',
            "tools": ["histories.measure"],
            "output": ":int",
        }
    ),
    "agent": Story(
        {
            "agent": "histories.agent",
            "tools": ["fs.list", "fs.read", "timer.sleep"],
            "inputs": {"absent": "absent.txt"},
            "output": "[:map [:texts :any] [:at :timestamp] [:patched :bool]]",
        }
    ),
    "stateful": Story(
        {"plan": "(do (call :chaos.sum {:n 2}) (call :chaos.sum {:n 3}))", "tools": ["chaos.sum"], "output": ":int"}
    ),
    "reused": Story(_reading(inputs={"file": "b.txt"}), before=_reading()),
    "refuted": Story(_reading(checks=["(= 14 output)"]), before=_reading()),
    "shadowed": Story(_reading(), before=_reading(), shadow=1.0),
    "alike": Story(_reading(inputs={"file": "b.txt"}, **ALIKE), before=_reading(**ALIKE)),
    "alike-refuted": Story(_reading(inputs={"file": "b.txt"}, **SHORT), before=_reading(**SHORT)),
    "approved-seen": Story(
        _writing(approvals=["fs.write"]), (("GrantApproval", {"effect": "0", "note": "fine", "digest": SEEN}),)
    ),
    "given-again": Story(AGAIN, before=AGAIN),
    "explored": Story(
        _reading(goal="A history: explored, to count the words of a file", **ALIKE),
        before=_reading(goal="A history: explored, to count the words of the file", **ALIKE),
    ),
    "gave-way": Story(
        {
            "goal": "histories.measure",
            "inputs": {"text": "one"},
            "tools": ["histories.measure"],
            "output": "[:map [:size :int]]",
            "checks": ["(= 7 (:size output))"],
        }
    ),
    "resolved": Story(
        {"plan": '(call :histories.mail {:to "ann"})', "tools": ["histories.mail"], "output": ":int"},
        (("ResolveOutcome", {"effect": "0", "outcome": "happened", "result": 250, "note": "she has it"}),),
    ),
}


async def tell(side: WriteSide, kind: str, data: dict[str, Any], command: str) -> None:
    handler = CommandHandler(side.services, COMMANDS, REACTIONS)
    handled = await handler.handle(CommandEnvelope(id=command, type=kind, tenant=TENANT, data=data), "person")
    assert handled.answer.outcome == "accepted", handled.answer
    await handler.react(handled)


async def record(side: WriteSide, name: str, story: Story) -> None:
    goal = {"goal": f"A history: {name}"}
    if story.before is not None:
        first = StreamId(TENANT, "run", f"{name}-before")
        await tell(side, "SubmitRun", {"task": {**goal, **story.before}}, first.id)
        await Driver(side.services, first, "recorder/0").drive()
        await side.feed.catch_up()
    stream = StreamId(TENANT, "run", name)
    following = asyncio.create_task(side.feed.follow())  # what was heard long ago gives nothing again
    working = asyncio.create_task(DriverPool(_shadowing(side.services, story.shadow), "recorder/1", 4).work())
    await tell(side, "SubmitRun", {"task": {**goal, **story.task}}, name)
    said = list(story.said)
    async with asyncio.timeout(30):
        while not (run := fold(await recorded_events(side.services.store, stream))).ended:
            if said and run.waiting:
                kind, data = said.pop(0)
                if data.get("digest") == SEEN:
                    data = data | {"digest": run.journal[data["effect"]].request_digest}
                await tell(side, kind, {"run": name, **data}, f"{name}-{len(said)}")
            await asyncio.sleep(0.05)
    for task in (working, following):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    events = (await side.services.store.load(stream)).events
    (HERE / f"{name}.jsonl").write_bytes(b"".join(event.body + b"\n" for event in events))
    sys.stdout.write(f"{name}: {len(events)} events, {run.phase}\n")


def _shadowing(services: Services, share: float) -> Services:
    assert services.reuse is not None, "a worker reuses"
    return replace(services, reuse=replace(services.reuse, policy=Policy(shadow=share)))


def edit() -> None:
    """A history in which someone changed what the first call gave, with its digest: the second asks for another file."""
    edited = []
    for line in (HERE / "completed.jsonl").read_bytes().splitlines():
        document = orjson.loads(line)
        if document["data"].get("effect") == "0":
            text = orjson.dumps(document["data"]["result"]).replace(b"a.txt", b"c.txt")
            document["data"]["result"] = orjson.loads(text)
            document["data"]["result_digest"] = digest_json(document["data"]["result"])
        edited.append(orjson.dumps(document) + b"\n")
    (HERE / "edited.jsonl").write_bytes(b"".join(edited))


async def main(again: bool) -> None:
    wanted = {name: story for name, story in STORIES.items() if again or not (HERE / f"{name}.jsonl").exists()}
    with tempfile.TemporaryDirectory(prefix="histories-") as place:
        Path(place).chmod(0o755)
        world = Path(place) / "world"
        world.mkdir()
        (world / "a.txt").write_text("one two three\n")
        (world / "b.txt").write_text("vier fünf\n")
        shutil.copy(HERE / "planner.yaml", world)
        os.chdir(world)  # no history tells where on a machine it was recorded
        models = {"default": "recorded:planner.yaml"}
        tools = [__spec__.name]
        settings = load(
            data=Path(place) / "data",
            tenant=TENANT,
            durability="flush",
            models=models,
            tools=tools,
            agents=["tests.histories.agents"],
        )
        os.environ[FOLDER] = place
        async with embedded(settings) as endpoints, write_side(settings, endpoints, run_scoped=(Counting(),)) as side:
            for name, story in wanted.items():
                await record(side, name, story)
    edit()


if __name__ == "__main__":
    asyncio.run(main("--again" in sys.argv))
