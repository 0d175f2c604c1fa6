"""The verifier: after it, no byte of a module can make the machine leave its registers, its code or its limits.

1. Every function: sizes within limits, ends with an operation that does not fall through.
2. Every operand: registers exist, none but parameters and locals are written, jumps go where their kind says.
3. Every reference: library functions exist and take so many arguments, functions, effects and types are there.
4. Every handler: within the function, going forward only, so that code runs backwards only where fuel is paid.
5. Function 0 takes the module's parameters and captures nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from domain.kernel.values import Keyword
from domain.rtfs.bytecode.module import FunctionCode, ModuleInvalid, ModuleParts
from domain.rtfs.bytecode.operations import OPERANDS, OPERATIONS, TERMINATORS, Op, OperandKind
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.types import Function

MAX_REGISTERS: Final = 4096
MAX_FUNCTIONS: Final = 10_000


def verify(module: ModuleParts) -> None:
    """Check a module as the steps above say. Raises ``ModuleInvalid``."""
    _check_tables(module)
    for number, code in enumerate(module.functions):
        _Checking(module, number, code).check()
    main = module.functions[0]
    if main.parameters != len(module.parameters) or main.rest or main.captures:
        raise ModuleInvalid("function 0 does not take the parameters of the module")


def _check_tables(module: ModuleParts) -> None:
    if not 0 < len(module.functions) <= MAX_FUNCTIONS:
        raise ModuleInvalid(f"a module has 1 to {MAX_FUNCTIONS} functions, here are {len(module.functions)}")
    names = [name for name, _ in module.parameters]
    effects = [effect.name for effect in module.effects]
    for each in (names, effects, list(module.library)):
        if any(left >= right for left, right in pairwise(each)):
            raise ModuleInvalid("the tables of the module are not in order")
    for name in module.library:
        if name not in FUNCTIONS:
            raise ModuleInvalid(f"the function {name!r:.60} is not in the library of this release")
    if isinstance(module.output, Function):
        raise ModuleInvalid("the output of a program cannot be a function")


class _Checking:
    def __init__(self, module: ModuleParts, number: int, code: FunctionCode) -> None:
        self.module = module
        self.number = number
        self.code = code
        self.registers, self.first_local = code.registers, code.first_local
        self.at = 0

    def check(self) -> None:
        code = self.code
        if self.registers > MAX_REGISTERS:
            self.fail(f"{self.registers} registers; at most {MAX_REGISTERS} are allowed")
        for constant in code.constants:
            pool = len(self.module.library if constant.library else self.module.constants)
            self.within(constant.place, pool, "constant")
        if not code.instructions or Op(code.instructions[-1][0]) not in TERMINATORS:
            self.fail("the function runs off its end")
        for self.at, instruction in enumerate(code.instructions):
            self.instruction(instruction)
        for handler in code.handlers:
            if not handler.start < handler.end <= handler.target < len(code.instructions):
                self.fail("an error handler does not go forward within the function")
            self.operand("write", handler.register)

    def instruction(self, instruction: tuple[int, ...]) -> None:
        operation = OPERATIONS[instruction[0]]
        place = 1
        for kind in OPERANDS[operation]:
            value = instruction[place]
            place += 1
            if kind in ("reads", "pairs", "named"):
                width = 1 if kind == "reads" else 2
                items = instruction[place : place + width * value]
                place += width * value
                self.items(kind, operation, instruction, items)
            else:
                self.operand(kind, value)

    def items(self, kind: OperandKind, operation: Op, instruction: tuple[int, ...], items: tuple[int, ...]) -> None:
        for register in items[1::2] if kind == "named" else items:
            self.within(register, self.registers, "register")
        if kind == "named":
            count = len(self.module.effects[instruction[2]].parameters)
            numbers = items[::2]
            for parameter in numbers:
                self.within(parameter, count, "parameter")
            if len(set(numbers)) != len(numbers):
                self.fail("an effect gives one parameter twice")
        elif operation is Op.LIBRARY:
            self.arguments(instruction, items)
        elif operation is Op.CLOSURE and len(items) != self.module.functions[instruction[2]].captures:
            self.fail("a function value is made with another number of values than it captures")
        elif operation in (Op.CALL_SIBLING, Op.TAIL_SIBLING):
            sibling = self.module.functions[instruction[2 if operation is Op.CALL_SIBLING else 1]]
            if not (len(items) == sibling.parameters or (sibling.rest and len(items) > sibling.parameters)):
                self.fail("a function is applied to another number of arguments than it takes")

    def arguments(self, instruction: tuple[int, ...], items: tuple[int, ...]) -> None:
        name = self.module.library[instruction[2]]
        if not FUNCTIONS[name].accepts(len(items)):
            self.fail(f"`{name}` takes {FUNCTIONS[name].arity()}, here are {len(items)}")

    def operand(self, kind: OperandKind, value: int) -> None:
        code, module = self.code, self.module
        if kind == "read":
            self.within(value, self.registers, "register")
        elif kind == "write":
            self.within(value, self.registers, "register")
            if code.parameters + code.rest <= value < self.first_local:
                self.fail(f"register {value} holds a captured value or a constant and is written")
        elif kind == "forward":
            if not self.at < value < len(code.instructions):
                self.fail(f"a jump goes to {value}, which is not forward within the function")
        elif kind == "back":
            if value > self.at:
                self.fail(f"a loop goes to {value}, which is not back")
        elif kind == "sibling":
            self.within(value, len(module.functions), "function")
            if module.functions[value].captures != code.captures:
                self.fail(f"function {value} captures other values than this one")
        elif kind == "hints":
            self.within(value, len(module.constants), "constant")
            hints = module.constants[value]
            if not (isinstance(hints, dict) and hints and all(isinstance(key, Keyword) for key in hints)):
                self.fail(f"constant {value} is given as hints, and is no map with keyword keys")
        else:
            sizes = {
                "library": module.library,
                "function": module.functions,
                "effect": module.effects,
                "type": module.types,
            }
            self.within(value, len(sizes[kind]), kind)

    def within(self, value: int, size: int, what: str) -> None:
        if value >= size:
            self.fail(f"{what} {value} does not exist")

    def fail(self, message: str) -> None:
        raise ModuleInvalid(f"function {self.number}, instruction {self.at}: {message}")
