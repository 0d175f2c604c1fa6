"""A run under the tools of now: its plan compiled anew, what it was answered brought into their present types."""

from __future__ import annotations

from collections.abc import Sequence

from commands.ports import ToolRunner
from commands.runs.planning import program_of
from domain.rtfs.source import LocatedError
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.planning import ProgramCompiled, ProgramReused
from domain.runs.replay import fold
from domain.runs.upcasting import upcasted


def under_present_tools(tools: ToolRunner, events: Sequence[RunEvent]) -> Sequence[RunEvent]:
    """The events of a run as they would be with these tools; as they are where it has no program.

    Raises ``NoUpcast``; ``ReplayDiverged`` where the plan does not compile with these tools.
    """
    programs = [_compiled(tools, events[: place + 1]) for place in _programs(events)]
    if not programs:
        return events
    upcasts = {name: declaration.upcasts for name, declaration in tools.declarations().items()}
    return upcasted(events, programs, upcasts)


def _programs(events: Sequence[RunEvent]) -> list[int]:
    return [place for place, event in enumerate(events) if isinstance(event, ProgramCompiled)]


def _compiled(tools: ToolRunner, events: Sequence[RunEvent]) -> ProgramCompiled:
    """The program with which these events end, compiled for the tools of now."""
    before = events[-1]
    try:
        program = program_of(tools, fold(events))
    except LocatedError as error:
        raise ReplayDiverged("program", "a plan that compiles", str(error)) from error
    if not isinstance(before, ProgramReused):
        return program
    same = ("digest", "interface_hash", "effects", "module", "source_map")
    return before.model_copy(update={name: getattr(program, name) for name in same})
