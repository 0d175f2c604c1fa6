"""A published program beside a model's: executed on what the run recorded, and on nothing else.

The program may ask in another order than the model's; an answer belongs to whoever asks the same of the same tool.
Nothing is asked of the world, so what the program wanted and the run had not cannot be compared.
"""

from __future__ import annotations

from typing import Any

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, decode, encode
from domain.rtfs import vm
from domain.runs.execution import ProgramExecution
from domain.runs.journal import asked_by
from domain.runs.planning import ProgramReused, ShadowCompared
from domain.runs.state import Run, Settlement


def compare_beside(run: Run, program: ProgramReused, output: Value) -> ShadowCompared:
    """Whether the program would have given the run's output. Total."""
    if run.program is not None and run.program.digest == program.digest:
        return ShadowCompared(entry=program.entry, agreed=True, reason="the model came to the same program")
    try:
        agreed, reason = _executed(run, program, output)
    except PrecedentError as error:
        agreed, reason = None, f"{error.code}: {error}"
    return ShadowCompared(entry=program.entry, agreed=agreed, reason=reason[:1_000])


def _executed(run: Run, program: ProgramReused, output: Value) -> tuple[bool | None, str]:
    known = {entry.request_digest: entry for entry in run.journal.values() if entry.settlement is Settlement.COMPLETED}
    execution = ProgramExecution(program, run.accepted_task.input_values)
    step = execution.start()
    while isinstance(step, vm.Suspended | vm.Yielded):
        answers: dict[str, vm.Answer] = {}
        for request in step.requests if isinstance(step, vm.Suspended) else ():
            asked = asked_by(program, request)
            entry = known.get(asked.digest)
            if entry is None:
                return None, f"it asks {asked.tool} for what the run did not"
            answers[request.key] = vm.Returned(decode(entry.result))
        step = execution.resume(answers)
    if isinstance(step, vm.Trapped):
        return False, f"it stops: {step.error.type}: {step.error.message}"
    same = encode(step.value) == encode(output)
    return same, "it gives the same output" if same else f"it gives another output: {_short(step.value)}"


def _short(value: Any) -> str:
    text = repr(encode(value))
    return text if len(text) <= 300 else f"{text[:300]}…"
