"""Asking within a program whether a value is of a type, for patterns."""

from __future__ import annotations

from domain.rtfs.compiler.expressions import Cast, Constant, Expression, LibraryCall, Read, Try
from domain.rtfs.compiler.scope import Variable
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.source import Span
from domain.rtfs.types import ANY, BOOL, Primitive, Type

_QUESTIONS = {
    "int": "int?",
    "float": "float?",
    "string": "string?",
    "bool": "bool?",
    "nil": "nil?",
    "keyword": "keyword?",
}


def type_test(value: Read, expected: Type, span: Span) -> Expression:
    """Make a condition: a question of the library where there is one, else a cast that may fail."""
    if isinstance(expected, Primitive) and expected.name in _QUESTIONS:
        return LibraryCall(FUNCTIONS[_QUESTIONS[expected.name]], (value,), span, BOOL)
    error = Variable(" error", value.variable.owner, ANY)
    fits = LibraryCall(
        FUNCTIONS["some?"], (LibraryCall(FUNCTIONS["vector"], (Cast(value, span, expected),), span, ANY),), span, BOOL
    )
    return Try(fits, error, Constant(False, span, BOOL), span, BOOL)  # noqa: FBT003  # the value when the cast fails
