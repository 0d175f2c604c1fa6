"""The entries of BFCL as tasks without a plan: their goal is what the user says, and a model is to find the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final, Literal

from domain.kernel.values import Json, format_time
from infra.bench.bfcl.catalogue import Catalogue
from infra.bench.bfcl.check import compile_entry
from infra.bench.bfcl.corpus import CATEGORIES, Corpus, Entry
from infra.bench.bfcl.plans import plan_of
from infra.bench.bfcl.submitting import output_of
from infra.bench.bfcl.world import INPUT_TYPE, inputs_of

MORE_FUNCTIONS: Final = "I have updated some more functions you can choose from. What about now?"
"""What the package's own runner says for the user in a turn in which functions are added instead of something asked
(``DEFAULT_USER_PROMPT_FOR_ADDITIONAL_FUNCTION_FC`` of ``bfcl_eval/constants/default_prompts.py``)."""

Form = Literal["calls", "turns"]
"""What a task is to give: the results of all calls in order, or the same turn by turn.

The four variants of a task differ in their turns and mostly not in their calls. By calls, goals that are nearly the
same mostly have the same answer; by turns, goals that are nearly the same have different ones.
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """An entry as a task for a model."""

    entry: Entry
    """In the form that is asked for: by calls it has a single turn."""
    goal: str
    tools: tuple[str, ...]
    """All tools of its classes but those that the entry never has, as BFCL offers them."""
    plan: str
    """The ground truth as a program."""
    program: str
    """Digest of its module."""
    expected: Json
    """The output of the ground truth, executed by the package itself."""

    @property
    def variant(self) -> str:
        """Which of the four variants of its task it is."""
        return variant_of(self.entry.id)


@dataclass(frozen=True, slots=True)
class Workload:
    """Tasks in file order."""

    form: Form
    tasks: tuple[Asked, ...]

    @property
    def programs(self) -> int:
        """How many programs the ground truth has: each must be asked for once at least."""
        return len({task.program for task in self.tasks})

    @property
    def plans(self) -> dict[str, str]:
        """By goal what a model answers that is always right where it can be: the plan of the first entry that asks."""
        return {task.goal: task.plan for task in reversed(self.tasks)}

    @property
    def untold(self) -> frozenset[str]:
        """Entries whose goal asks word for word for what another entry's has another program for.

        What the right one is follows from the data alone, which neither a model is shown nor a goal says.
        """
        plans = self.plans
        return frozenset(task.entry.id for task in self.tasks if plans[task.goal] != task.plan)

    def submissions(self, levels: Sequence[str], now: datetime) -> dict[str, dict[str, Any]]:
        """Task files by entry."""
        return {task.entry.id: _task_file(task, levels, now) for task in self.tasks}


def variant_of(entry: str) -> str:
    """The variant in the id of an entry: ``multi_turn_miss_param_7`` is of ``miss_param``."""
    return entry.removeprefix("multi_turn_").rpartition("_")[0]


def first_of_each(corpus: Corpus, entries: int | None, categories: Sequence[str] = CATEGORIES) -> list[Entry]:
    """So many entries, as many of each variant and of the same tasks, in file order; all of them when None."""
    each = None if entries is None else -(-entries // len(categories))
    found = [entry for category in categories for entry in islice(corpus.entries((category,)), each)]
    return found[:entries]


def workload(entries: Sequence[Entry], truths: Sequence[Sequence[Any]], catalogue: Catalogue, form: Form) -> Workload:
    """Tasks of these entries. ``truths``: results of the calls of each, as the package's own runner has them."""
    return Workload(
        form, tuple(_asked(entry, truth, catalogue, form) for entry, truth in zip(entries, truths, strict=True))
    )


def goal_of(entry: Entry) -> str:
    """All that the user says, a paragraph a turn."""
    return "\n\n".join("\n".join(turn) or MORE_FUNCTIONS for turn in entry.asked)


def _asked(entry: Entry, truth: Sequence[Any], catalogue: Catalogue, form: Form) -> Asked:
    shaped = entry if form == "turns" else replace(entry, turns=(entry.calls,))
    offered = [method.tool for method in catalogue.methods(entry.classes) if method.name not in entry.withheld]
    return Asked(
        entry=shaped,
        goal=goal_of(entry),
        tools=tuple(sorted(offered)),
        plan=plan_of(shaped, catalogue),
        program=compile_entry(shaped, catalogue).digest,
        expected=output_of(shaped, truth),
    )


def _task_file(task: Asked, levels: Sequence[str], now: datetime) -> dict[str, Any]:
    return {
        "goal": task.goal,
        "input": INPUT_TYPE,
        "inputs": {**inputs_of(task.entry, now), "now": format_time(now)},
        "tools": list(task.tools),
        "cache": {"levels": list(levels)},
    }
