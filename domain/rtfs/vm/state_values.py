"""The values that a state holds, as a table in which every value is written once.

An entry refers to entries before it, so that values are read without recursion, however deeply they are nested, and
that sharing costs nothing: a vector that is held twice is one entry. Scalars are told apart by kind and value,
collections and functions by identity, because what is held once counts once against the memory limit: a state that
comes back shares what it shared, and so ends as the state would have that was stored. Collections among the module's
constants are not written; they come first in the numbering, in the order of the pool.
"""

from __future__ import annotations

import math
import struct
from datetime import datetime
from typing import Any, ClassVar, Final
from uuid import UUID

from domain.kernel.errors import PrecedentError
from domain.kernel.values import MAX_BITS, MAX_DEPTH, Keyword, format_time, key_order, parse_time
from domain.rtfs.bytecode.packing import Packer, Unpacker
from domain.rtfs.functions import FUNCTIONS, Entry
from domain.rtfs.vm.code import Closure
from domain.rtfs.vm.loading import Module

NIL, FALSE, TRUE, INTEGER, FLOAT, STRING, KEYWORD, TIME, UNIQUE, VECTOR, MAP, FUNCTION, LIBRARY, ARGUMENTS = range(14)
"""Kinds of entries."""

_FLOAT: Final = struct.Struct(">d")
_MOST: Final = 2**62
"""Where sizes stop counting: values that share much are larger written out than anything that could be made."""


class StateInvalid(PrecedentError):
    """The bytes are no state of this module: fetch them again, or run the program anew from its journal."""

    code: ClassVar[str] = "rtfs.state-invalid"


class ValueWriter:
    """Fills the table; ``reference`` gives the number of a value."""

    def __init__(self, module: Module) -> None:
        self.packer = Packer()
        self.count = 0
        self._library = {name: number for number, name in enumerate(module.parts.library)}
        self._scalars: dict[Any, int] = {}
        self._places: dict[int, int] = {}
        """Collections and functions by their identity."""
        for each in shared_constants(module):
            self._places[id(each)] = len(self._places)
        self._first = len(self._places)

    def reference(self, value: Any) -> int:
        """Give the number of a value, after everything in it has one."""
        pending = [value]
        while True:
            value = pending[-1]
            number = self._known(value)
            if number is None:
                inner = _inner(value)
                missing = [each for each in inner if self._known(each) is None]
                if missing:
                    pending.extend(reversed(missing))
                    continue
                number = self._places[id(value)] = self._write(value)
            pending.pop()
            if not pending:
                return number

    def _known(self, value: Any) -> int | None:
        kind = type(value)
        if kind in _COLLECTED:
            return self._places.get(id(value))
        identity = (kind, _FLOAT.pack(value)) if kind is float and not math.isnan(value) else (kind, _plain(value))
        number = self._scalars.get(identity)
        if number is None:
            number = self._scalars[identity] = self._write(value)
        return number

    def _numbers(self, values: Any) -> None:
        self.packer.number(len(values))
        for value in values:
            number = self._known(value)
            assert number is not None, "what is inside was written before"
            self.packer.number(number)

    def _write(self, value: Any) -> int:
        packer, kind = self.packer, type(value)
        if value is None:
            packer.number(NIL)
        elif kind is bool:
            packer.number(TRUE if value else FALSE)
        elif kind is int:
            packer.number(INTEGER)
            packer.number(value << 1 if value >= 0 else ~value << 1 | 1)
        elif kind is float:
            packer.number(FLOAT)
            packer.out += _FLOAT.pack(math.nan if math.isnan(value) else value)
        elif kind is str:
            packer.number(STRING)
            packer.text(value)
        elif kind is Keyword:
            packer.number(KEYWORD)
            packer.text(value.name)
        elif kind is datetime:
            packer.number(TIME)
            packer.text(format_time(value))
        elif kind is UUID:
            packer.number(UNIQUE)
            packer.out += value.bytes
        elif kind is list:
            packer.number(VECTOR)
            self._numbers(value)
        elif kind is dict:
            packer.number(MAP)
            self._numbers(_inner(value))
        elif kind is Closure:
            packer.number(FUNCTION)
            packer.number(value.code.number)
            self._numbers(value.captures)
        elif kind is tuple:
            packer.number(ARGUMENTS)
            self._numbers(value)
        else:
            assert kind is Entry, f"{kind.__name__} is no value"
            packer.number(LIBRARY)
            packer.number(self._library[value.name])
        self.count += 1
        return self._first + self.count - 1


_COLLECTED: Final = frozenset({list, dict, tuple, Closure})


def _plain(value: Any) -> Any:
    return "nan" if type(value) is float else value.name if type(value) is Entry else value


