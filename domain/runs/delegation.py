"""Who may answer a task, and at what cost: the engine that delegates is this table, and takes the first that can.

========== ============================================ =================== =====================================
target     answers when                                 money               time
========== ============================================ =================== =====================================
program    one was published for a goal like this       none                some 10 ms and its effects
tool       the goal is a tool's own words, the types    none                one call
           of inputs and output are the tool's
model      it is configured: small, standard, large     its price a token   seconds
person     nobody else can                              a person's          hours
========== ============================================ =================== =====================================

A task that names its model is answered by no other model; with ``model: {name: auto}`` the smallest is asked first, and
the next one after each plan that does not compile. What answered in the end is remembered for tasks of the same shape.

A program or a tool whose output the critic rejects, or that stops, gives way to the next target, unless it has changed
something in the world; that it did is on the record (``ReuseSettled``, of level L4 or L1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from domain.kernel.values import digest_json
from domain.rtfs.capability import Capability
from domain.rtfs.types import Record, print_type
from domain.runs.task import Task

AUTO: Final = "auto"
"""Name of a task's model that leaves the choice to this table."""

VERSION: Final = "delegation/1"
"""Version of these rules, which is in the key of what is remembered."""


def shape(task: Task) -> str:
    """Digest of what two tasks have in common that the same target can answer: all but the values of the inputs."""
    return digest_json(
        {
            "goal": task.goal,
            "input": task.input,
            "output": task.output,
            "tools": sorted(task.tools),
            "checks": list(task.checks),
            "model": task.model.name,
        }
    )


TIERS: Final = ("small", "standard", "large")
"""Sizes of models, the cheapest first."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One model as a target."""

    tier: str = "standard"
    price: float = 0.0
    """US dollars for a million tokens sent and a million answered."""


def ladder(task: Task, models: Mapping[str, Rung]) -> tuple[str, ...]:
    """Models that may be asked, in the order in which they are: the smallest first, then by price and name."""
    if task.model.name != AUTO or AUTO in models:
        return (task.model.name,) if task.model.name in models else ()
    return tuple(sorted(models, key=lambda name: (TIERS.index(models[name].tier), models[name].price, name)))


def asked_next(rungs: tuple[str, ...], first: str | None, rejected: int) -> str | None:
    """The model for the next draft, after so many that were rejected; None where there is none."""
    if not rungs:
        return None
    start = rungs.index(first) if first in rungs else 0
    return rungs[min(start + rejected, len(rungs) - 1)]


def tool_for(task: Task, capabilities: Mapping[str, Capability]) -> Capability | None:
    """The tool that the task asks for in the tool's own words, with its types; None where no single one does."""
    if task.approvals or not _words(task.goal):
        return None
    found = [
        capability
        for capability in capabilities.values()
        if _words(task.goal) in (_words(capability.name), _words(capability.doc)) and _fits(task, capability)
    ]
    return found[0] if len(found) == 1 else None


def _words(text: str) -> str:
    return " ".join(text.split()).rstrip(".").casefold()


def _fits(task: Task, capability: Capability) -> bool:
    inputs = task.input_type
    if not isinstance(inputs, Record) or print_type(task.output_type) != print_type(capability.result):
        return False
    given = {field.key: print_type(field.type) for field in inputs.fields if field.required}
    taken = {parameter.name: print_type(parameter.type) for parameter in capability.parameters}
    required = {parameter.name for parameter in capability.parameters if parameter.required}
    return required <= given.keys() and given.items() <= taken.items() and len(given) == len(inputs.fields)


def plan_of(task: Task, capability: Capability) -> str:
    """The plan that hands the inputs to the tool and gives its result."""
    inputs = task.input_type
    assert isinstance(inputs, Record), "only a map of inputs fits a tool"
    arguments = " ".join(f":{field.key} (:{field.key} inputs)" for field in inputs.fields)
    return f"(call :{capability.name} {{{arguments}}})"
