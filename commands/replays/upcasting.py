"""A run under the tools of now: its plan compiled anew, what it was answered brought into their present types."""

from __future__ import annotations

from collections.abc import Sequence

from commands.ports import ToolRunner
from commands.runs.planning import program_of
from domain.rtfs.source import LocatedError
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.replay import fold
from domain.runs.upcasting import upcasted


def under_present_tools(tools: ToolRunner, events: Sequence[RunEvent]) -> Sequence[RunEvent]:
    """The events of a run as they would be with these tools; as they are where it has no program.

    Raises ``NoUpcast``; ``ReplayDiverged`` where the plan does not compile with these tools.
    """
    run = fold(events)
    if run.program is None:
        return events
    try:
        program = program_of(tools, run)
    except LocatedError as error:
        raise ReplayDiverged("program", "a plan that compiles", str(error)) from error
    upcasts = {name: declaration.upcasts for name, declaration in tools.declarations().items()}
    return upcasted(events, program, upcasts)
