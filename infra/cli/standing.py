"""``show RUN --at N``: a run as it stood after its N-th event, its program looked into. No effect is made again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from commands.runs.log import CATALOG
from domain.kernel.errors import NotFound
from domain.kernel.events import Recorded
from domain.kernel.values import Keyword, decode, encode, parse_time
from domain.rtfs import vm
from domain.rtfs.printer import print_value
from domain.rtfs.types import plain
from domain.rtfs.vm.inspection import PROGRAM, Call, LaneView
from domain.runs.parts import RunEvent
from domain.runs.planning import ProgramCompiled
from domain.runs.replay import fold
from domain.runs.standing import Standing, standing
from domain.runs.state import Entry, Run, Settlement
from infra.cli.output import counted, visible
from infra.cli.pointing import pointed
from infra.cli.results import render_result
from infra.cli.runs import STYLES
from infra.cli.timeline import line_of, render_line

MOST_CALLS: Final = 8
"""Calls of one lane on the screen; --json has all."""

LONGEST_CELL: Final = 200
"""Characters of what an effect was asked or answered; --json has all."""

_INDENT: Final = (0, 0, 0, 2)


class Moment:
    """A run after its first ``at`` events."""

    def __init__(self, name: str, events: Sequence[Recorded], at: int) -> None:
        """Raises ``NotFound`` where the run has fewer events, ``UnknownEventType``, ``ReplayDiverged``."""
        if at > len(events):
            last = f"`precedent show {name} --at {len(events)}` shows the last"
            raise NotFound(f"run {name} has {counted(len(events), 'event')}, so there is no event {at}; {last}")
        self.name = name
        self.events = events
        self.at = at
        known = [event for each in events if isinstance(event := CATALOG.decode_known(each), RunEvent)]
        self.run: Run = fold(known[:at])
        self.compiled_at = next((n for n, event in enumerate(known, 1) if isinstance(event, ProgramCompiled)), None)
        """Number of the event from which on there is a program."""
        self.standing: Standing | None = None
        if self.run.program is not None:
            self.standing = standing(self.run, self.run.program)

    @property
    def event(self) -> Recorded:
        """The N-th event."""
        return self.events[self.at - 1]

    @property
    def plan(self) -> str:
        """Text of the latest plan; empty where there is none."""
        return self.run.drafts[-1].source if self.run.drafts else ""

    def program_words(self) -> str:
        """How far the program is, in one sentence."""
        if self.standing is None:
            if self.run.agent is not None:
                agent = self.run.agent
                return f"agent {agent.agent} {agent.version} pursues the run; what it has asked for is in the journal"
            if self.compiled_at is None:
                return "there is no program in this run, so there is nothing to look into"
            return f"there is no program yet; event {self.compiled_at} compiles it"
        match self.standing.step:
            case vm.Finished(fuel=fuel):
                return f"the program has finished, with {fuel} units of fuel"
            case vm.Trapped(error=error):
                return f"the program has failed: {error.type}: {visible(error.message)}"
            case vm.Suspended(requests=requests):
                return f"the program waits for {counted(len(requests), 'effect')}"


def document_of(moment: Moment) -> dict[str, Any]:
    """The JSON document."""
    run, at = moment.run, moment.standing
    document: dict[str, Any] = {
        "run": moment.name,
        "at": moment.at,
        "events": len(moment.events),
        "event": {"type": moment.event.type, "time": moment.event.time},
        "phase": run.phase,
        "paused": run.paused,
        "waiting": sorted(run.waiting),
        "journal": [_entry_document(key, entry) for key, entry in run.journal.items()],
        "limits": run.accepted_task.limits.model_dump(),
        "spent": {"tool_calls": run.spent.tool_calls, "tokens": run.spent.tokens, "usd": run.spent.usd},
        "deadline": run.deadline,
        "remaining": run.remaining,
        "plan": moment.plan or None,
        "program": None,
    }
    if at is not None:
        document["program"] = {
            "stands": type(at.step).__name__.lower(),
            "lanes": [_lane_document(lane, run) for lane in at.lanes],
        }
        if isinstance(at.step, vm.Finished):
            document["program"]["value"] = plain(at.step.value)
        if isinstance(at.step, vm.Trapped):
            error = at.step.error
            module, *place = at.source_map.place(error.site) or (None,)
            document["program"]["error"] = {
                "type": error.type,
                "message": error.message,
                "module": module,
                "position": place or None,
            }
    return document


def _entry_document(key: str, entry: Entry) -> dict[str, Any]:
    return {
        "effect": key,
        "tool": entry.tool,
        "settlement": entry.settlement,
        "arguments": None if entry.arguments is None else plain(decode(entry.arguments)),
        "result": plain(decode(entry.result)),
        "error": None if entry.error is None else entry.error.model_dump(),
    }


def _lane_document(lane: LaneView, run: Run) -> dict[str, Any]:
    request, error = lane.request, lane.error
    return {
        "lane": lane.path,
        "status": lane.status,
        "fuel": lane.fuel,
        "memory": lane.memory,
        "waits_for_lanes": lane.group,
        "value": lane.value,
        "error": None if error is None else {"type": error.type, "message": error.message},
        "asks": None
        if request is None
        else {
            "effect": request.key,
            "capability": request.capability,
            "arguments": plain(request.arguments),
            "settlement": _settlement(run, request.key),
        },
        "calls": [
            {
                "function": call.function,
                "position": call.position,
                "module": call.module,
                "step": call.step,
                "progress": call.progress,
                "locals": {each.name: each.value for each in call.locals},
            }
            for call in lane.calls
        ],
    }


def _settlement(run: Run, key: str) -> str | None:
    entry = run.journal.get(key)
    return None if entry is None else entry.settlement


def rendered(moment: Moment, width: int) -> list[RenderableType]:
    """The same for people."""
    run = moment.run
    title = f"run {moment.name} after event {moment.at} of {len(moment.events)}"
    parts: list[RenderableType] = [Rule(title, align="left", style="dim")]
    line = line_of(moment.event)
    if line is not None:
        parts.append(render_line(line, parse_time(moment.events[0].time), width))
    parts.append(_head(moment))
    if run.journal:
        parts += [Rule("journal", align="left", style="dim"), _journal(run)]
    parts.append(Rule("program", align="left", style="dim"))
    if moment.standing is None:
        return [*parts, Text(moment.program_words())]
    step = moment.standing.step
    if isinstance(step, vm.Trapped):
        place = moment.standing.source_map.place(step.error.site)
        module, position = (None, None) if place is None else (place[0], place[1:])
        text = moment.plan if module is None else ""
        return [*parts, _source(pointed(text, position, moment.program_words(), module), "red")]
    if isinstance(step, vm.Finished):
        return [*parts, Text(moment.program_words()), render_result(encode(step.value))]
    for lane in moment.standing.lanes:
        parts += _lane(lane, moment)
    return parts


def _head(moment: Moment) -> Table:
    run, limits = moment.run, moment.run.accepted_task.limits
    paused = ", paused" if run.paused else ""
    waits = f", waits for {', '.join(sorted(run.waiting))}" if run.waiting else ""
    spent = [f"{run.spent.tool_calls} of {counted(limits.tool_calls, 'tool call')}"]
    if limits.tokens or run.spent.tokens:
        spent.append(f"{run.spent.tokens} of {counted(limits.tokens, 'token')}")
    if limits.usd or run.spent.usd:
        spent.append(f"{run.spent.usd:.4f} of {limits.usd:.2f} USD")
    table = Table.grid(padding=(0, 2))
    table.add_row(Text("status", style="dim"), Text(f"{run.phase}{paused}{waits}", STYLES.get(run.phase, "")))
    table.add_row(Text("spent", style="dim"), Text(", ".join(spent)))
    if run.remaining is not None:
        table.add_row(
            Text("time", style="dim"), Text(f"stands still, {run.remaining:.2f} of {limits.seconds:g} s left")
        )
    elif run.deadline is not None and not run.ended:
        left = (parse_time(run.deadline) - parse_time(moment.event.time)).total_seconds()
        table.add_row(Text("time", style="dim"), Text(f"{max(0.0, left):.2f} of {limits.seconds:g} s left"))
    return table


def _journal(run: Run) -> Table:
    # Only a table that fills the screen gives its last columns what the others leave.
    table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
    for name in ("effect", "tool", "is"):
        table.add_column(name, no_wrap=True)
    for name in ("asked", "answered"):
        table.add_column(name, ratio=1, no_wrap=True, overflow="ellipsis")
    for key, entry in run.journal.items():
        table.add_row(key, entry.tool, entry.settlement, *(Text(visible(each)) for each in _said(entry)))
    return table


def _said(entry: Entry) -> tuple[str, str]:
    """What an effect was asked and answered, written as the program's values are."""
    given = {} if entry.arguments is None else decode(entry.arguments)
    assert isinstance(given, dict), "arguments have names"
    asked = print_value({Keyword(str(name)): value for name, value in given.items()}, LONGEST_CELL)
    if entry.error is not None:
        return asked, f"{entry.error.type}: {entry.error.message}"
    if entry.settlement is not Settlement.COMPLETED:
        return asked, ""
    return asked, print_value(decode(entry.result), LONGEST_CELL)


