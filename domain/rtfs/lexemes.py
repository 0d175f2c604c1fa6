"""Source text cut into lexemes: the reader and the formatter see the same ones.

Every character belongs to exactly one lexeme, so their lengths give their places. Cutting is linear whatever the text:
what is never closed runs to the end as one lexeme.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

BLANKS: Final = " \t\r\n\f,"
"""Characters that only separate. A comma is one of them."""

_DELIMITERS: Final = re.escape(BLANKS) + r"()\[\]{}\";"
_LEXEME: Final = re.compile(
    rf"""
      [{re.escape(BLANKS)}]+
    | [^{_DELIMITERS}'`~^\#][^{_DELIMITERS}]*
    | [()\[\]{{}}]
    | "(?:[^"\\]++|\\.?)*+"?
    | ;[^\n]*
    | ~@?
    | ['`^]
    | \#\(
    | \#\|(?:[^|]++|\|(?!\#))*+(?:\|\#)?
    | \#[^{_DELIMITERS}]*
    """,
    re.VERBOSE | re.DOTALL,
)


class Kind(Enum):
    """What a lexeme is, as its first character tells."""

    WORD = "word"
    BLANK = "blank"
    OPEN = "open"
    CLOSE = "close"
    STRING = "string"
    COMMENT = "comment"
    MARK = "mark"
    HASH = "hash"
    """``#(``, ``#| … |#``, ``##Inf``, or what is none of the language."""


KINDS: Final = {
    **dict.fromkeys(BLANKS, Kind.BLANK),
    **dict.fromkeys("([{", Kind.OPEN),
    **dict.fromkeys(")]}", Kind.CLOSE),
    **dict.fromkeys("'`~^", Kind.MARK),
    '"': Kind.STRING,
    ";": Kind.COMMENT,
    "#": Kind.HASH,
}
"""The kind by the first character; every other character begins a word."""

CLOSERS: Final = {"(": ")", "#(": ")", "[": "]", "{": "}"}
"""Brackets, and what closes each."""


def lexemes(text: str) -> list[str]:
    """Cut a text; joined, the lexemes are the text again."""
    return _LEXEME.findall(text)


def kind_of(lexeme: str) -> Kind:
    """Tell what a lexeme is, block comments and ``#(`` included."""
    if lexeme.startswith("#|"):
        return Kind.COMMENT
    return Kind.OPEN if lexeme == "#(" else KINDS.get(lexeme[0], Kind.WORD)


def closed_string(lexeme: str) -> bool:
    """Tell whether a string lexeme ends with its own quotation mark."""
    if len(lexeme) < 2 or not lexeme.endswith('"'):
        return False
    body = lexeme[1:-1]
    return (len(body) - len(body.rstrip("\\"))) % 2 == 0


def closed_comment(lexeme: str) -> bool:
    """Tell whether a block comment ends."""
    return len(lexeme) >= 4 and lexeme.endswith("|#")
