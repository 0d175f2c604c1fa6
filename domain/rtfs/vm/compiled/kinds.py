"""What kinds of values each register can hold before each instruction: where that is known, no test is needed.

A kind is a bit; a register that may hold several kinds has several bits. The analysis follows every way that the
machine can go through a function, into error handlers too, until nothing new is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from domain.kernel.values import Keyword
from domain.rtfs.bytecode.module import FunctionCode, ModuleParts
from domain.rtfs.bytecode.operations import OPERANDS, OPERATIONS, TERMINATORS, Op
from domain.rtfs.types import BOOL as BOOL_TYPE
from domain.rtfs.types import FLOAT as FLOAT_TYPE
from domain.rtfs.types import INT as INT_TYPE
from domain.rtfs.types import STRING as STRING_TYPE
from domain.rtfs.types import Type
from domain.rtfs.vm.code import Closure

NIL, BOOL, INT, FLOAT, STRING, KEYWORD, VECTOR, MAP, FUNCTION, OTHER = (1 << place for place in range(10))
NUMBER: Final = INT | FLOAT
ANY: Final = (1 << 10) - 1

PYTHON: Final[dict[int, type]] = {
    NIL: type(None),
    BOOL: bool,
    INT: int,
    FLOAT: float,
    STRING: str,
    KEYWORD: Keyword,
    VECTOR: list,
    MAP: dict,
    FUNCTION: Closure,
}
"""The Python type of each kind; other kinds have several."""

_KINDS: Final = {python: kind for kind, python in PYTHON.items()}

State = list[int]
"""Kinds by register."""

_ARITHMETIC: Final = frozenset({"+", "-", "*", "inc", "dec", "min", "max"})
_COMPARISONS: Final = frozenset({"<", "<=", ">", ">="})
_RESULTS: Final[dict[str, int]] = {
    **dict.fromkeys(("=", "not=", "!=", "not", "nil?", "some?", "zero?", "pos?", "neg?", "even?", "odd?"), BOOL),
    **dict.fromkeys(("<", "<=", ">", ">=", "empty?", "contains?", "int?", "string?", "vector?", "map?"), BOOL),
    **dict.fromkeys(("+", "-", "*", "/", "inc", "dec", "min", "max", "abs"), NUMBER),
    **dict.fromkeys(("quot", "rem", "mod", "count"), INT),
    **dict.fromkeys(("str", "join"), STRING),
    **dict.fromkeys(("range", "map", "mapv", "filter", "filterv", "vector", "map-indexed"), VECTOR),
}
"""What these functions give whenever they give anything."""


def kind_of(value: Any) -> int:
    """Give the kind of a value."""
    return _KINDS.get(type(value), OTHER)


def library_result(name: str, arguments: Sequence[int]) -> int:
    """Give what a function of the library can give for arguments of these kinds."""
    if name in _ARITHMETIC and all(each == INT for each in arguments):
        return INT
    return _RESULTS.get(name, ANY)


def library_accepts(name: str, arguments: Sequence[int]) -> list[int]:
    """Give what the arguments can be once a function of the library has given a value."""
    if name in _ARITHMETIC:
        return [each & NUMBER for each in arguments]
    if name in _COMPARISONS and len(arguments) == 2 and any(not each & ~NUMBER for each in arguments):
        return [each & NUMBER for each in arguments]
    return list(arguments)


def analyse(parts: ModuleParts, code: FunctionCode) -> list[State | None]:
    """Give the kinds before each instruction; none where no way leads."""
    return _Analysis(parts, code).run()


class _Analysis:
    def __init__(self, parts: ModuleParts, code: FunctionCode) -> None:
        self.parts = parts
        self.code = code
        self.before: list[State | None] = [None] * len(code.instructions)
        self.changed = False

    def run(self) -> list[State | None]:
        code = self.code
        constants = [OTHER if each.library else kind_of(self.parts.constants[each.place]) for each in code.constants]
        self.join(0, [*[ANY] * code.first_constant, *constants, *[NIL] * code.locals])
        while self.changed:
            self.changed = False
            for place in range(len(code.instructions)):
                self.step(place)
        return self.before

    def join(self, place: int, state: State) -> None:
        known = self.before[place]
        if known is None:
            self.before[place] = list(state)
            self.changed = True
            return
        for register, kinds in enumerate(state):
            if kinds & ~known[register]:
                known[register] |= kinds
                self.changed = True

    def step(self, place: int) -> None:
        state = self.before[place]
        if state is None:
            return
        for handler in self.code.handlers:
            if handler.start <= place < handler.end:
                caught = list(state)
                caught[handler.register] = MAP
                self.join(handler.target, caught)
        given = self.code.instructions[place]
        operation = OPERATIONS[given[0]]
        if operation in (Op.JUMP_UNLESS, Op.JUMP_IF):
            self.branch(place, operation, given, state)
            return
        after = self.effect(operation, given, list(state))
        if operation in (Op.JUMP, Op.BACK):
            self.join(given[1], after)
        elif operation not in TERMINATORS:
            self.join(place + 1, after)

    def branch(self, place: int, operation: Op, given: tuple[int, ...], state: State) -> None:
        """A value that is tested is false or nil on one way, and not nil on the other."""
        register, target = given[1], given[2]
        true, false = list(state), list(state)
        if not self.constant(register):
            true[register] &= ~NIL
            false[register] &= NIL | BOOL
        jumping, passing = (false, true) if operation is Op.JUMP_UNLESS else (true, false)
        # A way on which the value can be nothing is not taken.
        if jumping[register]:
            self.join(target, jumping)
        if passing[register]:
            self.join(place + 1, passing)

    def constant(self, register: int) -> bool:
        return self.code.first_constant <= register < self.code.first_local

    def effect(self, operation: Op, given: tuple[int, ...], state: State) -> State:
        """Change the state as the instruction does."""
        result = ANY
        if operation is Op.MOVE:
            result = state[given[2]]
        elif operation is Op.LIBRARY:
            name, registers = self.parts.library[given[2]], given[4:]
            kinds = [state[each] for each in registers]
            for register, accepted in zip(registers, library_accepts(name, kinds), strict=True):
                state[register] &= accepted
            result = library_result(name, [state[each] for each in registers])
        elif operation is Op.CAST:
            result = _cast_result(self.parts.types[given[3]])
        else:
            result = {Op.VECTOR: VECTOR, Op.MAP: MAP, Op.CLOSURE: FUNCTION, Op.SIBLING: FUNCTION}.get(operation, ANY)
        kinds_of_operands = OPERANDS[operation]
        if kinds_of_operands and kinds_of_operands[0] == "write":
            state[given[1]] = result
        return state


def _cast_result(expected: Type) -> int:
    for known, kind in ((INT_TYPE, INT), (FLOAT_TYPE, FLOAT), (STRING_TYPE, STRING), (BOOL_TYPE, BOOL)):
        if expected == known:
            return kind
    return ANY
