"""Canonical bytes of a module, and back. One module has exactly one encoding.

Layout: magic, format, language, parameters, output type, effect row, types, library names, constants, functions.
Numbers, texts and lists are as in packing.py; types are in their canonical spelling; constants are canonical values
(RFC 8785).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, get_args

import orjson

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, canonical, decode
from domain.rtfs.bytecode.module import (
    FORMAT,
    LANGUAGE,
    Constant,
    EffectSignature,
    FunctionCode,
    Handler,
    Instruction,
    ModuleInvalid,
    ModuleParts,
)
from domain.rtfs.bytecode.operations import OPERANDS, OperandKind
from domain.rtfs.bytecode.packing import Packer, Unpacker
from domain.rtfs.capability import EffectMode, Parameter
from domain.rtfs.types import Type, parse_type, print_type

MAGIC: Final = b"\x00rtfs"
MAX_MODULE: Final = 4_000_000
"""Bytes of one module."""

_LISTS: Final = {"reads": 1, "pairs": 2, "named": 2}
"""Operand kinds that are counted lists, and how many numbers one item has."""
_MODES: Final[tuple[EffectMode, ...]] = get_args(EffectMode)


def encode_module(module: ModuleParts) -> bytes:
    """Give the canonical bytes."""
    writer = _Writer()
    writer.out += MAGIC
    writer.number(FORMAT)
    writer.text(module.language)
    writer.list(module.parameters, writer.parameter)
    writer.text(print_type(module.output))
    writer.list(module.effects, writer.effect)
    writer.list(module.types, lambda each: writer.text(print_type(each)))
    writer.list(module.library, writer.text)
    writer.list(module.constants, lambda value: writer.bytes(canonical(value)))
    writer.list(module.functions, writer.function)
    return bytes(writer.out)


class _Writer(Packer):
    def parameter(self, parameter: tuple[str, Type]) -> None:
        self.text(parameter[0])
        self.text(print_type(parameter[1]))

    def effect(self, effect: EffectSignature) -> None:
        self.text(effect.name)
        self.text(effect.version)
        self.number(_MODES.index(effect.mode))
        self.list(effect.parameters, self.effect_parameter)
        self.text(print_type(effect.result))

    def effect_parameter(self, parameter: Parameter) -> None:
        self.text(parameter.name)
        self.text(print_type(parameter.type))
        self.number(int(parameter.required))

    def function(self, code: FunctionCode) -> None:
        self.number(code.parameters)
        self.number(int(code.rest))
        self.number(code.captures)
        self.list(code.constants, lambda constant: self.number(2 * constant.place + constant.library))
        self.number(code.locals)
        self.list(code.handlers, self.handler)
        self.list(code.instructions, self.numbers)

    def handler(self, handler: Handler) -> None:
        self.numbers((handler.start, handler.end, handler.target, handler.register))


@lru_cache(maxsize=16)  # what has been compiled is looked at for several things, and then loaded
def decode_module(data: bytes) -> ModuleParts:
    """Take a module apart. Raises ``ModuleInvalid``; what is given back encodes to the same bytes."""
    if len(data) > MAX_MODULE:
        raise ModuleInvalid(f"a module of {len(data)} bytes; at most {MAX_MODULE} are read")
    if data[: len(MAGIC)] != MAGIC:
        raise ModuleInvalid("these bytes do not begin as a module does")
    reader = _Reader(data)
    try:
        return reader.module()
    except ModuleInvalid:
        raise
    except (PrecedentError, ValueError, RecursionError) as problem:
        raise ModuleInvalid(f"the module is damaged near byte {reader.at}: {problem!s:.300}") from problem


class _Reader(Unpacker):
    """Reads no second spelling of anything: numbers and texts have one, types and constants are written again."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data, len(MAGIC), "the module", ModuleInvalid)

    def module(self) -> ModuleParts:
        found = self.number()
        if found != FORMAT:
            raise ModuleInvalid(f"the module has format {found}; this release reads {FORMAT}")
        language = self.text()
        if language != LANGUAGE:
            raise ModuleInvalid(f"the module is of RTFS {language!r:.40}; this release runs {LANGUAGE}")
        module = ModuleParts(
            language=language,
            parameters=self.list(self.parameter),
            output=self.type(),
            effects=self.list(self.effect),
            types=self.list(self.type),
            library=self.list(self.text),
            constants=self.list(self.value),
            functions=self.list(self.function),
        )
        self.end()
        return module

    def type(self) -> Type:
        return _type(self.text())

    def value(self) -> Value:
        data = self.bytes()
        value = decode(orjson.loads(data))
        if canonical(value) != data:
            raise ModuleInvalid(f"a constant near byte {self.at} is not in canonical form")
        return value

    def parameter(self) -> tuple[str, Type]:
        return self.text(), self.type()

    def effect(self) -> EffectSignature:
        name, version, mode = self.text(), self.text(), self.number()
        if mode >= len(_MODES):
            raise ModuleInvalid(f"effect mode {mode} is not known")
        return EffectSignature(name, version, _MODES[mode], self.list(self.effect_parameter), self.type())

    def effect_parameter(self) -> Parameter:
        return _parameter(self.text(), self.text(), self.flag())

    def function(self) -> FunctionCode:
        return FunctionCode(
            parameters=self.number(),
            rest=self.flag(),
            captures=self.number(),
            constants=self.list(self.constant),
            locals=self.number(),
            handlers=self.list(self.handler),
            instructions=self.list(self.instruction),
        )

    def constant(self) -> Constant:
        return _constant(self.number())

    def handler(self) -> Handler:
        return Handler(self.number(), self.number(), self.number(), self.number())

    def instruction(self) -> Instruction:
        data, at = self.data, self.at
        code = self.number()
        shape = _SHAPES.get(code)
        if shape is None:
            raise ModuleInvalid(f"operation {code} is not known")
        fixed, width = shape
        end = at + 1 + fixed
        if width:
            if end >= len(data):
                raise self.cut_off()
            end += 1 + width * data[end]
        numbers = data[at:end]
        if end <= len(data) and numbers.isascii():  # each of one byte, as most are
            self.at = end
            return tuple(numbers)
        values = [code, *[self.number() for _ in range(fixed)]]
        if width:
            count = self.size()
            values += [count, *[self.number() for _ in range(width * count)]]
        return tuple(values)


@lru_cache(maxsize=4096)  # the few types of the tools are in all programs that call them
def _type(text: str) -> Type:
    found = parse_type(text)
    if print_type(found) != text:
        raise ModuleInvalid(f"the type {text!r:.60} is not in canonical form; that is {print_type(found)!r:.60}")
    return found


@lru_cache(maxsize=4096)
def _parameter(name: str, type_text: str, required: bool) -> Parameter:
    return Parameter(name, _type(type_text), required)


@lru_cache(maxsize=4096)
def _constant(number: int) -> Constant:
    return Constant(number >> 1, bool(number & 1))


def _shape(kinds: tuple[OperandKind, ...]) -> tuple[int, int]:
    assert not any(kind in _LISTS for kind in kinds[:-1]), "a list comes last"
    width = _LISTS.get(kinds[-1], 0)
    return len(kinds) - bool(width), width


_SHAPES: Final = {int(operation): _shape(kinds) for operation, kinds in OPERANDS.items()}
"""By operation: single operands, and how many numbers an item of the list behind them has; 0: there is none."""
