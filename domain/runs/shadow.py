"""A published program beside a model's: executed on what the run recorded, and on nothing else.

The program may ask in another order than the model's; an answer belongs to whoever asks the same of the same tool.
Nothing is asked of the world, so what the program wanted and the run had not cannot be compared. What the run changed
in the world is part of what it gave: a program that leaves it out differs, whatever its output.
"""

from __future__ import annotations

from typing import Any, Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, encode
from domain.rtfs import vm
from domain.runs.execution import ProgramExecution
from domain.runs.journal import answer_of, asked_by
from domain.runs.planning import ProgramReused, ShadowCompared
from domain.runs.reuse import HARMLESS
from domain.runs.slices import Sliced
from domain.runs.state import Run, Settlement

_SETTLED: Final = frozenset({Settlement.COMPLETED, Settlement.FAILED, Settlement.DENIED})


def comparing_beside(run: Run, program: ProgramReused, output: Value) -> Sliced[ShadowCompared]:
    """Whether the program would have given the run's output. Total."""
    if run.program is not None and run.program.digest == program.digest:
        return ShadowCompared(entry=program.entry, agreed=True, reason="the model came to the same program")
    try:
        agreed, reason = yield from _executed(run, program, output)
    except PrecedentError as error:
        agreed, reason = None, f"{error.code}: {error}"
    return ShadowCompared(entry=program.entry, agreed=agreed, reason=reason[:1_000])


def _executed(run: Run, program: ProgramReused, output: Value) -> Sliced[tuple[bool | None, str]]:
    known = {entry.request_digest: entry for entry in run.journal.values() if entry.settlement in _SETTLED}
    left = _changes(run)
    execution = ProgramExecution(program, run.accepted_task.input_values)
    step = execution.start()
    while isinstance(step, vm.Suspended | vm.Yielded):
        answers: dict[str, vm.Answer] = {}
        for request in step.requests if isinstance(step, vm.Suspended) else ():
            asked = asked_by(program, request)
            entry = known.get(asked.digest)
            if entry is None:
                return None, f"it asks {asked.tool} for what the run did not"
            left.pop(asked.digest, None)
            answer = answer_of(entry, asked)
            assert answer is not None, "settled effects have an answer"
            answers[request.key] = answer
        yield
        step = execution.resume(answers)
    if isinstance(step, vm.Trapped):
        return False, f"it stops: {step.error.type}: {step.error.message}"
    if left:
        return False, f"it leaves out {', '.join(sorted(set(left.values())))}"
    same = encode(step.value) == encode(output)
    return same, "it gives the same output" if same else f"it gives another output: {_short(step.value)}"


def _changes(run: Run) -> dict[str, str]:
    """Tools that changed something, by the digest of the request."""
    mode = {} if run.program is None else {effect.name: effect.mode for effect in run.program.effects}
    return {
        entry.request_digest: entry.tool
        for entry in run.journal.values()
        if entry.settlement in _SETTLED and mode.get(entry.tool, "external") not in HARMLESS
    }


def _short(value: Any) -> str:
    text = repr(encode(value))
    return text if len(text) <= 300 else f"{text[:300]}…"
