"""Generation: expressions to the instructions of registers. The same expressions always give the same code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from domain.rtfs.bytecode.module import Constant as ConstantPlace
from domain.rtfs.bytecode.module import FunctionCode, Handler
from domain.rtfs.bytecode.operations import OPERANDS, OPERATIONS, Op
from domain.rtfs.bytecode.verifying import MAX_REGISTERS
from domain.rtfs.compiler.expressions import (
    AllOf,
    AnyOf,
    Bind,
    Call,
    Cast,
    Choose,
    Constant,
    Effect,
    Expression,
    LibraryCall,
    LibraryFunction,
    Loop,
    MakeFunction,
    MakeMap,
    MakeVector,
    Parallel,
    Read,
    Recur,
    Sibling,
    SiblingCall,
    Step,
    Test,
    Try,
)
from domain.rtfs.compiler.expressions import Sequence as SequenceExpression
from domain.rtfs.compiler.naming import Naming
from domain.rtfs.compiler.scope import Definition, Variable
from domain.rtfs.source import CompileError, Source, Span

if TYPE_CHECKING:
    from domain.rtfs.compiler.assembly import Assembly

RETURN: Final = None
"""In place of a target register: the value is what the function gives."""

Target = int | None
_SIMPLE: Final = (Constant, Read, LibraryFunction)


class Generator:
    """Generates one function.

    While it does, constants have negative numbers and locals follow the captured values; ``code`` puts constants
    between them.
    """

    def __init__(self, assembly: Assembly, definition: Definition, source: Source, step: str | None) -> None:
        self.assembly = assembly
        self.definition = definition
        self.source = source
        self.step = step
        self.instructions: list[list[int]] = []
        self.places: list[tuple[Span, str | None]] = []
        self.handlers: list[Handler] = []
        self.constants: dict[ConstantPlace, int] = {}
        self.registers: dict[Variable, int] = {}
        self.naming = Naming()
        variables = [*definition.parameters, *([definition.rest] if definition.rest else [])]
        for register, variable in enumerate(variables):
            self.name(variable, register)
        captures = len(definition.captured) if definition.group is not None else 0
        for place, variable in definition.inner.items():
            self.name(variable, len(variables) + place)
        self.captures = captures
        self.base = self.next = self.most = len(variables) + captures
        self.loops: list[tuple[list[int], int]] = [(list(range(len(variables))), 0)]

    def code(self) -> FunctionCode:
        """Generate the whole function."""
        body = self.definition.body
        assert body is not None
        self.emit(body, RETURN, tail=True)
        self.naming.forget(0, len(self.instructions))
        count = len(self.constants)
        if self.most + count > MAX_REGISTERS:
            message = f"this function needs {self.most + count} registers; {MAX_REGISTERS} are there"
            raise CompileError(message, self.source, body.span, "cut it into smaller functions")
        return FunctionCode(
            parameters=len(self.definition.parameters),
            rest=self.definition.rest is not None,
            captures=self.captures,
            constants=tuple(self.constants),
            locals=self.most - self.base,
            handlers=tuple(
                Handler(each.start, each.end, each.target, self.place(each.register)) for each in self.handlers
            ),
            instructions=tuple(self.placed(each) for each in self.instructions),
        )

    def place(self, register: int) -> int:
        """Give the final number of a register."""
        if register < 0:
            return self.base - 1 - register
        return register if register < self.base else register + len(self.constants)

    def placed(self, instruction: list[int]) -> tuple[int, ...]:
        """Give an instruction with the final numbers of its registers."""
        base, moved = self.base, len(self.constants)
        # As ``place`` does it, for every number, though some are no registers.
        final = [base - 1 - each if each < 0 else each if each < base else each + moved for each in instruction]
        result = list(instruction)
        at = 1
        for kind in OPERANDS[OPERATIONS[instruction[0]]]:
            if kind in ("read", "write"):
                result[at] = final[at]
            elif kind in ("reads", "pairs"):
                result[at + 1 :] = final[at + 1 :]
            elif kind == "named":
                result[at + 2 :: 2] = final[at + 2 :: 2]
            at += 1
        return tuple(result)

    def put(self, span: Span, operation: Op, *operands: int) -> int:
        """Add an instruction, and give its number."""
        self.instructions.append([operation, *operands])
        self.places.append((span, self.step))
        return len(self.instructions) - 1

    def here(self, jumps: Sequence[int]) -> None:
        """Let jumps come to the next instruction."""
        for jump in jumps:
            self.instructions[jump][-1] = len(self.instructions)

    def name(self, variable: Variable, register: int) -> None:
        """Let a variable be in a register from here on."""
        self.registers[variable] = register
        self.naming.add(variable, register, len(self.instructions))

    def fresh(self) -> int:
        """Take a register."""
        register = self.next
        self.next += 1
        self.most = max(self.most, self.next)
        return register

    def constant(self, place: ConstantPlace) -> int:
        """Give the register of a constant."""
        return -1 - self.constants.setdefault(place, len(self.constants))

    def value(self, expression: Expression) -> int:
        """Give a register that holds the value."""
        if isinstance(expression, Read):
            return self.registers[expression.variable]
        if isinstance(expression, Constant):
            return self.constant(self.assembly.value(expression.value))
        if isinstance(expression, LibraryFunction):
            return self.constant(ConstantPlace(self.assembly.library(expression.entry.name), library=True))
        register = self.fresh()
        self.emit(expression, register, tail=False)
        return register

    def values(self, expressions: Sequence[Expression]) -> list[int]:
        """Give registers of several values, each worked out before the next."""
        return [self.value(each) for each in expressions]

    def emit(self, expression: Expression, target: Target, *, tail: bool) -> None:
        """Add the code of an expression: its value goes to the target.

        ``tail``: nothing of the innermost loop comes after, so that `recur` may go on from here.
        """
        mark, seen = self.next, len(self.naming)
        self._EMITTERS[type(expression)](self, expression, target, tail)
        self.next = mark
        self.naming.forget(seen, len(self.instructions))

    def give(self, span: Span, target: Target, operation: Op, *operands: int) -> None:
        """Add an instruction whose first operand is where its value goes."""
        register = self.fresh() if target is RETURN else target
        self.put(span, operation, register, *operands)
        if target is RETURN:
            self.put(span, Op.RETURN, register)

    def _simple(self, expression: Expression, target: Target, _tail: bool) -> None:
        register = self.value(expression)
        if target is RETURN:
            self.put(expression.span, Op.RETURN, register)
        elif register != target:
            self.put(expression.span, Op.MOVE, target, register)

    def _library_call(self, expression: LibraryCall, target: Target, _tail: bool) -> None:
        arguments = self.values(expression.arguments)
        library = self.assembly.library(expression.entry.name)
        self.give(expression.span, target, Op.LIBRARY, library, len(arguments), *arguments)

    def _call(self, expression: Call, target: Target, _tail: bool) -> None:
        function = self.value(expression.function)
        arguments = self.values(expression.arguments)
        if target is RETURN:
            self.put(expression.span, Op.TAIL_CALL, function, len(arguments), *arguments)
        else:
            self.put(expression.span, Op.CALL, target, function, len(arguments), *arguments)

    def _sibling_call(self, expression: SiblingCall, target: Target, _tail: bool) -> None:
        number = self.assembly.number(expression.definition, self.step)
        arguments = self.values(expression.arguments)
        if target is RETURN:
            self.put(expression.span, Op.TAIL_SIBLING, number, len(arguments), *arguments)
        else:
            self.put(expression.span, Op.CALL_SIBLING, target, number, len(arguments), *arguments)

    def _sibling(self, expression: Sibling, target: Target, _tail: bool) -> None:
        self.give(expression.span, target, Op.SIBLING, self.assembly.number(expression.definition, self.step))

    def _function(self, expression: MakeFunction, target: Target, _tail: bool) -> None:
        number = self.assembly.number(expression.definition, self.step)
        group = expression.definition.group
        assert group is not None
        captured = self.values(group.sources)
        self.give(expression.span, target, Op.CLOSURE, number, len(captured), *captured)

    def _effect(self, expression: Effect, target: Target, _tail: bool) -> None:
        named = [part for number, value in expression.arguments for part in (number, self.value(value))]
        number = self.assembly.effect(expression.effect)
        if expression.hints is None:
            self.give(expression.span, target, Op.EFFECT, number, len(expression.arguments), *named)
        else:
            hints = self.assembly.value(expression.hints).place
            self.give(expression.span, target, Op.HINTED_EFFECT, number, hints, len(expression.arguments), *named)

    def _vector(self, expression: MakeVector, target: Target, _tail: bool) -> None:
        items = self.values(expression.items)
        self.give(expression.span, target, Op.VECTOR, len(items), *items)

    def _map(self, expression: MakeMap, target: Target, _tail: bool) -> None:
        parts = self.values([part for pair in expression.pairs for part in pair])
        self.give(expression.span, target, Op.MAP, len(expression.pairs), *parts)

    def _cast(self, expression: Cast, target: Target, _tail: bool) -> None:
        register = self.value(expression.value)
        self.give(expression.span, target, Op.CAST, register, self.assembly.type(expression.type))

    def _parallel(self, expression: Parallel, target: Target, _tail: bool) -> None:
        lanes = self.values(expression.lanes)
        self.give(expression.span, target, Op.PARALLEL, len(lanes), *lanes)

    def _sequence(self, expression: SequenceExpression, target: Target, tail: bool) -> None:
        for each in expression.items[:-1]:
            mark = self.next
            self.value(each)
            self.next = mark
        self.emit(expression.items[-1], target, tail=tail)

    def _named_step(self, expression: Step, target: Target, tail: bool) -> None:
        outer, self.step = self.step, expression.name
        self.emit(expression.body, target, tail=tail)
        self.step = outer

    def _choose(self, expression: Choose, target: Target, tail: bool) -> None:
        ends: list[int] = []
        bodies = len(expression.clauses) + (expression.otherwise is not None)
        for number, clause in enumerate(expression.clauses):
            mark, seen = self.next, len(self.naming)
            fails: list[int] = []
            for step in clause.steps:
                if isinstance(step, Test):
                    self.test(step.condition, fails)
                else:
                    self.bind(step)
            self.emit(clause.body, target, tail=tail)
            if target is not RETURN and number < bodies - 1:
                ends.append(self.put(clause.body.span, Op.JUMP, 0))
            self.next = mark
            self.naming.forget(seen, len(self.instructions))
            self.here(fails)
        if expression.otherwise is not None:
            self.emit(expression.otherwise, target, tail=tail)
        self.here(ends)

    def bind(self, step: Bind) -> None:
        """Keep a value under a variable; what already has a register needs none."""
        if isinstance(step.value, _SIMPLE):
            self.name(step.variable, self.value(step.value))
            return
        register = self.fresh()
        self.emit(step.value, register, tail=False)
        self.name(step.variable, register)

    def test(self, condition: Expression, fails: list[int]) -> None:
        """Jump away unless the condition is true."""
        if isinstance(condition, AllOf):
            for each in condition.items:
                self.test(each, fails)
            return
        mark = self.next
        if isinstance(condition, LibraryCall) and condition.entry.name == "not":
            fails.append(self.put(condition.span, Op.JUMP_IF, self.value(condition.arguments[0]), 0))
        else:
            fails.append(self.put(condition.span, Op.JUMP_UNLESS, self.value(condition), 0))
        self.next = mark

    def _any_or_all(self, expression: AllOf | AnyOf, target: Target, tail: bool) -> None:
        register = self.fresh() if target is RETURN else target
        operation = Op.JUMP_UNLESS if isinstance(expression, AllOf) else Op.JUMP_IF
        ends: list[int] = []
        for each in expression.items[:-1]:
            self.emit(each, register, tail=False)
            ends.append(self.put(each.span, operation, register, 0))
        self.emit(expression.items[-1], target, tail=tail)
        self.here(ends)
        if target is RETURN:
            self.put(expression.span, Op.RETURN, register)

    def _loop(self, expression: Loop, target: Target, _tail: bool) -> None:
        registers: list[int] = []
        for variable, first in zip(expression.variables, expression.first, strict=True):
            register = self.fresh()
            self.emit(first, register, tail=False)
            self.name(variable, register)
            registers.append(register)
        self.loops.append((registers, len(self.instructions)))
        self.emit(expression.body, target, tail=True)
        self.loops.pop()

    def _recur(self, expression: Recur, _target: Target, tail: bool) -> None:
        if not tail:
            hint = "nothing may be done with the value of `recur`"
            raise CompileError("`recur` is not the last thing that its loop does", self.source, expression.span, hint)
        registers, start = self.loops[-1]
        values = self.values(expression.values)
        moves: list[tuple[int, int]] = []
        for register, value in zip(registers, values, strict=True):
            if value == register:
                continue
            kept = value
            if value in registers:
                # Another move may overwrite it first.
                kept = self.fresh()
                self.put(expression.span, Op.MOVE, kept, value)
            moves.append((register, kept))
        for register, kept in moves:
            self.put(expression.span, Op.MOVE, register, kept)
        self.put(expression.span, Op.BACK, start)

    def _attempt(self, expression: Try, target: Target, tail: bool) -> None:
        start = len(self.instructions)
        register = self.fresh() if target is RETURN else target
        error = self.fresh()
        self.emit(expression.body, register, tail=False)
        end = len(self.instructions)
        jumps = []
        if target is RETURN:
            self.put(expression.span, Op.RETURN, register)
        else:
            jumps.append(self.put(expression.span, Op.JUMP, 0))
        if end > start:
            self.handlers.append(Handler(start, end, len(self.instructions), error))
        self.name(expression.variable, error)
        self.emit(expression.handler, target, tail=tail)
        self.here(jumps)

    _EMITTERS: ClassVar[dict[type, Callable[[Generator, Any, Target, bool], None]]] = {
        Constant: _simple,
        Read: _simple,
        LibraryFunction: _simple,
        Sibling: _sibling,
        Call: _call,
        SiblingCall: _sibling_call,
        LibraryCall: _library_call,
        Effect: _effect,
        MakeVector: _vector,
        MakeMap: _map,
        Choose: _choose,
        AllOf: _any_or_all,
        AnyOf: _any_or_all,
        SequenceExpression: _sequence,
        MakeFunction: _function,
        Loop: _loop,
        Recur: _recur,
        Try: _attempt,
        Cast: _cast,
        Parallel: _parallel,
        Step: _named_step,
    }
