"""The critic judges an output in layers: its type, then the caller's postconditions. The first that fails decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from domain.kernel.values import Value, digest
from domain.rtfs.types import mismatch
from domain.rtfs.vm import Finished, Limits, Trapped, Yielded, load, resume, start
from domain.runs.events import VerdictReached
from domain.runs.parts import Decision
from domain.runs.task import Task, compile_check

_NOT_TRUE: Final = " is not true"
_STOPPED: Final = " stopped: "

CHECK_FUEL: Final = 1_000_000
"""Abstract cost that one postcondition may use."""


def judge(task: Task, output: Value, saw: str | None = None) -> VerdictReached:
    """Verdict on an output, whose digest is ``saw`` where that is known already."""
    saw = saw or digest(output)
    wrong = mismatch(output, task.output_type)
    if wrong is not None:
        return _verdict(task, saw, "output-type", (wrong,))
    findings = tuple(finding for check in task.checks if (finding := _failing(task, check, output)) is not None)
    return _verdict(task, saw, "postconditions" if task.checks else "output-type", findings)


def _failing(task: Task, check: str, output: Value) -> str | None:
    module = load(compile_check(check, task.input_type, task.output_type))
    step = start(module, {"inputs": task.input_values, "output": output}, Limits(fuel=CHECK_FUEL))
    while isinstance(step, Yielded):
        step = resume(step.state, {})
    if isinstance(step, Finished) and step.value is True:
        return None
    if isinstance(step, Trapped):
        return f"{check}{_STOPPED}{step.error.message}"
    return f"{check}{_NOT_TRUE}"


def is_about(check: str) -> Callable[[str], bool]:
    """Whether a finding is of this postcondition."""
    return lambda finding: finding == f"{check}{_NOT_TRUE}" or finding.startswith(f"{check}{_STOPPED}")


def _verdict(task: Task, saw: str, layer: str, findings: tuple[str, ...]) -> VerdictReached:
    passed = not findings
    reason = "; ".join(findings) if findings else f"type and {len(task.checks)} postconditions hold"
    choice = Decision(
        role="critic", chosen="accept" if passed else "reject", options=("accept", "reject"), reason=reason, saw=saw
    )
    return VerdictReached(passed=passed, layer=layer, findings=findings, decision=choice)
