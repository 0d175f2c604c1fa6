"""Where a run's program stands: executed as far as the journal answers, and looked into. No effect is made."""

from __future__ import annotations

from dataclasses import dataclass

from domain.rtfs import vm
from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.vm.inspection import LaneView, inspect
from domain.runs.planning import ProgramCompiled
from domain.runs.replay import execute
from domain.runs.state import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A program in the middle of its execution, or at its end."""

    step: vm.Suspended | vm.Finished | vm.Trapped
    source_map: SourceMap
    lanes: tuple[LaneView, ...]
    """None once the program has ended."""


def standing(run: Run, program: ProgramCompiled) -> Standing:
    """Execute a run's program up to the effects that its journal does not answer.

    Raises ``ReplayDiverged`` where the program asks something else than what is recorded, ``ModuleInvalid``.
    """
    step = execute(run, program)
    source_map = SourceMap.decode(program.source_map.encode())
    lanes = inspect(step.state, source_map) if isinstance(step, vm.Suspended) else ()
    return Standing(step=step, source_map=source_map, lanes=lanes)
