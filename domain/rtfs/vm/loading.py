"""From the bytes of a module to what the machine runs: taken apart, verified, operands resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from domain.kernel.values import Value, digest_bytes
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.bytecode.module import EffectSignature, Instruction, ModuleParts
from domain.rtfs.bytecode.operations import OPERATIONS, Op
from domain.rtfs.bytecode.verifying import verify
from domain.rtfs.capability import Parameter
from domain.rtfs.functions import FUNCTIONS, Applying, Entry
from domain.rtfs.vm.code import Code, Entrance
from domain.rtfs.vm.compiled.compilation import Compilation

# What the machine dispatches on: the operations, with LIBRARY resolved by how its function is called.
MOVE: Final = int(Op.MOVE)
PLAIN_1: Final = 101
PLAIN_2: Final = 102
PLAIN_N: Final = 103
METERED_1: Final = 104
METERED_2: Final = 105
METERED_N: Final = 106
SEQUENCE: Final = 107
LIBRARY_CALLS: Final = frozenset({PLAIN_1, PLAIN_2, PLAIN_N, METERED_1, METERED_2, METERED_N})

COMPILE_AFTER: Final = 4_000
"""Fuel that the interpreter spends in the time that compiling a function of ten instructions takes."""

Gather = Callable[[list[Any]], Any]
"""Takes values out of registers, in C."""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """A verified module. Make it with ``load``; keep it, since loading costs more than starting."""

    digest: str
    parts: ModuleParts
    functions: tuple[Code, ...]


def load(module: bytes, *, compile_after: int | None = COMPILE_AFTER) -> Module:
    """Take apart, verify and prepare a module. Raises ``ModuleInvalid``; after that nothing in it can do harm.

    A function or loop on which the interpreter has spent ``compile_after`` of fuel is compiled for speed, which changes
    nothing else; ``None``: nothing is.
    """
    parts = decode_module(module)
    verify(parts)
    functions: list[Code] = []
    site = 0
    library = [FUNCTIONS[name] for name in parts.library]
    for number, code in enumerate(parts.functions):
        constants = [(library if each.library else parts.constants)[each.place] for each in code.constants]
        functions.append(Code(number, site, code, constants))
        site += len(code.instructions)
    preparing = _Preparing(parts, functions, library)
    compilation = Compilation(parts, functions)
    for runnable, code in zip(functions, parts.functions, strict=True):
        preparing.function(runnable, code.instructions)
        if compile_after is not None:
            for entrance in (runnable.entrance, *preparing.loops.values()):
                entrance.heat, entrance.warm = max(1, compile_after), compilation.warm
            runnable.run = compilation.first_call(runnable)
    return Module(digest_bytes(module), parts, tuple(functions))


def operands(op: tuple[Any, ...], registers: list[Any]) -> Any:
    """Give the arguments of a call of the library."""
    if op[0] in (PLAIN_1, METERED_1):
        return (registers[op[3]],)
    if op[0] in (PLAIN_2, METERED_2):
        return (registers[op[3]], registers[op[4]])
    return op[3](registers)


def _gather(registers: tuple[int, ...]) -> Gather:
    """Make what takes these registers' values as a sequence."""
    if len(registers) >= 2:
        return itemgetter(*registers)
    start = registers[0] if registers else 0
    return itemgetter(slice(start, start + len(registers)))


def _named(effect: EffectSignature, pairs: tuple[int, ...]) -> tuple[tuple[Parameter, int], ...]:
    """Give the parameters of an effect with the registers of their values."""
    return tuple((effect.parameters[each], register) for each, register in zip(pairs[::2], pairs[1::2], strict=True))


def hints_of(parts: ModuleParts, place: int) -> Mapping[str, Value]:
    """Give the hints that a constant holds, by name."""
    hints = parts.constants[place]
    assert isinstance(hints, dict), "verified"
    return {key.name: value for key, value in hints.items()}


class _Preparing:
    def __init__(self, parts: ModuleParts, functions: list[Code], library: list[Entry]) -> None:
        self.parts = parts
        self.functions = functions
        self.library = library
        self.current = functions[0]
        self.loops: dict[int, Entrance] = {}
        """Heads of the current function's loops."""

    def function(self, code: Code, given: Sequence[Instruction]) -> None:
        """Resolve the instructions of one function."""
        self.current, self.loops = code, {}
        code.instructions = tuple([self.instruction(place, each) for place, each in enumerate(given)])

    def loop(self, head: int) -> Entrance:
        """Give the one entrance at the head of a loop."""
        return self.loops.setdefault(head, Entrance(self.current, head))

    def instruction(self, place: int, given: Instruction) -> tuple[Any, ...]:
        """Resolve numbers to what they stand for; registers and jump targets stay numbers."""
        operation = OPERATIONS[given[0]]
        if operation is Op.LIBRARY:
            return self.call_library(given[1], self.library[given[2]], given[4:])
        if operation is Op.BACK:
            return (given[0], given[1], place + 1 - given[1], self.loop(given[1]))
        if operation in (Op.CALL, Op.TAIL_CALL, Op.VECTOR, Op.PARALLEL):
            counted = {Op.CALL: 3, Op.TAIL_CALL: 2, Op.VECTOR: 2, Op.PARALLEL: 2}[operation]
            return (*given[:counted], _gather(given[counted + 1 :]), given[counted])
        if operation in (Op.CALL_SIBLING, Op.CLOSURE):
            return (given[0], given[1], self.functions[given[2]], _gather(given[4:]), given[3])
        if operation is Op.TAIL_SIBLING:
            return (given[0], self.functions[given[1]], _gather(given[3:]))
        if operation is Op.SIBLING:
            return (given[0], given[1], self.functions[given[2]])
        if operation is Op.EFFECT:
            effect = self.parts.effects[given[2]]
            return (given[0], given[1], effect, _named(effect, given[4:]))
        if operation is Op.HINTED_EFFECT:
            effect = self.parts.effects[given[2]]
            return (given[0], given[1], effect, _named(effect, given[5:]), hints_of(self.parts, given[3]))
        if operation is Op.MAP:
            return (given[0], given[1], tuple(zip(given[3::2], given[4::2], strict=True)))
        if operation is Op.CAST:
            return (given[0], given[1], given[2], self.parts.types[given[3]])
        return tuple(given)

    def call_library(self, target: int, entry: Entry, registers: tuple[int, ...]) -> tuple[Any, ...]:
        run = entry.implementation
        if isinstance(run, Applying):
            return (SEQUENCE, target, entry, _gather(registers))
        one, two, many = (METERED_1, METERED_2, METERED_N) if entry.metered else (PLAIN_1, PLAIN_2, PLAIN_N)
        if len(registers) == 1:
            return (one, target, run, registers[0], entry)
        if len(registers) == 2:
            return (two, target, entry.binary or run, registers[0], registers[1], entry)
        return (many, target, run, _gather(registers), entry)
