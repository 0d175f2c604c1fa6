"""Whole functions as Python, from their beginning or from the head of a loop.

Such a function gets ``m`` (the meter), ``d`` (how many calls may wait within it), and ``k`` (the values it holds) with
its arguments; one that begins at the head of a loop gets ``registers`` instead. Its globals are the library's
implementations, the module's constants and functions, and what ``BASE`` lists; there are no builtins.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from operator import itemgetter
from typing import Any, Final

from domain.rtfs.bytecode.module import FunctionCode
from domain.rtfs.bytecode.operations import Op
from domain.rtfs.functions.items import check_key
from domain.rtfs.vm.applying import cast
from domain.rtfs.vm.compiled.calls import Crowded, Interrupted, call, sequence
from domain.rtfs.vm.compiled.kinds import ANY, OTHER, PYTHON
from domain.rtfs.vm.compiled.shaping import Shaper
from domain.rtfs.vm.compiled.templates import STORE, Line
from domain.rtfs.vm.compiled.writing import Writer

BASE: Final[dict[str, Any]] = {
    "__builtins__": {},
    "type": type,
    "len": len,
    **{python.__name__: python for python in PYTHON.values()},
    "Interrupted": Interrupted,
    "Crowded": Crowded,
    "call": call,
    "sequence": sequence,
    "cast": cast,
    "check_key": check_key,
}
"""All that compiled code can reach besides its module and the library."""

ENTRY_LINE: Final = 1
"""Line of what comes before the first instruction; instruction 0 is on the next."""
LARGEST: Final = 3_000
"""Instructions of a function that is still compiled."""
WIDEST: Final = 400_000
"""Instructions times registers of a function that is still compiled."""

_PAYING: Final = "fuel = m.fuel - COST\nif fuel < m.floor:\n    raise Interrupted\nm.fuel = fuel"


def is_too_large(code: FunctionCode) -> bool:
    """Tell whether a function is left to the interpreter for its size."""
    size = len(code.instructions)
    return size > LARGEST or size * code.registers > WIDEST


class Translation(Writer):
    """One function of a module, to be written from any of its heads on."""

    def function(self, name: str, head: int | None) -> ast.FunctionDef:
        """Write the function from its beginning, or from the head of a loop."""
        line = Line(ENTRY_LINE)
        code = self.code
        arguments = ["m", "d"]
        if head is None:
            arguments += ["k", *(f"r{each}" for each in range(code.parameters))]
            first = self.beginning(line)
        else:
            arguments.append("registers")
            first = self.middle(line, head)
        body = Shaper(code.instructions, self.reached, self).shape(head)
        (definition,) = line.statements("def function(): pass", {})
        assert isinstance(definition, ast.FunctionDef)
        definition.name = name
        definition.args = ast.arguments(
            posonlyargs=[],
            args=[_argument(each) for each in arguments],
            vararg=_argument(f"r{code.parameters}") if head is None and code.rest else None,
            kwonlyargs=[],
            kw_defaults=[],
            defaults=[],
        )
        definition.body = [*first, *body]
        return definition

    def beginning(self, line: Line) -> list[ast.stmt]:
        """Pay for entering the function, and take out what it holds."""
        code = self.code
        paying = "fuel = m.fuel - COST\nif fuel < m.floor or d < 0:\n    raise Interrupted\nm.fuel = fuel"
        statements = line.statements(paying, {"COST": line.constant(self.runnable.cost)})
        held: list[ast.expr] = [
            line.placed(ast.Name(f"r{each}", STORE)) for each in range(self.runnable.capture_start, code.first_constant)
        ]
        if held:
            statements.append(line.placed(ast.Assign([line.placed(ast.Tuple(held, STORE))], line.name("k"))))
        if code.rest:
            statements += line.statements("R = [*R]", {"R": line.name(f"r{code.parameters}")})
        return statements

    def middle(self, line: Line, head: int) -> list[ast.stmt]:
        """Take out the registers."""
        code = self.code
        siblings = (Op.CALL_SIBLING, Op.TAIL_SIBLING, Op.SIBLING)
        statements: list[ast.stmt] = []
        if any(given[0] in siblings for given in code.instructions):
            bounds = {"FIRST": line.constant(self.runnable.capture_start), "END": line.constant(code.first_constant)}
            statements += line.statements("k = registers[FIRST:END]", bounds)
        variables = [each for each in range(code.registers) if not code.first_constant <= each < code.first_local]
        if not variables:
            return statements
        name = f"{self.runnable.number}_{head}"
        targets: list[ast.expr] = [line.placed(ast.Name(f"r{each}", STORE)) for each in variables]
        one = slice(variables[0], variables[0] + 1)
        gather = itemgetter(*variables) if len(variables) > 1 else itemgetter(one)
        taken = line.expression("GATHER(registers)", {"GATHER": line.name(self.given_name(f"gather{name}", gather))})
        statements.append(line.placed(ast.Assign([line.placed(ast.Tuple(targets, STORE))], taken)))
        known = line.name(self.given_name(f"known{name}", self.known(head, variables)))
        return statements + self.line(head).statements(
            "if not KNOWN(registers):\n    raise Interrupted", {"KNOWN": known}
        )

    def known(self, head: int, registers: list[int]) -> Callable[[list[Any]], bool]:
        """Give what tells whether registers hold what is known of them: a stored state may be anything well-formed."""
        checks = []
        for register in registers:
            kinds = self.kinds(head, register)
            if kinds != ANY and not kinds & OTHER:
                checks.append((register, frozenset(python for kind, python in PYTHON.items() if kinds & kind)))
        return lambda found: all(type(found[register]) in allowed for register, allowed in checks)

    def calls_itself(self, place: int) -> bool:
        """Tell whether an instruction calls this very function in its own place."""
        given = self.code.instructions[place]
        return given[:2] == (Op.TAIL_SIBLING, self.runnable.number) and not self.code.rest and self.reached(place)

    def turn(self, place: int) -> list[ast.stmt]:
        """Pay for entering this function again, with other arguments and fresh registers."""
        line = self.line(place)
        code = self.code
        changed = {f"r{n}": each for n, each in enumerate(code.instructions[place][3:]) if n != each}
        # Arguments are looked at before fuel is paid: whatever fails there has done nothing.
        statements = [
            each
            for name, register in changed.items()
            for each in line.statements("NEW = A", {"NEW": line.name(f"n{name}"), "A": self.named(line, register)})
        ]
        statements += line.statements(_PAYING, {"COST": line.constant(self.runnable.cost)})
        for name in changed:
            statements += line.statements("R = NEW", {"R": line.name(name), "NEW": line.name(f"n{name}")})
        fresh: list[ast.expr] = [
            line.placed(ast.Name(f"r{each}", STORE)) for each in range(code.first_local, code.registers)
        ]
        if fresh:
            statements.append(line.placed(ast.Assign(fresh, line.constant(None))))
        return statements

    def back(self, place: int) -> list[ast.stmt]:
        """Pay for a turn of a loop."""
        line = self.line(place)
        cost = place + 1 - self.code.instructions[place][1]
        return line.statements(_PAYING, {"COST": line.constant(cost)})


def _argument(name: str) -> ast.arg:
    argument = ast.arg(name)
    argument.lineno = argument.end_lineno = ENTRY_LINE
    argument.col_offset = argument.end_col_offset = 0
    return argument
