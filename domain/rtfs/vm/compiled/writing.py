"""Single instructions as Python: registers are variables, constants are global names or stand in place.

What an instruction does not do in exactly the interpreter's way it does not do: it raises ``Interrupted``, or lets an
exception rise, and its line says at which instruction.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Final

from domain.rtfs.atoms import INT_MAX, INT_MIN
from domain.rtfs.bytecode.module import FunctionCode, ModuleParts
from domain.rtfs.bytecode.operations import OPERATIONS, Op
from domain.rtfs.functions import FUNCTIONS, Applying
from domain.rtfs.vm.code import Code
from domain.rtfs.vm.compiled.inlining import inline
from domain.rtfs.vm.compiled.kinds import BOOL, FUNCTION, INT, KEYWORD, NIL, STRING, State, analyse
from domain.rtfs.vm.compiled.templates import Holes, Line

FIRST_LINE: Final = 2
"""Line of instruction 0: what comes before it is on the line before."""

_SPEND_NOTHING_HELD: Final = frozenset({"=", "not=", "!="})
"""Metered functions that allocate nothing."""


class Writer:
    """Writes the instructions of one function of a module."""

    def __init__(self, parts: ModuleParts, codes: Sequence[Code], number: int, namespace: dict[str, Any]) -> None:
        self.parts = parts
        self.codes = codes
        self.runnable = codes[number]
        self.code: FunctionCode = parts.functions[number]
        self.namespace = namespace
        self.before: list[State | None] = analyse(parts, self.code)

    def line(self, place: int) -> Line:
        """Give the line of an instruction."""
        return Line(place + FIRST_LINE)

    def reached(self, place: int) -> bool:
        """Tell whether any way leads to an instruction."""
        return self.before[place] is not None

    def give_up(self, place: int) -> list[ast.stmt]:
        """Let the interpreter go on from here."""
        return self.line(place).statements("raise Interrupted", {})

    def test(self, place: int, *, jumping: bool) -> ast.expr:
        """Write the condition of a conditional jump."""
        line = self.line(place)
        given = self.code.instructions[place]
        truth = (OPERATIONS[given[0]] is Op.JUMP_IF) is jumping
        if self.before[place] is None:
            return line.constant(truth)
        kinds = self.kinds(place, given[1])
        if not kinds & (NIL | BOOL):
            return line.constant(truth)
        if kinds & ~(NIL | BOOL):
            template = "R is not None and R is not False" if truth else "R is None or R is False"
        else:
            template = "R" if truth else "not R"
        return line.expression(template, {"R": self.named(line, given[1])})

    def instruction(self, place: int) -> list[ast.stmt]:
        """Write one instruction that does not jump."""
        given = self.code.instructions[place]
        write = self._WRITERS.get(OPERATIONS[given[0]])
        if self.before[place] is None:
            write = None  # nothing comes here, though a jump that is never taken leads here
        return self.give_up(place) if write is None else write(self, place, given, self.line(place))

    # Operands.

    def kinds(self, place: int, register: int) -> int:
        """Give what a register can hold before an instruction."""
        state = self.before[place]
        assert state is not None
        return state[register]

    def constant(self, register: int) -> tuple[bool, Any]:
        """Tell whether a register holds a constant, and which."""
        code = self.code
        if not code.first_constant <= register < code.first_local:
            return False, None
        return True, self.runnable.tail[register - code.first_constant]

    def named(self, line: Line, register: int, *, literal: bool = False) -> ast.expr:
        """Read a register."""
        is_constant, value = self.constant(register)
        if not is_constant:
            return line.name(f"r{register}")
        if value is None or type(value) is bool or (literal and type(value) in (int, float)):
            return line.constant(value)
        place = self.code.constants[register - self.code.first_constant]
        name = f"{'e' if place.library else 'c'}{place.place}"
        self.namespace[name] = value
        return line.name(name)

    def several(self, line: Line, registers: Sequence[int]) -> list[ast.expr]:
        """Read registers."""
        return [self.named(line, each) for each in registers]

    def given_name(self, name: str, value: Any) -> str:
        """Let compiled code reach a value by a name."""
        self.namespace[name] = value
        return name

    # Instructions.

    def _move(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        return line.statements("R = A", {"R": line.name(f"r{given[1]}"), "A": self.named(line, given[2], literal=True)})

    def _return(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        return line.statements("return A", {"A": self.named(line, given[1], literal=True)})

    def _library(self, place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        entry = FUNCTIONS[self.parts.library[given[2]]]
        registers = given[4:]
        target = line.name(f"r{given[1]}")
        if isinstance(entry.implementation, Applying):
            entry_name = line.name(self.given_name(f"e{given[2]}", entry))
            applied: Holes = {"R": target, "E": entry_name, "ARGUMENTS": self.several(line, registers)}
            return line.statements("R = sequence(m, d, E, *ARGUMENTS)", applied)
        binary = entry.binary is not None and len(registers) == 2
        name = self.given_name(f"{'b' if binary else 'l'}{given[2]}", entry.binary if binary else entry.implementation)
        meter = [line.name("m")] if entry.metered else []
        slow = line.expression(
            "F(*ARGUMENTS)", {"F": line.name(name), "ARGUMENTS": [*meter, *self.several(line, registers)]}
        )
        written = inline(
            entry.name,
            [self.kinds(place, each) for each in registers],
            [self.constant(each)[1] for each in registers],
        )
        guarded = entry.metered and entry.name not in _SPEND_NOTHING_HELD
        check = line.statements("if m.memory > m.ceiling:\n    raise Crowded", {}) if guarded else []
        holes: dict[str, ast.expr | Sequence[ast.expr]] = {"R": target, "slow": slow}
        if written is None:
            return [*line.statements("R = slow", holes), *check]
        for letter, register in zip("abc", registers, strict=False):
            holes[letter] = self.named(line, register, literal=written.literal)
        holes |= {"LOW": line.constant(INT_MIN), "HIGH": line.constant(INT_MAX)}
        holes["FAST"] = line.expression(written.fast, holes)
        if not written.guard:
            return line.statements("R = FAST", holes)
        holes["GUARD"] = line.expression(written.guard, holes)
        if not check:
            return line.statements("R = FAST if GUARD else slow", holes)
        (branch,) = line.statements("if GUARD:\n    R = FAST\nelse:\n    R = slow", holes)
        assert isinstance(branch, ast.If)
        branch.orelse += check
        return [branch]

    def _call(self, place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        return self.application(place, line, given[2], given[4:], "R = {}", line.name(f"r{given[1]}"))

    def _tail_call(self, place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        return self.application(place, line, given[1], given[3:], "return {}", None)

    def application(
        self, place: int, line: Line, function: int, registers: Sequence[int], form: str, target: ast.expr | None
    ) -> list[ast.stmt]:
        """Apply any value."""
        holes: dict[str, ast.expr | Sequence[ast.expr]] = {
            "F": self.named(line, function),
            "ARGUMENTS": self.several(line, registers),
        }
        if target is not None:
            holes["R"] = target
        known = self.kinds(place, function)
        direct, indirect = "F.code.run(m, d - 1, F.captures, *ARGUMENTS)", "call(m, d, F, *ARGUMENTS)"
        if not known & ~FUNCTION:
            return line.statements(form.format(direct), holes)
        if not known & FUNCTION:
            return line.statements(form.format(indirect), holes)
        return line.statements(form.format(f"{direct} if type(F) is Closure else {indirect}"), holes)

    def sibling(self, line: Line, number: int, registers: Sequence[int], form: str, target: str) -> list[ast.stmt]:
        """Apply a function defined together with this one."""
        name = f"f{number}"
        self.namespace.setdefault(name, self.codes[number].run)
        holes: dict[str, ast.expr | Sequence[ast.expr]] = {
            "F": line.name(name),
            "R": line.name(target),
            "ARGUMENTS": self.several(line, registers),
        }
        return line.statements(form.format("F(m, d - 1, k, *ARGUMENTS)"), holes)

    def _call_sibling(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        return self.sibling(line, given[2], given[4:], "R = {}", f"r{given[1]}")

    def _tail_sibling(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        return self.sibling(line, given[1], given[3:], "return {}", "")

    def _sibling_value(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        function = line.name(self.given_name(f"g{given[2]}", self.codes[given[2]]))
        return line.statements("R = Closure(G, k[:])", {"R": line.name(f"r{given[1]}"), "G": function})

    def _closure(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        function = line.name(self.given_name(f"g{given[2]}", self.codes[given[2]]))
        holes = {"R": line.name(f"r{given[1]}"), "G": function, "CAPTURED": self.several(line, given[4:])}
        return self.allocated(line, "R = Closure(G, [*CAPTURED])", holes, given[3])

    def _vector(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        holes = {"R": line.name(f"r{given[1]}"), "ITEMS": self.several(line, given[3:])}
        return self.allocated(line, "R = [*ITEMS]", holes, given[2])

    def _map(self, place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        keys: list[ast.expr | None] = []
        for register in given[3::2]:
            key = self.named(line, register)
            safe = not self.kinds(place, register) & ~(KEYWORD | STRING | INT)
            keys.append(key if safe else line.expression("check_key(KEY)", {"KEY": key}))
        made = line.placed(ast.Dict(keys, self.several(line, given[4::2])))
        return self.allocated(line, "R = MADE", {"R": line.name(f"r{given[1]}"), "MADE": made}, given[2])

    def allocated(self, line: Line, template: str, holes: dict[str, ast.expr | Any], cells: int) -> list[ast.stmt]:
        """Make something and count its memory."""
        counting = "memory = m.memory + CELLS\nm.memory = memory\nif memory > m.ceiling:\n    raise Crowded"
        return line.statements(f"{template}\n{counting}", {**holes, "CELLS": line.constant(1 + cells)})

    def _cast(self, _place: int, given: tuple[int, ...], line: Line) -> list[ast.stmt]:
        type_name = self.given_name(f"t{given[3]}", self.parts.types[given[3]])
        holes = {"R": line.name(f"r{given[1]}"), "A": self.named(line, given[2]), "T": line.name(type_name)}
        return line.statements("R = cast(A, T)", holes)

    _WRITERS: ClassVar[dict[Op, Callable[[Writer, int, tuple[int, ...], Line], list[ast.stmt]]]] = {
        Op.MOVE: _move,
        Op.RETURN: _return,
        Op.LIBRARY: _library,
        Op.CALL: _call,
        Op.TAIL_CALL: _tail_call,
        Op.CALL_SIBLING: _call_sibling,
        Op.TAIL_SIBLING: _tail_sibling,
        Op.SIBLING: _sibling_value,
        Op.CLOSURE: _closure,
        Op.VECTOR: _vector,
        Op.MAP: _map,
        Op.CAST: _cast,
    }
