"""What helps with the error of a program, beyond what its run recorded: found by executing it on the journal again."""

from __future__ import annotations

from typing import Final

from domain.kernel.errors import PrecedentError
from domain.rtfs.vm import Trapped
from domain.runs.replay import execute
from domain.runs.state import Run

HINTED: Final = frozenset({"integer-overflow", "function-in-data", "type-mismatch", "output-mismatch"})
"""Errors of the language that may come with a hint."""


def hint_of(run: Run) -> str | None:
    """The hint beside the error that a program failed with, if there is one. Pure: no tool is called."""
    if run.error is None or run.error.error.type not in HINTED or run.program is None or run.verdict is not None:
        return None
    try:
        step = execute(run, run.program)
    except PrecedentError:  # whoever replays the run is told
        return None
    return step.error.hint if isinstance(step, Trapped) else None