def _inner(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return [part for key in sorted(value, key=key_order) for part in (key, value[key])]
    return value.captures if kind is Closure else value


def shared_constants(module: Module) -> list[Any]:
    """Give the collections among the module's constants, outer ones first."""
    found: list[Any] = []
    pending: list[Any] = list(reversed(module.parts.constants))
    while pending:
        value = pending.pop()
        if type(value) in (list, dict):
            found.append(value)
            inner = value if type(value) is list else [value[key] for key in sorted(value, key=key_order)]
            pending.extend(reversed(inner))
    return found


class ValueReader:
    """The table read back: values by number, and what is known of each."""

    def __init__(self, unpacker: Unpacker, module: Module) -> None:
        self._unpacker = unpacker
        self._module = module
        constants = shared_constants(module)
        self.values = constants
        self._sizes, self._depths = _measured(constants)
        """Cells of each value written out in full, and how deeply it is nested."""
        self._strange, self._functions = [False] * len(constants), [False] * len(constants)
        """Whether a value is no value of the language, and whether it is or holds a function."""
        for _ in range(unpacker.size()):
            self._entry()

    def value(self) -> Any:
        """Read the number of a value of the language, and give that."""
        number = self._number()
        if self._strange[number]:
            raise StateInvalid(f"arguments where a value is expected near byte {self._unpacker.at}")
        return self.values[number]

    def vector(self) -> list[Any]:
        """Read the number of a vector, and give that."""
        value = self.value()
        if type(value) is not list:
            raise StateInvalid(f"a vector is expected near byte {self._unpacker.at}")
        return value

    def arguments(self) -> tuple[Any, ...]:
        """Read the number of the arguments of one application, and give those."""
        value = self.values[self._number()]
        if type(value) is not tuple:
            raise StateInvalid(f"arguments are expected near byte {self._unpacker.at}")
        return value

    def anything(self) -> Any:
        """Read a number, and give what it stands for: a value, or several."""
        return self.values[self._number()]

    def data(self, most: int) -> Any:
        """Read the number of a value that may leave the program, with at most so many cells; give that."""
        number = self._number()
        if self._strange[number] or self._functions[number]:
            raise StateInvalid(f"a function leaves the program near byte {self._unpacker.at}")
        # The machine does not count keys of maps, and not the outermost level.
        if self._sizes[number] > 2 * most or self._depths[number] > MAX_DEPTH + 1:
            raise StateInvalid(f"a value that is too large leaves the program near byte {self._unpacker.at}")
        return self.values[number]

    def _number(self) -> int:
        number = self._unpacker.number()
        if number >= len(self.values):
            raise StateInvalid(f"value {number} does not exist, near byte {self._unpacker.at}")
        return number

    def _entry(self) -> None:
        kind = self._unpacker.number()
        strange = function = False
        size = depth = 1
        if kind in (VECTOR, MAP, FUNCTION, ARGUMENTS):
            code = self._unpacker.number() if kind == FUNCTION else 0
            inner = [self._number() for _ in range(self._unpacker.size())]
            value = self._collection(kind, code, [self.values[each] for each in inner])
            size = min(_MOST, 1 + sum([self._sizes[each] for each in inner]))
            depth = 1 + max([self._depths[each] for each in inner], default=0)
            strange = kind == ARGUMENTS or any(map(self._strange.__getitem__, inner))
            function = kind == FUNCTION or any(map(self._functions.__getitem__, inner))
            if kind != ARGUMENTS and strange:
                raise StateInvalid(f"arguments within a value near byte {self._unpacker.at}")
        else:
            value = self._scalar(kind)
            function = kind == LIBRARY
            size += len(value) >> 3 if kind == STRING else 0
        self.values.append(value)
        self._sizes.append(size)
        self._depths.append(depth)
        self._strange.append(strange)
        self._functions.append(function)

    def _collection(self, kind: int, code: int, inner: list[Any]) -> Any:
        if kind == VECTOR:
            return inner
        if kind == ARGUMENTS:
            return tuple(inner)
        if kind == MAP:
            return self._map(inner)
        functions = self._module.functions
        if code >= len(functions):
            raise StateInvalid(f"function {code} does not exist, near byte {self._unpacker.at}")
        if len(inner) != self._module.parts.functions[code].captures:
            raise StateInvalid(f"function {code} captures another number of values, near byte {self._unpacker.at}")
        return Closure(functions[code], inner)

    def _map(self, parts: list[Any]) -> dict[Any, Any]:
        keys = parts[::2]
        if len(parts) % 2 or any(type(key) not in (str, int, Keyword) for key in keys):
            raise StateInvalid(f"a map whose keys are no keys near byte {self._unpacker.at}")
        made = dict(zip(keys, parts[1::2], strict=True))
        if len(made) != len(keys):
            raise StateInvalid(f"a map with a key twice near byte {self._unpacker.at}")
        return made

    def _scalar(self, kind: int) -> Any:
        unpacker = self._unpacker
        if kind in (NIL, FALSE, TRUE):
            return (None, False, True)[kind]
        if kind == INTEGER:
            number = unpacker.number(MAX_BITS + 1)
            return ~(number >> 1) if number & 1 else number >> 1
        if kind == FLOAT:
            return _FLOAT.unpack(unpacker.take(8))[0]
        if kind == STRING:
            return unpacker.text()
        if kind == KEYWORD:
            return Keyword(unpacker.text())
        if kind == TIME:
            return parse_time(unpacker.text())
        if kind == UNIQUE:
            return UUID(bytes=unpacker.take(16))
        if kind != LIBRARY:
            raise StateInvalid(f"kind {kind} of values is not known, near byte {unpacker.at}")
        number = unpacker.number()
        names = self._module.parts.library
        if number >= len(names):
            raise StateInvalid(f"library function {number} does not exist, near byte {unpacker.at}")
        return FUNCTIONS[names[number]]


def _measured(constants: list[Any]) -> tuple[list[int], list[int]]:
    """Give sizes and depths of constants: inner ones come after outer ones, so from behind."""
    places = {id(each): place for place, each in enumerate(constants)}
    sizes, depths = [1] * len(constants), [1] * len(constants)
    for place in range(len(constants) - 1, -1, -1):
        value = constants[place]
        for item in value.values() if type(value) is dict else value:
            inner = places.get(id(item))
            sizes[place] += 1 + (len(item) >> 3 if type(item) is str else 0) if inner is None else sizes[inner]
            depths[place] = max(depths[place], 2 if inner is None else 1 + depths[inner])
    return sizes, depths
