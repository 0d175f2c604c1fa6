"""``rtfs explain-effects``: everything that a plan may ask of the world, where, and with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from domain.kernel.values import Value
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.bytecode.module import EffectSignature
from domain.rtfs.bytecode.operations import OPERATIONS, Op
from domain.rtfs.printer import print_value
from domain.rtfs.program import Program
from domain.rtfs.types import plain, print_type
from domain.rtfs.vm.loading import hints_of
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked
from infra.cli.output import counted
from infra.cli.rtfs.plans import Plan, file_argument, read_plan


@dataclass(frozen=True, slots=True)
class Place:
    """Where an effect is asked for."""

    line: int
    column: int
    step: str | None
    hints: Mapping[str, Value]
    """What the plan says of how it is to be made."""
    module: str | None
    """The imported module in whose text it is; None: the plan itself."""


@click.command(
    "explain-effects",
    epilog=examples(
        "precedent rtfs explain-effects plan.rtfs",
        "precedent rtfs explain-effects examples/word-count.yaml",
        "precedent rtfs explain-effects task.yaml --json | jq .unused",
    ),
)
@file_argument
@invoked
def explain_effects(cli: Invocation, file: str) -> int:
    """List the capabilities that the plan in FILE may call: version, mode, types, and the lines that call them.

    Nothing else can happen when the plan runs: the list is worked out by the compiler, and a task's plan that goes
    beyond its `tools` does not compile.
    """
    plan = read_plan(file, cli.settings())
    program = plan.compiled()
    rows = _rows(program)
    unused = _unused(plan, program)
    cli.output.document(
        {
            "file": file,
            "pure": not rows,
            "interface": program.interface_hash,
            "digest": program.digest,
            "effects": [_document(effect, places) for effect, places in rows],
            "unused": unused,
        }
    )
    cli.output.show(*_rendered(plan, program, rows, unused))
    return DONE


def _rows(program: Program) -> list[tuple[EffectSignature, list[Place]]]:
    parts = decode_module(program.module)
    places: list[list[Place]] = [[] for _ in parts.effects]
    instructions = [each for function in parts.functions for each in function.instructions]
    for site, instruction in enumerate(instructions):
        place = program.source_map.place(site)
        operation = OPERATIONS[instruction[0]]
        if operation in (Op.EFFECT, Op.HINTED_EFFECT) and place is not None:
            hints = hints_of(parts, instruction[3]) if operation is Op.HINTED_EFFECT else {}
            module, line, column = place
            places[instruction[2]].append(Place(line, column, program.source_map.step(site), hints, module))
    ordered = [sorted(each, key=lambda place: (place.module or "", place.line, place.column)) for each in places]
    return list(zip(parts.effects, ordered, strict=True))


def _unused(plan: Plan, program: Program) -> list[str]:
    """Rights of the task that the plan makes no use of."""
    used = {effect.name for effect in program.effects}
    return [name for name in plan.rights or () if name not in used]


def _document(effect: EffectSignature, places: list[Place]) -> dict[str, Any]:
    return {
        "name": effect.name,
        "version": effect.version,
        "mode": effect.mode,
        "parameters": [
            {"name": each.name, "type": print_type(each.type), "required": each.required} for each in effect.parameters
        ],
        "result": print_type(effect.result),
        "called": [
            {
                "line": each.line,
                "column": each.column,
                "module": each.module,
                "step": each.step,
                "hints": plain(dict(each.hints)),
            }
            for each in places
        ],
    }


def _rendered(
    plan: Plan, program: Program, rows: list[tuple[EffectSignature, list[Place]]], unused: list[str]
) -> list[RenderableType]:
    parts: list[RenderableType] = []
    if not rows:
        parts.append(Text.assemble(("pure", "green"), "  the plan asks nothing of the world: it can only compute"))
    for effect, places in rows:
        parts.append(Text.assemble((effect.name, "bold"), f"  version {effect.version}, {effect.mode}"))
        parts += [Padding(line, (0, 0, 0, 2)) for line in _lines(plan, effect, places)]
    if unused:
        rights = counted(len(unused), "right")
        parts.append(Text(f"the task gives {rights} that the plan makes no use of: {', '.join(unused)}", "yellow"))
    parts.append(Text(f"interface {program.interface_hash}", "dim"))
    return parts


def _lines(plan: Plan, effect: EffectSignature, places: list[Place]) -> list[Text]:
    source = plan.source.split("\n")
    lines = [
        Text(f"takes {each.name} {print_type(each.type)}{'' if each.required else ' (optional)'}")
        for each in effect.parameters
    ]
    lines.append(Text(f"gives {print_type(effect.result)}"))
    for place in places:
        step = f" in step {place.step}" if place.step else ""
        shown = source[place.line - 1].strip() if place.line <= len(source) and place.module is None else ""
        of = f" of {place.module}" if place.module is not None else ""
        hints = f" with {print_value(dict(place.hints), 80)}" if place.hints else ""
        text = Text(
            f"line {place.line}, column {place.column}{of}{step}{hints}{': ' if shown else ''}",
            no_wrap=True,
            overflow="ellipsis",
        )
        lines.append(text.append(shown, "dim"))
    return lines
