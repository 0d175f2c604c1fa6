"""Modules from anyone: whatever is done to their bytes, they are refused, or they run within their limits.

The damage is drawn from fixed seeds, so that what fails once fails again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from domain.kernel.values import Keyword, canonical
from domain.rtfs.bytecode.encoding import MAGIC, decode_module, encode_module
from domain.rtfs.bytecode.module import Constant as ConstantPlace
from domain.rtfs.bytecode.module import FunctionCode, Handler, ModuleInvalid, ModuleParts
from domain.rtfs.bytecode.operations import OPERANDS, OPERATIONS, Op
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.program import CompileError, ReadError, compile_program
from domain.rtfs.types import parse_type
from domain.rtfs.vm import (
    ArgumentsInvalid,
    Finished,
    Limits,
    Raised,
    Returned,
    Suspended,
    Trapped,
    Yielded,
    load,
    resume,
    start,
)
from tests.conformance.cases import every_case
from tests.conformance.driving import compiled

LIMITS = Limits(fuel=4_000, memory=4_000, depth=40, output=400)
STEPS = 60
ANSWERS = [0, 7, -1, 2.5, "a", None, True, [1, 2], {Keyword("name"): "x"}, [[]], {"k": [{}]}]
TYPES = [parse_type(text) for text in (":int", ":any", "[:vector :int]", "[:fn [:any] :any]", ":never", "[:tuple]")]


def modules() -> list[bytes]:
    """Give the modules of the conformance cases, each once."""
    found: dict[bytes, None] = {}
    for case in every_case():
        try:
            found[compiled(case, fold=False).module] = None
        except (CompileError, ReadError):
            continue
    return list(found)


MODULES = modules()


def outcome(module: bytes, *, compile_after: int | None) -> Any:
    """Run what can be loaded to an end of any kind, and give it. Raises ``ModuleInvalid`` alone."""
    loaded = load(module, compile_after=compile_after)
    allowed = {effect.name for effect in loaded.parts.effects}
    asked: list[Any] = []
    try:
        step = start(loaded, {name: {Keyword("n"): 3} for name, _ in loaded.parts.parameters}, LIMITS, 1_000)
    except ArgumentsInvalid as refused:
        return str(refused)
    for turn in range(STEPS):
        if isinstance(step, Finished | Trapped):
            break
        requests = step.requests if isinstance(step, Suspended) else ()
        asked.extend((request.key, request.capability, canonical(request.arguments)) for request in requests)
        assert {request.capability for request in requests} <= allowed
        answers = {
            request.key: Raised("failed", "no") if turn % 5 == 4 else Returned(ANSWERS[(turn + place) % len(ANSWERS)])
            for place, request in enumerate(requests)
        }
        step = resume(step.state, answers, 1_000)
    if isinstance(step, Finished):
        return asked, canonical(step.value), step.fuel
    if isinstance(step, Trapped):
        assert step.error.type
        return asked, step.error, step.fuel
    assert isinstance(step, Suspended | Yielded)
    return asked, "waiting"


def survives(module: bytes) -> bool:
    """Tell whether damaged bytes could be loaded; then they ended the same way, compiled for speed or not."""
    try:
        slow = outcome(module, compile_after=None)
    except ModuleInvalid:
        return False
    assert outcome(module, compile_after=1) == slow
    return True


def flipped(chance: random.Random, data: bytearray) -> None:
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def cut(chance: random.Random, data: bytearray) -> None:
    del data[chance.randrange(len(data)) :]


def taken_out(chance: random.Random, data: bytearray) -> None:
    place = chance.randrange(len(data))
    del data[place : place + chance.randint(1, 8)]


def put_in(chance: random.Random, data: bytearray) -> None:
    place = chance.randrange(len(data) + 1)
    data[place:place] = chance.randbytes(chance.randint(1, 8))


def replaced(chance: random.Random, data: bytearray) -> None:
    place = chance.randrange(len(data))
    size = chance.randint(1, 6)
    data[place : place + size] = chance.randbytes(size)


def copied(chance: random.Random, data: bytearray) -> None:
    start_, size = chance.randrange(len(data)), chance.randint(1, 30)
    place = chance.randrange(len(data))
    data[place:place] = data[start_ : start_ + size]


def noise(chance: random.Random, data: bytearray) -> None:
    data[len(MAGIC) + chance.randint(0, 6) :] = chance.randbytes(chance.randint(0, 200))


@pytest.mark.parametrize("damage", [flipped, cut, taken_out, put_in, replaced, copied, noise])
def test_damaged_bytes(damage: Callable[[random.Random, bytearray], None]) -> None:
    chance = random.Random(damage.__name__)
    loaded = 0
    for _ in range(2_000):
        data = bytearray(chance.choice(MODULES))
        damage(chance, data)
        loaded += survives(bytes(data))
    assert loaded < 600


def test_parts_of_different_modules_together() -> None:
    chance = random.Random(7)
    for _ in range(2_000):
        left, right = chance.choice(MODULES), chance.choice(MODULES)
        survives(left[: chance.randrange(len(left))] + right[chance.randrange(len(right)) :])


class Changing:
    """Changes within a well-formed encoding: they reach the verifier and the machine."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def module(self, parts: ModuleParts) -> ModuleParts:
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            if not parts.functions:
                break
            parts = self.chance.choice((self.tables, self.functions, self.functions, self.functions))(parts)
        return parts

    def tables(self, parts: ModuleParts) -> ModuleParts:
        name = self.chance.choice([field.name for field in fields(ModuleParts) if field.name != "language"])
        if name == "output":
            return replace(parts, output=self.chance.choice(TYPES))
        if name == "library":
            names = {*parts.library, self.chance.choice(sorted(FUNCTIONS))}
            return replace(parts, library=tuple(sorted(names)[: len(parts.library) or 1]))
        if name == "types":
            return replace(parts, types=(*parts.types[:-1], self.chance.choice(TYPES)))
        if name == "constants":
            return replace(parts, constants=(*parts.constants[:-1], self.chance.choice(ANSWERS)))
        given = list(getattr(parts, name))
        self.disturb(given)
        return replace(parts, **{name: tuple(given)})

    def disturb(self, items: list[Any]) -> None:
        """Drop, double or move an item."""
        if not items:
            return
        place = self.chance.randrange(len(items))
        what = self.chance.choice(("drop", "double", "move"))
        item = items[place]
        if what != "double":
            del items[place]
        if what != "drop":
            items.insert(self.chance.randrange(len(items) + 1), item)

    def functions(self, parts: ModuleParts) -> ModuleParts:
        number = self.chance.randrange(len(parts.functions))
        changed = self.function(parts.functions[number])
        return replace(parts, functions=(*parts.functions[:number], changed, *parts.functions[number + 1 :]))

    def function(self, code: FunctionCode) -> FunctionCode:
        what = self.chance.choice(("operand", "operand", "operand", "instruction", "header", "handlers", "constants"))
        if what == "header":
            name = self.chance.choice(("parameters", "captures", "locals"))
            return replace(code, **{name: self.chance.randint(0, 6)}, rest=self.chance.random() < 0.2)
        if what == "handlers":
            handler = Handler(*(self.chance.randint(0, len(code.instructions)) for _ in range(4)))
            return replace(code, handlers=(*code.handlers[:1], handler))
        if what == "constants":
            constant = ConstantPlace(self.chance.randint(0, 4), library=self.chance.random() < 0.5)
            return replace(code, constants=(*code.constants[:-1], constant))
        instructions = list(code.instructions)
        if not instructions:
            return code
        if what == "instruction":
            instructions.insert(self.chance.randrange(len(instructions)), self.instruction())
            self.disturb(instructions)
        else:
            place = self.chance.randrange(len(instructions))
            instructions[place] = self.operand(instructions[place])
        return replace(code, instructions=tuple(instructions))

    def operand(self, instruction: tuple[int, ...]) -> tuple[int, ...]:
        changed = list(instruction)
        counted = any(kind in ("reads", "pairs", "named") for kind in OPERANDS[OPERATIONS[instruction[0]]])
        place = self.chance.randrange(1, len(changed))
        if counted and self.chance.random() < 0.2:
            return self.instruction()
        changed[place] = self.chance.choice(
            (changed[place] + 1, max(0, changed[place] - 1), self.chance.randint(0, 30))
        )
        return tuple(changed)

    def instruction(self) -> tuple[int, ...]:
        """Make one that can be encoded."""
        operation = self.chance.choice(list(Op))
        made = [int(operation)]
        for kind in OPERANDS[operation]:
            if kind in ("reads", "pairs", "named"):
                count = self.chance.randint(0, 3)
                made.append(count)
                made.extend(self.chance.randint(0, 8) for _ in range(count * (1 if kind == "reads" else 2)))
            else:
                made.append(self.chance.randint(0, 12))
        return tuple(made)


