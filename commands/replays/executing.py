"""Re-execution: a run is verified, and its deterministic tools are really called again and compared.

Steps, in this order:

1. The run is verified from its events alone (``domain/runs/replay.py``): from here on, the recorded arguments are those
   for which the program asks.
2. Every tool that will be called is here, at the version to which the program is pinned.
3. Stateful tools are made anew from the run's inputs; every effect that a deterministic tool settled is asked of it
   again, in the order of the journal. Whatever else settled an effect is counted, and answered from the journal.
4. The results have the recorded digests, the failures the recorded types.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commands.ports import ToolRunner
from commands.replays.reading import verify_events
from domain.kernel.errors import PrecedentError
from domain.kernel.ids import StreamId
from domain.kernel.values import decode, digest_bytes, digest_json
from domain.runs.differences import Difference, differences
from domain.runs.effects import CONTROLLER_CAPABILITIES
from domain.runs.execution import NONE, Agents, is_own
from domain.runs.parts import PinnedEffect, RunEvent
from domain.runs.replay import Replay, fold
from domain.runs.state import Entry, Run, Settlement
from domain.tools import CallContext, ToolDeclaration, ToolFailed, ToolOutcome


class ToolsDiffer(PrecedentError):
    """Re-execute where the run's tools are listed at its versions, or verify: that calls none."""

    code = "replay.tools-differ"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherAnswer:
    """A tool that answers otherwise now."""

    effect: str
    tool: str
    expected: str
    """Digest of the recorded result, or type of the recorded failure."""
    actual: str
    differences: tuple[Difference, ...] = ()
    """Between two results: the first places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReExecution:
    """What became of a re-execution."""

    replay: Replay
    executed: int
    """Effects that were really asked again."""
    answered: Mapping[str, int]
    """Effects answered from the journal, by why: ``write``, ``external``, ``momentary``, ``person``, …"""
    others: tuple[OtherAnswer, ...]
    """In the order of the journal; none: the run is identical."""


async def re_execute(
    tools: ToolRunner, run: StreamId, events: Sequence[RunEvent], agents: Agents = NONE
) -> ReExecution:
    """Re-execute a run; use a tool runner that drives no runs, since the run's state is opened in it.

    Raises ``ReplayDiverged``, ``HistoryInvalid``, ``AgentUnavailable`` before any tool is called, ``ToolsDiffer``.
    """
    replay = await verify_events(events, agents)  # 1
    state = fold(events)
    answered: Counter[str] = Counter()
    if state.answers:
        answered["model"] = len(state.answers)
    if state.pinned is None:
        return ReExecution(replay=replay, executed=0, answered=answered, others=())
    pinned = {effect.name: effect for effect in state.pinned.effects}
    again: dict[str, Entry] = {}
    for key, entry in state.journal.items():
        why = _answered_because(entry, pinned.get(entry.tool), tools.declarations().get(entry.tool))
        if why is None:
            again[key] = entry
        else:
            answered[why] += 1
    _check_versions({entry.tool: pinned[entry.tool] for entry in again.values()}, tools.declarations())  # 2
    others = await _call_again(tools, run, state, again) if again else ()
    return ReExecution(replay=replay, executed=len(again), answered=answered, others=others)


def _answered_because(entry: Entry, pinned: PinnedEffect | None, here: ToolDeclaration | None) -> str | None:
    """Why an effect is answered from the journal; None where its tool must be called again."""
    if entry.by_person:
        return "person"
    if entry.settlement not in (Settlement.COMPLETED, Settlement.FAILED):
        return str(entry.settlement)
    if is_own(entry.tool):
        return "momentary"
    if entry.tool in CONTROLLER_CAPABILITIES:
        return "timer"
    if pinned is None:
        return "not pinned"
    if here is None:
        return pinned.mode if pinned.mode in ("write", "external") else None
    if here.deterministic:
        return None
    return "momentary" if here.momentary else here.capability.effects


def _check_versions(wanted: Mapping[str, PinnedEffect], declared: Mapping[str, ToolDeclaration]) -> None:
    wrong = []
    for name, effect in wanted.items():
        here = declared.get(name)
        if here is None:
            wrong.append(f"{name} is not here")
        elif here.capability.version != effect.version:
            wrong.append(f"{name} is pinned to version {effect.version} and here is {here.capability.version}")
    if wrong:
        raise ToolsDiffer(f"{'; '.join(wrong)}: a replay with --mode verify calls no tool")


async def _call_again(
    tools: ToolRunner, run: StreamId, state: Run, again: Mapping[str, Entry]
) -> tuple[OtherAnswer, ...]:
    tools.open_run(run.id, state.accepted_task.inputs_by_name)
    others = []
    try:
        for key, entry in again.items():
            arguments = {name: decode(value) for name, value in entry.arguments.items()}
            outcome = await tools.run(entry.tool, arguments, CallContext(tenant=run.tenant, run=run.id, effect=key))
            if (other := _compared(key, entry, outcome)) is not None:  # 4
                others.append(other)
    finally:
        tools.close_run(run.id)
    return tuple(others)


def _compared(key: str, entry: Entry, outcome: ToolOutcome) -> OtherAnswer | None:
    expected = digest_json(entry.result) if entry.error is None else f"{entry.error.type}: {entry.error.message}"
    if isinstance(outcome, ToolFailed):
        if entry.error is not None and entry.error.type == outcome.type:
            return None
        actual = f"{outcome.type}: {outcome.message}"
        return OtherAnswer(effect=key, tool=entry.tool, expected=expected, actual=actual)
    actual = digest_bytes(outcome.canonical)
    if actual == expected:
        return None
    found = differences(entry.result, outcome.encoded) if entry.error is None else ()
    return OtherAnswer(effect=key, tool=entry.tool, expected=expected, actual=actual, differences=found)
