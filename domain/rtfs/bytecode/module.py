"""A module taken apart: everything that its bytes say, in Python data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, digest
from domain.rtfs.capability import EffectMode, Parameter
from domain.rtfs.types import ANY, Type, print_type

FORMAT = 1
"""Version of the encoding; a reader refuses others."""

LANGUAGE = "2.0"
"""Version of RTFS whose meaning the module has."""


class ModuleInvalid(PrecedentError):
    """The bytes are no module that this release can run: fetch them again, or compile the program anew."""

    code: ClassVar[str] = "rtfs.module-invalid"


@dataclass(frozen=True, slots=True)
class EffectSignature:
    """One entry of the effect row: a capability that the program may call, as it was when compiled."""

    name: str
    version: str
    mode: EffectMode
    parameters: tuple[Parameter, ...]
    result: Type


@dataclass(frozen=True, slots=True)
class Handler:
    """An error between two instructions (``end`` exclusive) goes on at ``target``, with the error in a register."""

    start: int
    end: int
    target: int
    register: int


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of a function: a value of the module's pool, or a function of the library."""

    place: int
    library: bool = False


Instruction = tuple[int, ...]
"""Operation and operands, lists flattened with their length first."""


@dataclass(frozen=True, slots=True)
class FunctionCode:
    """One function."""

    parameters: int
    """Number of parameters, without the rest."""
    rest: bool
    captures: int
    constants: tuple[Constant, ...]
    locals: int
    handlers: tuple[Handler, ...]
    """Inner ones first."""
    instructions: tuple[Instruction, ...]

    @property
    def first_constant(self) -> int:
        """Register of the first constant."""
        return self.parameters + self.rest + self.captures

    @property
    def first_local(self) -> int:
        """Register of the first local."""
        return self.first_constant + len(self.constants)

    @property
    def registers(self) -> int:
        """Number of all registers."""
        return self.first_local + self.locals


@dataclass(frozen=True, slots=True)
class ModuleParts:
    """A module. Function 0 is the program; its parameters are the module's, in the order of their names."""

    language: str
    parameters: tuple[tuple[str, Type], ...]
    output: Type
    effects: tuple[EffectSignature, ...]
    types: tuple[Type, ...]
    library: tuple[str, ...]
    constants: tuple[Value, ...]
    functions: tuple[FunctionCode, ...]


def interface_hash(parameters: dict[str, Type], output: Type | None) -> str:
    """Digest of what goes in and what comes out: a task knows it before any program exists."""
    types: Value = {
        "inputs": {name: print_type(parameters[name]) for name in sorted(parameters)},
        "output": print_type(output or ANY),
    }
    return digest(types)
