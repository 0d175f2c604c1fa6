"""The instructions. A function works on numbered registers; every operand is a number.

A function's registers are, in this order: parameters (the rest vector last), captured values, constants, locals.
Constants are put there when the function is entered, so that no instruction needs to tell them from other values.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final, Literal, TypeAlias

OperandKind: TypeAlias = Literal[
    "write",
    "read",
    "reads",
    "forward",
    "back",
    "library",
    "function",
    "sibling",
    "effect",
    "type",
    "named",
    "pairs",
    "hints",
]
"""What an operand means, and so what the verifier checks.

``reads`` is a counted list of registers; ``pairs`` a counted list of key and value registers; ``named`` a counted
list of parameter numbers, each with its register; ``forward`` and ``back`` are jump targets; ``hints`` is the number of
a constant, a map with keyword keys.
"""


class Op(IntEnum):
    """Operation codes. Numbers are part of the format and never change their meaning."""

    MOVE = 1
    LIBRARY = 2
    JUMP_UNLESS = 3
    JUMP_IF = 4
    JUMP = 5
    BACK = 6
    RETURN = 7
    CALL = 8
    TAIL_CALL = 9
    CALL_SIBLING = 10
    TAIL_SIBLING = 11
    CLOSURE = 12
    SIBLING = 13
    EFFECT = 14
    VECTOR = 15
    MAP = 16
    CAST = 17
    PARALLEL = 18
    HINTED_EFFECT = 19


OPERATIONS: Final[Mapping[int, Op]] = {operation.value: operation for operation in Op}
"""Operations by their code; several times as fast as calling the enumeration."""

OPERANDS: Final[dict[Op, tuple[OperandKind, ...]]] = {
    Op.MOVE: ("write", "read"),
    Op.LIBRARY: ("write", "library", "reads"),
    Op.JUMP_UNLESS: ("read", "forward"),
    Op.JUMP_IF: ("read", "forward"),
    Op.JUMP: ("forward",),
    Op.BACK: ("back",),
    Op.RETURN: ("read",),
    Op.CALL: ("write", "read", "reads"),
    Op.TAIL_CALL: ("read", "reads"),
    Op.CALL_SIBLING: ("write", "sibling", "reads"),
    Op.TAIL_SIBLING: ("sibling", "reads"),
    Op.CLOSURE: ("write", "function", "reads"),
    Op.SIBLING: ("write", "sibling"),
    Op.EFFECT: ("write", "effect", "named"),
    Op.VECTOR: ("write", "reads"),
    Op.MAP: ("write", "pairs"),
    Op.CAST: ("write", "read", "type"),
    Op.PARALLEL: ("write", "reads"),
    Op.HINTED_EFFECT: ("write", "effect", "hints", "named"),
}

MEANING: Final[dict[Op, str]] = {
    Op.MOVE: "copy a register",
    Op.LIBRARY: "apply a function of the library",
    Op.JUMP_UNLESS: "go on there when the value is false or nil",
    Op.JUMP_IF: "go on there unless the value is false or nil",
    Op.JUMP: "go on there",
    Op.BACK: "go back there (loops pay fuel here)",
    Op.RETURN: "give the value to the caller",
    Op.CALL: "apply any value that can be applied",
    Op.TAIL_CALL: "the same, in place of this call",
    Op.CALL_SIBLING: "apply a function defined together with this one; it has the same captured values",
    Op.TAIL_SIBLING: "the same, in place of this call",
    Op.CLOSURE: "make a function value that holds these values",
    Op.SIBLING: "make the function value of a function defined together with this one",
    Op.EFFECT: "ask the world, and wait for its answer",
    Op.VECTOR: "make a vector",
    Op.MAP: "make a map",
    Op.CAST: "fail unless the value has the type",
    Op.PARALLEL: "run these functions side by side, each in a lane, and give a vector of what they give",
    Op.HINTED_EFFECT: "ask the world, with hints for who carries it out, and wait for its answer",
}

TERMINATORS: Final = frozenset({Op.RETURN, Op.TAIL_CALL, Op.TAIL_SIBLING, Op.JUMP, Op.BACK})
"""After these the next instruction is not reached by falling through; a function ends with one of them."""
