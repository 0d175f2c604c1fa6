"""Words and strings of the text: what each means, and what is wrong with one that means nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, NamedTuple
from uuid import UUID

from domain.kernel.values import Keyword, Value, parse_time
from domain.rtfs.lookalikes import lookalike
from domain.rtfs.nodes import Context, Literal, Symbol

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

_NAME: Final = r"[A-Za-z_$+\-*/=<>!?%&.λ][A-Za-z0-9_$+\-*/=<>!?%&.@'λ]*"
_VERSIONED: Final = rf"{_NAME}(?::v[0-9]+(?:\.[0-9]+)*/{_NAME})?"
_WORD: Final = re.compile(
    rf"""
      (?P<int>      [+-]?[0-9]+ )
    | (?P<float>    [+-]?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+) )
    | (?P<time>     [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:]{{8}}(?:[._][0-9]{{1,6}})?Z )
    | (?P<uuid>     [0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}} )
    | (?P<keyword>  :{_NAME}(?::{_NAME})* )
    | (?P<resource> resource://\S+ )
    | (?P<context>  @:?{_VERSIONED} )
    | (?P<number>   [+-]?\.?[0-9].* )
    | (?P<symbol>   {_VERSIONED}\#? | resource:ref )
    """,
    re.VERBOSE | re.DOTALL,
)
_TYPED_NAME: Final = re.compile(rf"({_NAME}):({_NAME})?")
_CONSTANTS: Final[dict[str, Value]] = {
    "nil": None,
    "true": True,
    "false": False,
    "##Inf": math.inf,
    "##-Inf": -math.inf,
    "##NaN": math.nan,
}
_ESCAPE: Final = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    '"': '"',
    "\\": "\\",
    "b": "\b",
    "f": "\f",
    "0": "\0",
    "/": "/",
}
_NUMBERS: Final = "numbers are written 12, -3, 1.5 or 2.0e10"
_KEYWORDS: Final = "a keyword is a colon and a name: :name, :ns/name, :ns.name"
_HASHES: Final = {
    "#{": "there are no sets; write a vector, and (distinct …) for one without doubles",
    "#[": "write a vector: [ … ]",
    '#"': 'a pattern is a string: "[a-z]+"',
    "#_": "comment it out with ; or #| … |#",
    "#'": "functions are values: write the name alone",
    "##": "known are ##Inf, ##-Inf and ##NaN",
}


class Atom(NamedTuple):
    """What a word stands for; with its place it is a node."""

    make: Callable[..., Literal | Symbol | Context]
    content: Value | str


class BadAtom(Exception):
    """Correct the word as the hint says.

    Read by the reader alone, which knows the place: ``start`` and ``end`` count from the beginning of the word.
    """

    def __init__(self, message: str, start: int, end: int, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end
        self.hint = hint


def read_word(word: str) -> Atom:
    """Give the meaning of a word. Raises ``BadAtom``."""
    if word in _CONSTANTS:
        return Atom(Literal, _CONSTANTS[word])
    found = _WORD.fullmatch(word)
    kind = found.lastgroup if found else None
    if kind == "symbol" and not word.startswith("//"):
        return Atom(Symbol, word)
    if kind == "context":
        return Atom(Context, word[1:].removeprefix(":"))
    if kind == "keyword":
        return Atom(Literal, Keyword(word[1:]))
    if kind == "int":
        return Atom(Literal, _integer(word))
    if kind == "float":
        return Atom(Literal, _float(word))
    if kind == "time":
        return Atom(Literal, _time(word))
    if kind == "uuid":
        return Atom(Literal, UUID(word))
    if kind == "resource":
        return Atom(Literal, word)
    raise _bad_word(word)


def split_typed_name(word: str) -> tuple[str, str | None] | None:
    """Cut ``name:type``, as parameters and bindings may be written, into its two parts; not ``name:v1.0/other``.

    The type is ``None`` when only the colon stands behind the name.
    """
    found = _TYPED_NAME.fullmatch(word)
    return (found[1], found[2]) if found and not _WORD.fullmatch(word) else None


def read_string(lexeme: str) -> str:
    """Give the text of a string, quotation marks included in the lexeme. Raises ``BadAtom``."""
    value = _ESCAPE.sub(_unescape, lexeme) if "\\" in lexeme else lexeme
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        try:  # two halves that are escaped one by one, as JSON does it, are one character
            value = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError as problem:
            message = "the string holds an unpaired surrogate"
            raise BadAtom(message, 0, len(lexeme), "write the character itself") from problem
    return value[1:-1]


def _unescape(found: re.Match[str]) -> str:
    code = found.group(1)
    if code[0] == "u" and len(code) == 5:
        return chr(int(code[1:], 16))
    if code not in _ESCAPES:
        known = r"\n \t \r \b \f \0 \" \\ \/ \uXXXX"
        hint = f"known are {known}; a backslash itself is \\\\"
        raise BadAtom(f"`\\{code}` is no escape", found.start(), found.start() + 2, hint)
    return _ESCAPES[code]


def _integer(text: str) -> int:
    # Twenty characters hold every 64-bit integer; Python's reader of longer ones is quadratic.
    digits = text.lstrip("+-").lstrip("0")
    value = int(text) if len(digits) <= 20 else INT_MAX + 1
    if not INT_MIN <= value <= INT_MAX:
        hint = f"integers go from {INT_MIN} to {INT_MAX}; a longer one may be a float or a string"
        raise BadAtom("this integer needs more than 64 bits", 0, len(text), hint)
    return value


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise BadAtom("this float is beyond binary64", 0, len(text), "write ##Inf for infinity")
    return value


def _time(text: str) -> Value:
    try:
        return parse_time(text.replace("_", "."))
    except ValueError as problem:
        raise BadAtom(f"this is no time: {problem}", 0, len(text), "write 2026-11-21T08:00:00Z") from problem


def _bad(word: str, hint: str | None) -> BadAtom:
    shown = word if len(word) <= 40 else word[:40] + "…"
    return BadAtom(f"`{shown}` cannot be read", 0, len(word), hint)


def _bad_word(word: str) -> BadAtom:
    strange = lookalike(word)
    if strange is not None:
        index, message, hint = strange
        return BadAtom(message, index, index + 1, hint)
    if word.startswith("//"):
        return _bad(word, "a comment begins with ;")
    if word.startswith("#"):
        hint = "a comment begins with ;   # begins #( … ), #| … |#, ##Inf, ##-Inf and ##NaN"
        return _bad(word, _HASHES.get(word[:2], hint))
    if re.match(r"[+-]?\.?[0-9]", word):
        return _bad(word, _number_hint(word))
    mark = next((index for index, character in enumerate(word) if character in "`~^"), None)
    if mark is not None:
        return BadAtom(f"`{word[mark]}` within a name", mark, mark + 1, "put a space before it")
    if word.startswith(":"):
        return _bad(word, _KEYWORDS)
    if word.startswith("@"):
        return _bad(word, "@name stands for the input of this name; there are no references to take a value out of")
    if word.startswith("resource:"):
        return _bad(word, 'write resource://name, or (resource:ref "name")')
    if word.endswith(":"):
        return _bad(word, f"a keyword's colon comes first: :{word.rstrip(':')}")
    if ":" in word:
        return _bad(word, "a name holds a colon only before a version: com.example:v1.0/name")
    if "\\" in word:
        return _bad(word, 'there are no characters as values; write a string: "a"')
    return _bad(word, "names are made of letters, digits and + - * / = < > ! ? % & . _ $, and begin with no digit")


def _number_hint(word: str) -> str:
    bare = word.lstrip("+-")
    if bare.startswith("."):
        return f"a digit stands before the point: 0{bare}"
    if bare.endswith(".") and bare[:-1].isdigit():
        return f"a digit stands after the point: {bare}0"
    if bare.count(".") > 1 and bare.replace(".", "").isdigit():
        return f'a number has one point; a version is a string: "{bare}"'
    if "_" in bare or "'" in bare:
        return "digits are not grouped: 1000000"
    if bare.lower().startswith(("0x", "0b", "0o")):
        return "numbers are written in base ten"
    if re.fullmatch(r"[0-9]+/[0-9]+", bare):
        return f"there are no fractions; write (/ {bare.replace('/', ' ')})"
    if re.match(r"[0-9]{4}-[0-9]{2}", bare):
        return "a time is written 2026-11-21T08:00:00Z; other dates are strings"
    return _NUMBERS
