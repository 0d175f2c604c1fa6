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
from domain.kernel.values import canonical, decode
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
from domain.rtfs.bytecode.operations import OPERANDS, OPERATIONS
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
        module = reader.module()
        canonical_bytes = encode_module(module)
    except ModuleInvalid:
        raise
    except (PrecedentError, ValueError, RecursionError) as problem:
        raise ModuleInvalid(f"the module is damaged near byte {reader.at}: {problem!s:.300}") from problem
    if canonical_bytes != data:
        raise ModuleInvalid("the module is not in canonical form")
    return module


class _Reader(Unpacker):
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
            constants=self.list(lambda: decode(orjson.loads(self.bytes()))),
            functions=self.list(self.function),
        )
        self.end()
        return module

    def type(self) -> Type:
        return parse_type(self.text())

    def parameter(self) -> tuple[str, Type]:
        return self.text(), self.type()

    def effect(self) -> EffectSignature:
        name, version, mode = self.text(), self.text(), self.number()
        if mode >= len(_MODES):
            raise ModuleInvalid(f"effect mode {mode} is not known")
        return EffectSignature(name, version, _MODES[mode], self.list(self.effect_parameter), self.type())

    def effect_parameter(self) -> Parameter:
        return Parameter(self.text(), self.type(), self.flag())

    def function(self) -> FunctionCode:
        return FunctionCode(
            parameters=self.number(),
            rest=self.flag(),
            captures=self.number(),
            constants=self.list(self.constant),
            locals=self.number(),
            handlers=self.list(lambda: Handler(self.number(), self.number(), self.number(), self.number())),
            instructions=self.list(self.instruction),
        )

    def constant(self) -> Constant:
        value = self.number()
        return Constant(value >> 1, bool(value & 1))

    def instruction(self) -> Instruction:
        code = self.number()
        operation = OPERATIONS.get(code)
        if operation is None:
            raise ModuleInvalid(f"operation {code} is not known")
        operands = OPERANDS[operation]
        values = [code]
        for kind in operands:
            value = self.size() if kind in _LISTS else self.number()
            values.append(value)
            if kind in _LISTS:
                values.extend([self.number() for _ in range(value * _LISTS[kind])])
        return tuple(values)
