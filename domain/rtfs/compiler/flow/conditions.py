"""What a condition that was true, or was not, says of the values it asks about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from domain.kernel.values import Keyword, Value
from domain.rtfs.compiler.expressions import AllOf, AnyOf, Cast, Constant, Expression, LibraryCall, Read, Try
from domain.rtfs.compiler.flow.reading import ANY_MAP, field_of
from domain.rtfs.compiler.scope import Variable
from domain.rtfs.types import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    KEYWORD,
    NEVER,
    NIL,
    STRING,
    Enum,
    Field,
    Primitive,
    Record,
    Tuple,
    Type,
    Union,
    Val,
    Vector,
    mismatch,
    type_of,
    union,
)
from domain.rtfs.types.narrowing import falsy, join, meet, truthy, without

Narrow = Callable[[Type], Type]
Path = tuple[Variable, tuple[str, ...]]
"""A variable and the keys that lead from it to a value within."""

KINDS: Final[dict[str, Type]] = {
    "nil?": NIL,
    "int?": INT,
    "float?": FLOAT,
    "number?": union(INT, FLOAT),
    "string?": STRING,
    "keyword?": KEYWORD,
    "bool?": BOOL,
    "true?": Val(True),  # noqa: FBT003  # the value true
    "false?": Val(False),  # noqa: FBT003  # the value false
    "vector?": Vector(ANY),
    "list?": Vector(ANY),
    "map?": ANY_MAP,
    "coll?": union(Vector(ANY), ANY_MAP),
}
"""Questions of the library, and the type of the values for which they are true."""


def of_kind(name: str, *, truth: bool) -> Narrow | None:
    """Give what the answer to a question of the library says of the value that it asks about."""
    if name == "some?":
        name, truth = "nil?", not truth
    kind = KINDS.get(name)
    if kind is None:
        return None
    return (lambda found: meet(found, kind)) if truth else (lambda found: without(found, kind))


def at(found: Type, keys: tuple[str, ...], narrow: Narrow) -> Type:
    """Narrow the part of a type that keys lead to; ``:never`` when no value of the type has such a part."""
    if not keys:
        return narrow(found)
    if isinstance(found, Union):
        return union(*[at(member, keys, narrow) for member in found.members])
    key, others = keys[0], keys[1:]
    if isinstance(found, Record):
        return _at_field(found, key, lambda inner: at(inner, others, narrow))
    if found is NIL:
        return found if at(NIL, others, narrow) is not NEVER else NEVER
    return found


def _at_field(record: Record, key: str, narrow: Narrow) -> Type:
    field = field_of(record, key)
    if field is None:
        return NEVER if record.rest is NEVER and narrow(NIL) is NEVER else record
    inner = narrow(field.type)
    absent = not field.required and narrow(NIL) is not NEVER
    if inner is NEVER and not absent:
        return NEVER
    if inner is field.type and absent is not field.required:
        return record
    return _with_field(record, Field(key, NIL if inner is NEVER else inner, not absent))


def _with_field(record: Record, field: Field) -> Record:
    fields = {**{each.key: each for each in record.fields}, field.key: field}
    return Record(tuple(fields[key] for key in sorted(fields)), record.rest)


class Knowledge:
    """The types of variables at one place of a program."""

    def __init__(self) -> None:
        self.types: dict[Variable, Type] = {}
        self.aliases: dict[Variable, Path] = {}
        """Where the value of a variable was read from."""
        self.log: list[tuple[Variable, Type]] = []
        """What narrowing has replaced."""

    def path(self, expression: Expression) -> Path | None:
        """Give where a value is read from; none when it is worked out."""
        if isinstance(expression, Read):
            return expression.variable, ()
        if isinstance(expression, LibraryCall) and expression.entry.name == "get" and len(expression.arguments) == 2:
            key = expression.arguments[1]
            if isinstance(key, Constant) and isinstance(key.value, Keyword):
                found = self.path(expression.arguments[0])
                return None if found is None else (found[0], (*found[1], key.value.name))
        return None

    def narrow(self, expression: Expression, narrow: Narrow) -> None:
        """Note what was found out of a value, for the variables that it was read from."""
        path = self.path(expression)
        while path is not None:
            variable, keys = path
            known = self.types.get(variable, variable.type)
            self.log.append((variable, known))
            self.types[variable] = at(known, keys, narrow)
            origin = self.aliases.get(variable)
            path = None if origin is None else (origin[0], (*origin[1], *keys))

    def forget(self, mark: int) -> None:
        """Undo what was narrowed since the log was so long."""
        while len(self.log) > mark:
            variable, known = self.log.pop()
            self.types[variable] = known

    def assume(self, condition: Expression, *, truth: bool) -> None:
        """Note what follows from a condition being true, or not."""
        if isinstance(condition, LibraryCall):
            self._assume_call(condition, truth=truth)
        elif isinstance(condition, Read):
            self.narrow(condition, truthy if truth else falsy)
        elif isinstance(condition, (AllOf, AnyOf)):
            self._assume_all(condition, truth=truth)
        elif isinstance(condition, Try):
            self._assume_pattern(condition, truth=truth)

    def _assume_call(self, call: LibraryCall, *, truth: bool) -> None:
        name, arguments = call.entry.name, call.arguments
        if name in ("not", "boolean") and len(arguments) == 1:
            self.assume(arguments[0], truth=truth is (name == "boolean"))
        elif name in ("=", "not=", "!=") and len(arguments) == 2:
            self._assume_equal(arguments, truth=truth is (name == "="))
        elif name == "contains?" and truth and len(arguments) == 2:
            self._assume_key(arguments[0], arguments[1])
        elif name == "get":
            self.narrow(call, truthy if truth else falsy)
        elif len(arguments) == 1:
            narrow = of_kind(name, truth=truth)
            if narrow is not None:
                self.narrow(arguments[0], narrow)

    def _assume_equal(self, arguments: tuple[Expression, ...], *, truth: bool) -> None:
        left, right = arguments
        subject, literal = (right, left) if isinstance(left, Constant) else (left, right)
        if not isinstance(literal, Constant):
            return
        value = literal.value
        if isinstance(subject, LibraryCall) and subject.entry.name == "count":
            if type(value) is int:
                self.narrow(subject.arguments[0], lambda found: _of_length(found, value, truth=truth))
            return
        self.narrow(subject, lambda found: _equal_to(found, value, truth=truth))

    def _assume_key(self, subject: Expression, key: Expression) -> None:
        if isinstance(key, Constant) and isinstance(key.value, Keyword):
            name = key.value.name
            self.narrow(subject, lambda found: _having(found, name))

    def _assume_all(self, condition: AllOf | AnyOf, *, truth: bool) -> None:
        together = isinstance(condition, AllOf)
        if truth is together:
            for each in condition.items:
                self.assume(each, truth=truth)
            return
        # One of them at least went the other way, and those before it did not.
        mark = len(self.log)
        ways: list[dict[Variable, Type]] = []
        for place, each in enumerate(condition.items):
            for before in condition.items[:place]:
                self.assume(before, truth=together)
            self.assume(each, truth=truth)
            ways.append({variable: self.types[variable] for variable, _ in self.log[mark:]})
            self.forget(mark)
        for variable in ways[0]:
            if all(variable in way for way in ways):
                self.log.append((variable, self.types.get(variable, variable.type)))
                self.types[variable] = join(*[way[variable] for way in ways])

    def _assume_pattern(self, condition: Try, *, truth: bool) -> None:
        """Take what the test of a type in a pattern says: a cast of the value, tried."""
        cast = tested_cast(condition)
        if cast is not None and truth:
            self.narrow(cast.value, lambda found: meet(found, cast.type))


def tested_cast(condition: Try) -> Cast | None:
    """Give the cast that the test of a type in a pattern tries; none for any other ``try``."""
    if not (isinstance(condition.handler, Constant) and condition.handler.value is False):
        return None
    body = condition.body
    for name in ("some?", "vector"):
        if not (isinstance(body, LibraryCall) and body.entry.name == name and len(body.arguments) == 1):
            return None
        body = body.arguments[0]
    return body if isinstance(body, Cast) else None


def _equal_to(found: Type, value: Value, *, truth: bool) -> Type:
    """Narrow to what may be the same as a value, or drop what is nothing but it."""
    if isinstance(found, Union):
        return union(*[_equal_to(member, value, truth=truth) for member in found.members])
    exactly = NIL if value is None else Val(value)
    if found is ANY:
        return type_of(value) if truth and not isinstance(value, list | dict) else found
    if isinstance(found, Val | Enum) or found is NIL:
        return meet(found, exactly) if truth else without(found, exactly)
    if not truth:
        return found
    return found if mismatch(value, found) is None or not isinstance(found, Primitive) else NEVER


def _of_length(found: Type, size: int, *, truth: bool) -> Type:
    if isinstance(found, Union):
        return union(*[_of_length(member, size, truth=truth) for member in found.members])
    return NEVER if isinstance(found, Tuple) and (len(found.elements) == size) is not truth else found


def _having(found: Type, key: str) -> Type:
    """Narrow to maps that have a key; of a map that may have it nothing more is known than that it is there."""
    if isinstance(found, Union):
        return union(*[_having(member, key) for member in found.members])
    if not isinstance(found, Record):
        return NEVER if found is NIL else found
    field = field_of(found, key)
    if field is None and found.rest is NEVER:
        return NEVER
    if field is None:
        return _with_field(found, Field(key, ANY if found.rest is None else found.rest))
    return found if field.required else _with_field(found, Field(key, field.type))
