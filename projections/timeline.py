"""The timeline: what happened in a run, one line an event, in words for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeAlias

from sqlalchemy import BigInteger, Column, DateTime, Double, MetaData, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from projections.cells import moment, number, one_line, optional_text, text
from projections.facts import Fact
from projections.projection import BuildRow, RowPerEvent
from projections.spelling import spelled

Data: TypeAlias = Mapping[str, Any]
Words: TypeAlias = tuple[str, str]
"""Title and summary."""


class Line(NamedTuple):
    """One event of a run."""

    tenant: str
    run: str
    version: int
    """Place within the run, from 1."""
    at: datetime
    actor: str
    event: str
    """Short name."""
    title: str
    summary: str
    """What the event is about, on one line; may be empty."""
    effect: str | None
    """Effect key, where the event belongs to one."""
    duration: float | None
    """Seconds that the call took, where it was one."""
    event_id: str
    position: str


TABLE: Final = Table(
    "timeline",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("effect", Text),
    Column("duration", Double),
    Column("event_id", Text, nullable=False),
    Column("position", Text, nullable=False),
)


def _program(data: Data) -> Words:
    names = ", ".join(text(effect["name"]) for effect in data["effects"])
    return "Program compiled", f"{data['digest']} may use: {names or 'nothing'}"


_WHOSE: Final[Mapping[str, str]] = {"inherited": " the run's parent", "cache": " before, and the cache kept it"}


def _whose(data: Data) -> str:
    return _WHOSE.get(data.get("source", ""), "")


def _lookups(data: Data) -> str:
    """What the levels of reuse said, in the order in which they were asked; empty where none was."""
    return "; ".join(
        f"{text(each['level'])} {text(each['outcome'])}{_scored(each)}: {text(each['reason'])}"
        for each in data.get("lookups", ())
    )


def _scored(lookup: Data) -> str:
    score = lookup.get("score")
    return "" if score is None else f" at {number(score):.4f}"


def _with_lookups(said: Any, data: Data) -> str:
    return " · ".join(part for part in (text(said), _lookups(data)) if part)


def _asked(data: Data) -> Words:
    if any(each["outcome"] == "hit" for each in data.get("lookups", ())):
        return f"Model {data['model']} need not be asked", _lookups(data)
    return f"Model {data['model']} is asked", _lookups(data)


def _reused(data: Data) -> Words:
    names = ", ".join(text(effect["name"]) for effect in data["effects"])
    return f"Program {data['entry']} answers", f"{data['digest']} may use: {names or 'nothing'}"


_REUSED: Final[Mapping[str, str]] = {"L1": "Tool", "L3": "Answer of entry", "L4": "Program"}

_COMPARED: Final[Mapping[bool | None, str]] = {
    True: "the program agrees with the model",
    False: "the program differs from the model",
    None: "the program cannot be compared",
}


def _agent(data: Data) -> Words:
    names = ", ".join(text(effect["name"]) for effect in data["effects"])
    return f"Agent {data['agent']} {data['version']} takes over", f"{data['digest']} may use: {names or 'nothing'}"


_GIVEN: Final[Mapping[str, str]] = {
    "ctx.now": "The agent asks the time",
    "ctx.random": "The agent draws a number",
    "ctx.uuid": "The agent draws a UUID",
    "ctx.patched": "The agent goes the new way",
}


def _of(arguments: Any, name: str) -> str:
    """One argument; a record that has it not, which no program of ours writes, still makes a line."""
    return text(arguments[name]) if isinstance(arguments, dict) and name in arguments else spelled(arguments)


def _value(data: Data) -> Words:
    asked = data["arguments"]
    if data["kind"] == "ctx.log":
        return "The agent says", _of(asked, "message")
    if data["kind"] == "ctx.patched":
        return _GIVEN["ctx.patched"], _of(asked, "name")
    return _GIVEN.get(data["kind"], "The agent is given a value"), spelled(data["result"])


def _answer(data: Data) -> Words:
    tokens = f"{data['prompt_tokens']} + {data['completion_tokens']} tokens"
    source = "recorded, " if data["recorded"] else ""
    return f"{data['served_model']} answered{_whose(data)}", f"{source}{tokens}, {number(data['usd']):.4f} USD"


_FEW: Final = {
    "type and 0 postconditions hold": "its type holds; there are no postconditions",
    "type and 1 postconditions hold": "type and 1 postcondition hold",
}
"""Verdicts on few checks in better words than the recorded ones, which stay as they are since replays compare them."""


def _verdict(data: Data) -> Words:
    if data["passed"]:
        reason = text(data["decision"]["reason"])
        return "Critic accepts the output", _FEW.get(reason, reason)
    return f"Critic rejects the output ({data['layer']})", "; ".join(text(finding) for finding in data["findings"])


_WORDS: Final[Mapping[str, Callable[[Data], tuple[Any, Any]]]] = {
    "precedent.run.RunSubmitted.v1": lambda d: ("Task submitted", d["task"]["goal"]),
    "precedent.run.RunClaimed.v1": lambda d: (f"{d['worker']} drives the run", f"claim {d['epoch']}"),
    "precedent.run.RunRouted.v1": lambda d: (f"Route: {d['route']}", _with_lookups(d["decision"]["reason"], d)),
    "precedent.run.PlanDrafted.v1": lambda d: (f"Plan {d['attempt']} drafted", d["source"]),
    "precedent.run.PlanRejected.v1": lambda d: (f"Plan {d['attempt']} rejected", d["message"]),
    "precedent.run.ProgramCompiled.v1": _program,
    "precedent.run.ProgramReused.v1": _reused,
    "precedent.run.ReuseSettled.v1": lambda d: (
        f"{_REUSED.get(d.get('level', 'L4'), 'Entry')} {d['entry']} {d['outcome']}",
        d["reason"],
    ),
    "precedent.run.ShadowCompared.v1": lambda d: (f"Shadow: {_COMPARED[d['agreed']]}", d["reason"]),
    "precedent.run.AgentPinned.v1": _agent,
    "precedent.run.ValueRecorded.v1": _value,
    "precedent.run.ToolCallRequested.v1": lambda d: (f"{d['tool']} is called", spelled(d["arguments"])),
    "precedent.run.ToolCallCompleted.v1": lambda d: (
        f"{d['tool']} answered{_whose(d)}",
        _with_lookups(spelled(d["result"]), d),
    ),
    "precedent.run.ToolCallFailed.v1": lambda d: (f"{d['tool']} failed{_whose(d)}", d["error"]["message"]),
    "precedent.run.ToolCallDenied.v1": lambda d: (f"{d['tool']} denied", d["rule"]),
    "precedent.run.ToolCallOutcomeUnknown.v1": lambda d: (f"{d['tool']}: did it happen?", "waits for a person"),
    "precedent.run.OutcomeResolved.v1": lambda d: (f"A person says: {d['outcome']}", d["note"]),
    "precedent.run.ModelCallRequested.v1": _asked,
    "precedent.run.ModelCallAnswered.v1": _answer,
    "precedent.run.ModelCallFailed.v1": lambda d: ("Model call failed", d["error"]["message"]),
    "precedent.run.ApprovalRequested.v1": lambda d: (f"{d['tool']} waits for approval", spelled(d["arguments"])),
    "precedent.run.ApprovalGranted.v1": lambda d: ("Approved", d["note"]),
    "precedent.run.ApprovalRefused.v1": lambda d: ("Refused", d["reason"]),
    "precedent.run.TimerStarted.v1": lambda d: ("Sleeps", f"until {d['due']}"),
    "precedent.run.TimerFired.v1": lambda d: ("Wakes", ""),  # noqa: ARG005  # one shape for all
    "precedent.run.VerdictReached.v1": _verdict,
    "precedent.run.RunPaused.v1": lambda d: ("Paused", d["reason"]),
    "precedent.run.RunResumed.v1": lambda d: ("Resumed", ""),  # noqa: ARG005
    "precedent.run.RunCompleted.v1": lambda d: ("Run completed", spelled(d["output"])),
    "precedent.run.RunFailed.v1": lambda d: ("Run failed", d["error"]["message"]),
    "precedent.run.RunCancelled.v1": lambda d: ("Run cancelled", d["reason"]),
}


def _line(words: Callable[[Data], tuple[Any, Any]]) -> BuildRow:
    def row(fact: Fact) -> Line:
        data = fact.data
        title, summary = words(data)
        duration = data.get("duration")
        return Line(
            fact.tenant,
            fact.stream,
            fact.version,
            fact.at,
            text(fact.actor),
            fact.event,
            one_line(title),
            one_line(summary),
            optional_text(data.get("effect")),
            None if duration is None else number(duration),
            fact.id,
            str(fact.position),
        )

    return row


def _claimed(fact: Fact) -> Sequence[Any] | None:
    """A claim that ends when it is made is one given up: the run waits, and whoever hears of it next goes on."""
    deadline = moment(fact.data["deadline"])
    if deadline is None or deadline > fact.at:
        return _line(_WORDS[fact.type])(fact)
    return _line(lambda d: (f"{d['worker']} lets go of the run", "it waits"))(fact)


TIMELINE: Final = RowPerEvent(
    name="timeline",
    version=2,
    table=TABLE,
    appliers={kind: _line(words) for kind, words in _WORDS.items()} | {"precedent.run.RunClaimed.v1": _claimed},
)


async def timeline_of_run(
    connection: AsyncConnection, tenant: str, run: str, *, after: int = 0, limit: int = 1000
) -> Sequence[Line]:
    """Lines of a run in order, from just after a version of it; page by the last line's version."""
    found = await connection.execute(
        select(TABLE)
        .where(TABLE.c.tenant == tenant, TABLE.c.run == run, TABLE.c.version > after)
        .order_by(TABLE.c.version)
        .limit(limit)
    )
    return [Line(*row) for row in found]
