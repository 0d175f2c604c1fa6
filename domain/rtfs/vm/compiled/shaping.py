"""From jumps to the structure that Python has: branches within branches and loops.

Instructions stand in an order in which control goes forward, but for the ends of loops; so what lies between a jump
and its target is a branch. What a branch jumps to is where it ends, where the loop around it ends (``break``), or the
loop's head (``continue``). Code that jumps otherwise is refused (``Unstructured``) and stays with the interpreter.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from domain.rtfs.bytecode.module import Instruction
from domain.rtfs.bytecode.operations import OPERATIONS, TERMINATORS, Op
from domain.rtfs.vm.compiled.templates import Line

THREADS: Final = 8
"""Jumps to jumps that are followed."""

FUNCTION: Final = -1
"""In place of a head: the beginning of the function, to which calls of itself in its own place lead."""


class Unstructured(Exception):
    """This function's jumps have no structure that is worth having."""


@dataclass(frozen=True, slots=True)
class Exits:
    """Where control can go from a piece of code."""

    fall: int | None
    """Where running off its end leads."""
    leave: int | None = None
    """Where ``break`` leads."""
    again: int | None = None
    """Where ``continue`` leads."""


class Writing(Protocol):
    """Writes single instructions."""

    def instruction(self, place: int) -> list[ast.stmt]:
        """Write an instruction that does not jump."""

    def test(self, place: int, *, jumping: bool) -> ast.expr:
        """Write the condition under which a conditional jump is taken, or is not."""

    def line(self, place: int) -> Line:
        """Give the line of an instruction."""

    def back(self, place: int) -> list[ast.stmt]:
        """Write what the end of a loop's turn pays."""

    def calls_itself(self, place: int) -> bool:
        """Tell whether an instruction calls this very function in its own place."""

    def turn(self, place: int) -> list[ast.stmt]:
        """Write what prepares for entering this function again."""

    def give_up(self, place: int) -> list[ast.stmt]:
        """Write that the interpreter goes on from here."""


