"""Two runs side by side, aligned by effect key: the first difference, and what else differs after it.

What is compared is what a run was asked, what it asked the world and what came of it. Times, durations, claims and
costs are not: two runs of the same task are the same although one was slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from domain.runs.differences import ABSENT, Difference, differences
from domain.runs.state import Entry, Run

How = Literal["differs", "missing", "added"]
"""``missing``: only the first run has it. ``added``: only the second."""

TASK_FIELDS: Final = ("goal", "input", "output", "tools", "approvals", "agent", "checks", "model", "limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing in which two runs differ."""

    kind: Literal["task", "inputs", "plan", "program", "model", "effect", "verdict", "output", "error", "status"]
    where: str
    """Field of the task, or effect key; empty for what a run has once."""
    how: How
    what: str
    """For people: which part of it differs."""
    differences: tuple[Difference, ...] = ()
    """The first places at which the two values differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All in which two runs differ, causes before consequences."""

    changes: tuple[Change, ...]
    alike: int
    """Effects that are the same in both: tool, arguments and outcome."""

    @property
    def first(self) -> Change | None:
        """The first difference; None where the runs are the same."""
        return self.changes[0] if self.changes else None

    @property
    def consequences(self) -> tuple[Change, ...]:
        """What differs after the first."""
        return self.changes[1:]


def compare(one: Run, other: Run) -> Comparison:
    """Compare two runs that have been submitted, whether they have ended or not."""
    effects = list(_effects(one.journal, other.journal))
    changes = [
        *_asked(one, other),
        *_planned(one, other),
        *(change for change in effects if change is not None),
        *_ended(one, other),
    ]
    return Comparison(changes=tuple(changes), alike=sum(change is None for change in effects))


def _asked(one: Run, other: Run) -> Iterator[Change]:
    ours, theirs = one.accepted_task, other.accepted_task
    for name in TASK_FIELDS:
        a, b = _json(getattr(ours, name)), _json(getattr(theirs, name))
        if a != b:
            yield Change(kind="task", where=name, how="differs", what=name, differences=differences(a, b))
    if found := differences(ours.inputs, theirs.inputs):
        yield Change(kind="inputs", where="", how="differs", what="inputs", differences=found)


def _json(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else value


def _planned(one: Run, other: Run) -> Iterator[Change]:
    for key in {**one.answers, **other.answers, **one.refusals, **other.refusals}:
        a, b = _said(one, key), _said(other, key)
        if a != b:
            yield _change("model", key, a, b, "answer")
    a, b = (run.drafts[-1].source if run.drafts else ABSENT for run in (one, other))
    if a != b:
        yield _change("plan", "", a, b, "plan")
    a, b = (ABSENT if run.program is None else run.program.digest for run in (one, other))
    if a != b:
        yield _change("program", "", a, b, "digest")


def _said(run: Run, key: str) -> Any:
    if key in run.answers:
        return run.answers[key].text
    return run.refusals[key].type if key in run.refusals else ABSENT


def _effects(one: Mapping[str, Entry], other: Mapping[str, Entry]) -> Iterator[Change | None]:
    """For each effect of either run how it differs; None where it does not."""
    for key in _in_order(list(one), list(other)):
        a, b = one.get(key), other.get(key)
        if a is None or b is None:
            there = a or b
            assert there is not None, "one of them has it"
            yield Change(kind="effect", where=key, how="added" if a is None else "missing", what=there.tool)
        else:
            yield _effect(key, a, b)


def _in_order(one: Sequence[str], other: Sequence[str]) -> list[str]:
    """Keys of both: those of the first in their order, each of the second's own behind what it follows there."""
    place: dict[str, tuple[int, int]] = {key: (number, 0) for number, key in enumerate(one)}
    after = -1
    for number, key in enumerate(other, start=1):
        if key in place:
            after = max(after, place[key][0])
        else:
            place[key] = (after, number)
    return sorted(place, key=lambda key: place[key])


def _effect(key: str, a: Entry, b: Entry) -> Change | None:
    if a.tool != b.tool:
        return _change("effect", key, a.tool, b.tool, "tool")
    if a.arguments is not None and b.arguments is not None and (found := differences(a.arguments, b.arguments)):
        return Change(kind="effect", where=key, how="differs", what=f"arguments of {a.tool}", differences=found)
    if a.request_digest != b.request_digest:
        return _change("effect", key, a.request_digest, b.request_digest, f"version of {a.tool}")
    if a.settlement is not b.settlement:
        return _change("effect", key, a.settlement.value, b.settlement.value, f"outcome of {a.tool}")
    if found := differences(a.result, b.result):
        return Change(kind="effect", where=key, how="differs", what=f"result of {a.tool}", differences=found)
    if a.error != b.error:
        return _change("effect", key, _json(a.error), _json(b.error), f"error of {a.tool}")
    return None


def _ended(one: Run, other: Run) -> Iterator[Change]:
    if one.phase is not other.phase:
        yield _change("status", "", one.phase.value, other.phase.value, "status")
    if (a := _verdict(one)) != (b := _verdict(other)):
        yield _change("verdict", "", a, b, "verdict")
    if one.phase is other.phase and (found := differences(one.output, other.output)):
        yield Change(kind="output", where="", how="differs", what="output", differences=found)
    if (a := _error(one)) != (b := _error(other)):
        yield _change("error", "", a, b, "error")


def _verdict(run: Run) -> Any:
    return ABSENT if run.verdict is None else [run.verdict.passed, list(run.verdict.findings)]


def _error(run: Run) -> Any:
    return ABSENT if run.error is None else {**_json(run.error.error), "effect": run.error.effect}


def _change(kind: Any, where: str, a: Any, b: Any, what: str) -> Change:
    how: How = "added" if a is ABSENT else "missing" if b is ABSENT else "differs"
    found = (Difference("", a, b),) if ABSENT in (a, b) else differences(a, b)
    return Change(kind=kind, where=where, how=how, what=what, differences=found)