@pytest.mark.parametrize("seed", range(8))
def test_changed_code(seed: int) -> None:
    chance = random.Random(seed)
    changing = Changing(chance)
    loaded = 0
    for _ in range(1_500):
        parts = changing.module(decode_module(chance.choice(MODULES)))
        try:
            module = encode_module(parts)
        except (ModuleInvalid, ValueError, IndexError):
            continue  # a count that does not fit its list has no encoding
        loaded += survives(module)
    assert loaded > 150, "the changes reach the machine too seldom to show anything"


def test_undamaged_modules_run() -> None:
    assert len(MODULES) > 200
    assert all(survives(module) for module in MODULES[::5])


def test_code_that_nothing_reaches() -> None:
    """What surely fails is followed by code that nothing reaches: that is no reason to fail in another way."""
    source = "(cond (> 1 2) :b (= 1 1) :b :else :c)"
    parts = decode_module(compile_program(source, parameters={}, output=None, capabilities={}, fold=False).module)
    (code,) = parts.functions
    for register in range(code.first_constant, code.first_local):
        operation, target, library, count, _, right = code.instructions[0]
        first = (operation, target, library, count, register, right)
        changed = replace(code, instructions=(first, *code.instructions[1:]))
        assert survives(encode_module(replace(parts, functions=(changed,))))
