"""The plans that people give: a file with one, a task that has one, or an expression."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from domain.kernel.values import Value
from domain.rtfs.capability import Capability
from domain.rtfs.modules import Resolver, resolver_of
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import ANY, Type
from domain.runs.effects import CONTROLLER_CAPABILITIES
from domain.runs.hints import check_hints
from domain.runs.task import Limits, TaskFile, TaskInvalid, accept
from infra.bootstrap.tools import tool_runner
from infra.cli.documents import source_of, task_of, text_of
from infra.cli.rtfs.modules import modules_beside, with_modules
from infra.settings import Settings

TASK_FILES: Final = (".yaml", ".yml")
PLAN_FILES: Final = (".rtfs", *TASK_FILES)

file_argument = click.argument("file", metavar="FILE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan's text and what it is compiled for."""

    source: str
    capabilities: Mapping[str, Capability]
    input: Type = ANY
    output: Type | None = None
    inputs: Value = None
    """What a task gives the plan; None where there is no task."""
    rights: tuple[str, ...] | None = None
    """What a task lets the plan call; None where there is no task."""
    modules: Resolver | None = None
    """Where its imports are looked up; None where it may have none."""

    def compiled(self) -> Program:
        """The program. Raises ``ReadError``, ``CompileError``."""
        program = compile_program(
            self.source,
            parameters={"inputs": self.input},
            output=self.output,
            capabilities=self.capabilities,
            modules=self.modules,
        )
        if self.rights is not None:
            check_hints(program, self.source, self.modules)
        return program


def read_plan(file: str, settings: Settings) -> Plan:
    """The plan in a file; a task is accepted as a worker would.

    Raises ``DocumentInvalid``, ``TaskInvalid``, ``ReadError``.
    """
    known = known_capabilities(settings)
    if not file.endswith(TASK_FILES):
        return Plan(source=source_of(file), capabilities=known, modules=modules_beside(Path(file).parent))
    document = with_modules(task_of(text_of(file), file), Path(file).parent)
    task = accept(TaskFile.read(document), known, Limits())
    if task.plan is None:
        raise TaskInvalid(
            f"{file}: the task brings no plan, so there is nothing to compile before a planner drafts one"
        )
    return Plan(
        source=task.plan,
        capabilities={name: known[name] for name in task.tools},
        input=task.input_type,
        output=task.output_type,
        inputs=task.input_values,
        rights=tuple(task.tools),
        modules=resolver_of(task.modules),
    )


def is_file(given: str) -> bool:
    """Whether an argument that may be an expression names a file instead."""
    return given == "-" or given.endswith(PLAN_FILES) or ("\n" not in given and len(given) < 4096 and _exists(given))


def _exists(given: str) -> bool:
    try:
        return Path(given).is_file()
    except (OSError, ValueError):
        return False


def known_capabilities(settings: Settings) -> dict[str, Capability]:
    """Everything that plans may call here: tools, and what a run's controller answers."""
    declared = tool_runner(settings).declarations()
    return {**{name: each.capability for name, each in declared.items()}, **CONTROLLER_CAPABILITIES}