class Shaper:
    """Puts one function together, from one of its instructions on."""

    def __init__(self, instructions: Sequence[Instruction], reached: Callable[[int], bool], writing: Writing) -> None:
        self.instructions = instructions
        self.reached = reached
        self.writing = writing
        self.first = 0
        self.ends: dict[int, list[int]] = {}
        """Instructions that go back, by the head that they go back to."""
        for place, given in enumerate(instructions):
            if given[0] == Op.BACK and reached(place):
                self.ends.setdefault(given[1], []).append(place)

    def shape(self, first: int | None) -> list[ast.stmt]:
        """Give the statements from an instruction on; ``None``: the function as a whole."""
        self.first = first or 0
        size = len(self.instructions)
        if first is None and any(map(self.writing.calls_itself, range(size))):
            line = self.writing.line(0)
            statements, _ = self.region(0, size, Exits(None, again=FUNCTION), None)
            return [line.placed(ast.While(line.constant(value=True), statements, []))]
        statements, _ = self.region(self.first, size, Exits(None), None)
        return statements

    def region(self, at: int, end: int, exits: Exits, opened: int | None) -> tuple[list[ast.stmt], bool]:
        """Give the statements of a piece of code, and whether control runs off its end.

        ``opened`` is the head of the loop whose body begins here.
        """
        statements: list[ast.stmt] = []
        while at < end:
            operation = OPERATIONS[self.instructions[at][0]]
            if at != opened and self.ends_of_loop(at, end):
                at = self.loop(statements, at, end)
                if at < 0:
                    return statements, False
                continue
            opened = None
            if operation in (Op.JUMP_UNLESS, Op.JUMP_IF):
                at = self.branch(statements, at, end, exits)
                if at < 0:
                    return statements, at == -2
            elif operation is Op.JUMP and at < self.instructions[at][1] < end:
                at = self.instructions[at][1]
            elif operation in (Op.JUMP, Op.BACK):
                target = at if operation is Op.BACK else self.instructions[at][1]
                leaving, falls = self.transfer(target, exits, self.writing.line(at))
                return statements + leaving, falls
            elif exits.again == FUNCTION and self.writing.calls_itself(at):
                line = self.writing.line(at)
                return [*statements, *self.writing.turn(at), line.placed(ast.Continue())], False
            else:
                statements += self.writing.instruction(at)
                if operation in TERMINATORS:
                    return statements, False
                at += 1
        return statements, True

    def ends_of_loop(self, head: int, end: int) -> list[int]:
        """Give the instructions that go back to a head from before ``end``."""
        return [place for place in self.ends.get(head, ()) if place < end]

    def loop(self, statements: list[ast.stmt], head: int, end: int) -> int:
        """Add a loop, and give where control goes on; below 0 when it never leaves."""
        after = self.extent(head, end)
        body, falls = self.region(head, after, Exits(after, after, head), head)
        line = self.writing.line(head)
        if falls:
            body.append(line.placed(ast.Break()))
        statements.append(line.placed(ast.While(line.constant(value=True), body, [])))
        return after if _breaks(body) else -1

    def extent(self, head: int, end: int) -> int:
        """Give the end of a loop: behind it lies what all ways out of the loop lead to."""
        after = self.ends_of_loop(head, end)[-1] + 1
        while True:
            targets = {each for each in self.targets(head, after) if each >= after and not self.returns(each)}
            if targets <= {after}:
                return after
            furthest = max(targets)
            if furthest > end:
                raise Unstructured
            if targets == {furthest} and not any(map(self.reached, range(after, furthest))):
                return furthest
            after = furthest

    def targets(self, start: int, end: int) -> list[int]:
        """Give where the forward jumps of a piece of code lead."""
        found = []
        for place in range(start, end):
            given = self.instructions[place]
            if not self.reached(place):
                continue
            if given[0] in (Op.JUMP_UNLESS, Op.JUMP_IF) and self.reached(given[2]):
                found.append(given[2])
            elif given[0] == Op.JUMP:
                found.append(given[1])
        return found

    def returns(self, place: int) -> bool:
        """Tell whether the function ends at an instruction."""
        return self.instructions[place][0] == Op.RETURN

    def branch(self, statements: list[ast.stmt], at: int, end: int, exits: Exits) -> int:
        """Add a conditional jump and what it jumps over; give where control goes on, -1: nowhere, -2: off the end."""
        target = self.instructions[at][2]
        if not self.reached(target) or not self.reached(at + 1):
            return self.decided(statements, at, end, exits)
        line = self.writing.line(at)
        passing = self.writing.test(at, jumping=False)
        jumping = self.writing.test(at, jumping=True)
        if target > end and target == exits.fall:
            target = end
        if target > end:
            leaving, falls = self.transfer(target, exits, line)
            if falls:
                raise Unstructured
            statements.append(line.placed(ast.If(jumping, leaving, [])))
            return at + 1
        beyond = {each for each in self.targets(at + 1, target) if each > target and not self.leads_out(each, exits)}
        if not beyond:
            inside, _ = self.region(at + 1, target, Exits(target, exits.leave, exits.again), None)
            statements.append(line.placed(ast.If(passing, inside or [line.placed(ast.Pass())], [])))
            return target
        after = max(beyond)
        if after > end:
            raise Unstructured
        if beyond == {after} and self.has_two_arms(at + 1, target, after):
            inner = Exits(after, exits.leave, exits.again)
            one, _ = self.region(at + 1, target - 1, inner, None)
            other, _ = self.region(target, after, inner, None)
            statements.append(line.placed(ast.If(passing, one or [line.placed(ast.Pass())], other)))
            return after
        one, _ = self.region(at + 1, target, Exits(target, after), None)
        other, falls = self.region(target, after, Exits(after, after), None)
        body = [line.placed(ast.If(passing, one, [])), *other]
        if falls:
            body.append(line.placed(ast.Break()))
        statements.append(line.placed(ast.While(line.constant(value=True), body, [])))
        return after

    def has_two_arms(self, start: int, target: int, after: int) -> bool:
        """Tell whether the first arm ends by jumping over the second, and never jumps into it otherwise."""
        last = self.instructions[target - 1]
        return last[0] == Op.JUMP and last[1] == after and target not in self.targets(start, target - 1)

    def decided(self, statements: list[ast.stmt], at: int, end: int, exits: Exits) -> int:
        """Go on where a jump leads whose condition is known."""
        if self.reached(at + 1):
            return at + 1
        target = self.instructions[at][2]
        if target < end:
            return target
        leaving, falls = self.transfer(target, exits, self.writing.line(at))
        statements += leaving
        return -2 if falls else -1

    def leads_out(self, target: int, exits: Exits) -> bool:
        """Tell whether a branch may go there from wherever it is."""
        for _ in range(THREADS):
            given = self.instructions[target]
            if target == exits.leave or given[0] == Op.RETURN:
                return True
            if given[0] != Op.JUMP:
                return given[0] == Op.BACK and (given[1] == exits.again or given[1] < self.first)
            target = given[1]
        return False

    def transfer(self, target: int, exits: Exits, line: Line) -> tuple[list[ast.stmt], bool]:
        """Go to an instruction, and say whether that is done by running off the end."""
        for _ in range(THREADS):
            if target == exits.fall:
                return [], True
            if target == exits.leave:
                return [line.placed(ast.Break())], False
            given = self.instructions[target]
            if given[0] == Op.RETURN:
                return self.writing.instruction(target), False
            if given[0] == Op.BACK and given[1] == exits.again:
                return [*self.writing.back(target), line.placed(ast.Continue())], False
            if given[0] == Op.BACK and given[1] < self.first:
                return self.writing.give_up(target), False
            if given[0] != Op.JUMP:
                break
            target = given[1]
        raise Unstructured


def _breaks(statements: Sequence[ast.stmt]) -> bool:
    """Tell whether a loop with this body can be left by ``break``."""
    for each in statements:
        if isinstance(each, ast.Break):
            return True
        if isinstance(each, ast.If) and (_breaks(each.body) or _breaks(each.orelse)):
            return True
    return False
