"""A module as text for people: one line an instruction, with what its operands stand for."""

from __future__ import annotations

from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.bytecode.module import FunctionCode, ModuleParts
from domain.rtfs.bytecode.operations import OPERANDS, Op, OperandKind
from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.printer import print_value
from domain.rtfs.types import print_type


def disassemble(module: bytes, source_map: SourceMap | None = None) -> str:
    """Show a module; with its source map, also the line of each instruction. Raises ``ModuleInvalid``."""
    parts = decode_module(module)
    lines = [f"rtfs {parts.language}, {len(module)} bytes"]
    lines.extend(f"takes {name} {print_type(each)}" for name, each in parts.parameters)
    lines.append(f"gives {print_type(parts.output)}")
    lines.extend(f"may call {each.name} version {each.version} ({each.mode})" for each in parts.effects)
    site = 0
    for number, code in enumerate(parts.functions):
        lines.extend(["", *_function(parts, number, code, site, source_map)])
        site += len(code.instructions)
    return "\n".join(lines) + "\n"


def _function(
    parts: ModuleParts, number: int, code: FunctionCode, site: int, source_map: SourceMap | None
) -> list[str]:
    rest = " and the rest" if code.rest else ""
    held = f", holds {code.captures}" if code.captures else ""
    lines = [f"function {number}: {code.parameters} parameters{rest}{held}, {code.registers} registers"]
    names = _constants(parts, code)
    for place, instruction in enumerate(code.instructions):
        operands = " ".join(_operands(parts, names, instruction))
        position = source_map.position(site + place) if source_map is not None else None
        where = f"  ; line {position[0]}" if position is not None else ""
        lines.append(f"  {place:4}  {Op(instruction[0]).name.lower():13} {operands}{where}")
    lines.extend(
        f"  errors in {each.start}..{each.end - 1} go to {each.target} with r{each.register}" for each in code.handlers
    )
    return lines


def _constants(parts: ModuleParts, code: FunctionCode) -> dict[int, str]:
    """Name the registers of constants by what they hold."""
    return {
        code.first_constant + place: parts.library[each.place]
        if each.library
        else print_value(parts.constants[each.place], 40)
        for place, each in enumerate(code.constants)
    }


def _operands(parts: ModuleParts, names: dict[int, str], instruction: tuple[int, ...]) -> list[str]:
    shown: list[str] = []
    at = 1
    for kind in OPERANDS[Op(instruction[0])]:
        value = instruction[at]
        at += 1
        if kind in ("reads", "pairs", "named"):
            width = 1 if kind == "reads" else 2
            items = instruction[at : at + value * width]
            at += len(items)
            registers = [
                f"p{each}" if kind == "named" and not place % 2 else _register(names, each)
                for place, each in enumerate(items)
            ]
            shown.append(f"({' '.join(registers)})")
        else:
            shown.append(_operand(parts, names, kind, value))
    return shown


def _register(names: dict[int, str], register: int) -> str:
    return names.get(register, f"r{register}")


def _operand(parts: ModuleParts, names: dict[int, str], kind: OperandKind, value: int) -> str:
    if kind in ("read", "write"):
        return _register(names, value)
    if kind == "library":
        return parts.library[value]
    if kind == "effect":
        return parts.effects[value].name
    if kind == "hints":
        return print_value(parts.constants[value], 40)
    if kind == "type":
        return print_type(parts.types[value])
    return f"function {value}" if kind in ("function", "sibling") else f"to {value}"