def _lane(lane: LaneView, moment: Moment) -> list[RenderableType]:
    name = f"lane {lane.path.rstrip('/')}" if lane.path else "main lane"
    used = f"{lane.fuel} units of fuel, {lane.memory} cells of memory"
    parts: list[RenderableType] = [Text.assemble((name, "bold"), "  ", _waits(lane, moment.run), (f"  {used}", "dim"))]
    for call in lane.calls[:MOST_CALLS]:
        parts.append(Padding(_call(call, moment.plan), _INDENT))
        if call.locals:
            parts.append(Padding(_locals(call), (0, 0, 0, 4)))
    if len(lane.calls) > MOST_CALLS:
        parts.append(Padding(Text(f"… {counted(len(lane.calls) - MOST_CALLS, 'more call')}", style="dim"), _INDENT))
    return parts


def _waits(lane: LaneView, run: Run) -> Text:
    if lane.request is not None:
        settlement = _settlement(run, lane.request.key)
        known = f", which is {settlement}" if settlement else ", which is not recorded yet"
        return Text(f"waits for effect {lane.request.key}, {lane.request.capability}{known}")
    if lane.group:
        return Text(f"waits for lanes {', '.join(path.rstrip('/') for path in lane.group)}")
    if lane.error is not None:
        return Text(f"has failed: {lane.error.type}: {visible(lane.error.message)}", style="red")
    return Text(f"has given {visible(lane.value or '')}")


def _call(call: Call, plan: str) -> Text:
    name = f"`{call.function}`" if call.function else "a function without a name"
    where = f"{PROGRAM if call.function == PROGRAM else name}{f', step {call.step}' if call.step else ''}"
    if call.progress is not None:
        return Text(f"in {where}: {call.progress}", style="dim")
    text = plan if call.module is None else ""
    return _source(pointed(text, call.position, f"in {where}", call.module), "")


def _source(text: str, style: str) -> Text:
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _locals(call: Call) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in call.locals:
        table.add_row(Text(each.name, style="cyan"), Text(visible(each.value)))
    return table
