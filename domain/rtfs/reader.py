"""The reader: text to nodes. Linear in the text, no recursion, and every refusal points at its place."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Final, NamedTuple, NoReturn
from uuid import UUID

from domain.kernel.values import Keyword, parse_time
from domain.rtfs.nodes import ListNode, Literal, MapNode, Node, ShorthandFn, Symbol, VectorNode
from domain.rtfs.source import ReadError, Source, Span

MAX_SOURCE: Final = 1_000_000
"""Characters of one program; plans are a few thousand."""

MAX_NESTING: Final = 100
"""Open brackets at one place."""

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1

_NAME = r"[A-Za-z_$+\-*/=<>!?%&.λ][A-Za-z0-9_$+\-*/=<>!?%&.@'λ]*"
_TOKEN: Final = re.compile(
    rf"""
      (?P<blank>   (?:[\s,]+|;[^\n]*)+ )
    | (?P<block>   \#\| )
    | (?P<open>    \#\(|[(\[{{] )
    | (?P<close>   [)\]}}] )
    | (?P<string>  "(?:[^"\\]|\\.)*" )
    | (?P<time>    [0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T[0-9:]{{8}}(?:[._][0-9]{{1,6}})?Z(?![^\s,()\[\]{{}}";]) )
    | (?P<uuid>    [0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}(?![^\s,()\[\]{{}}";]) )
    | (?P<float>   [+-]?[0-9]+(?:\.[0-9]+(?:[eE][+-]?[0-9]+)?|[eE][+-]?[0-9]+)(?![^\s,()\[\]{{}}";]) )
    | (?P<int>     [+-]?[0-9]+(?![^\s,()\[\]{{}}";]) )
    | (?P<special> \#\#(?:-?Inf|NaN)(?![^\s,()\[\]{{}}";]) )
    | (?P<keyword> :(?:{_NAME}(?::v[0-9]+(?:\.[0-9]+)*/{_NAME})?)(?![^\s,()\[\]{{}}";]) )
    | (?P<symbol>  {_NAME}(?![^\s,()\[\]{{}}";]) )
    """,
    re.VERBOSE | re.DOTALL,
)
_BLOCK_END: Final = re.compile(r"\|#")
_BAD_TOKEN: Final = re.compile(r"[^\s,()\[\]{}\";]+")
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
_SPECIAL: Final = {"##Inf": math.inf, "##-Inf": -math.inf, "##NaN": math.nan}
_WORDS: Final = {"nil": None, "true": True, "false": False}
_CLOSER: Final = {"(": ")", "#(": ")", "[": "]", "{": "}"}


class _Open(NamedTuple):
    """A bracket that waits for its partner, and what has been read since."""

    bracket: str
    start: int
    items: list[Node]


def read(text: str) -> tuple[Node, ...]:
    """Read every form of a text. Raises ``ReadError`` with the place and a hint."""
    return _Reader(Source(text)).read()


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.stack: list[_Open] = [_Open("", 0, [])]

    def read(self) -> tuple[Node, ...]:
        text = self.source.text
        if len(text) > MAX_SOURCE:
            self.fail(f"the program has {len(text)} characters; at most {MAX_SOURCE} are read", 0, 1)
        at, end, match = 0, len(text), _TOKEN.match
        while at < end:
            token = match(text, at)
            if token is None:
                self.refuse(at)
            kind, after = token.lastgroup, token.end()
            if kind == "blank":
                pass
            elif kind == "block":
                after = self.skip_block(at)
            elif kind == "open":
                self.open(token.group(), at)
            elif kind == "close":
                self.close(token.group(), at)
            else:
                self.stack[-1].items.append(self.atom(kind, token.group(), Span(at, after)))
            at = after
        if len(self.stack) > 1:
            bracket, start, _ = self.stack[-1]
            closer = _CLOSER[bracket]
            self.fail(f"`{bracket}` is never closed", start, start + len(bracket), f"add the missing `{closer}`")
        return tuple(self.stack[0].items)

    def skip_block(self, at: int) -> int:
        closing = _BLOCK_END.search(self.source.text, at + 2)
        if closing is None:
            self.fail("`#|` opens a comment that is never closed", at, at + 2, "end it with `|#`")
        return closing.end()

    def open(self, bracket: str, at: int) -> None:
        if len(self.stack) > MAX_NESTING:
            self.fail(f"more than {MAX_NESTING} brackets are open here", at, at + 1, "name inner parts with `let`")
        self.stack.append(_Open(bracket, at, []))

    def close(self, closer: str, at: int) -> None:
        bracket, start, items = self.stack[-1]
        if not bracket:
            self.fail(f"`{closer}` closes nothing", at, at + 1, "remove it, or add what it should close")
        if _CLOSER[bracket] != closer:
            line, column = self.source.position(start)
            expected = _CLOSER[bracket]
            hint = f"`{bracket}` of line {line}, column {column} is still open and needs `{expected}`"
            self.fail(f"`{closer}` where `{expected}` is expected", at, at + 1, hint)
        self.stack.pop()
        self.stack[-1].items.append(self.collection(bracket, tuple(items), Span(start, at + 1)))

    def collection(self, bracket: str, items: tuple[Node, ...], span: Span) -> Node:
        if bracket == "(":
            return ListNode(items, span)
        if bracket == "[":
            return VectorNode(items, span)
        if bracket == "#(":
            return ShorthandFn(ListNode(items, span), span)
        if len(items) % 2:
            last = items[-1].span
            self.fail("this key of the map has no value", last.start, last.end, "a map holds pairs: {:key value}")
        return MapNode(tuple(zip(items[::2], items[1::2], strict=True)), span)

    def atom(self, kind: str | None, text: str, span: Span) -> Node:
        if kind == "symbol":
            return Literal(_WORDS[text], span) if text in _WORDS else Symbol(text, span)
        if kind == "keyword":
            return Literal(Keyword(text[1:]), span)
        if kind == "string":
            return Literal(self.unescape(text[1:-1], span), span)
        if kind == "int":
            return Literal(self.integer(text, span), span)
        if kind == "float":
            return Literal(self.number(text, span), span)
        if kind == "time":
            return Literal(self.time(text, span), span)
        if kind == "uuid":
            return Literal(UUID(text), span)
        return Literal(_SPECIAL[text], span)

    def time(self, text: str, span: Span) -> datetime:
        try:
            return parse_time(text.replace("_", "."))
        except ValueError as problem:
            self.fail(f"this is no time: {problem}", *span, "write 2026-11-21T08:00:00Z")

    def integer(self, text: str, span: Span) -> int:
        # Twenty characters hold every 64-bit integer; Python's reader of longer ones is quadratic.
        digits = text.lstrip("+-").lstrip("0")
        value = int(text) if len(digits) <= 20 else INT_MAX + 1
        if not INT_MIN <= value <= INT_MAX:
            self.fail("this integer needs more than 64 bits", *span, f"integers go from {INT_MIN} to {INT_MAX}")
        return value

    def number(self, text: str, span: Span) -> float:
        value = float(text)
        if math.isinf(value):
            self.fail("this float is beyond binary64", *span, "write ##Inf for infinity")
        return value

    def unescape(self, body: str, span: Span) -> str:
        value = _ESCAPE.sub(lambda found: self.escape(found, span), body) if "\\" in body else body
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            self.fail("the string holds an unpaired surrogate", *span, "write the character itself")
        return value

    def escape(self, found: re.Match[str], span: Span) -> str:
        code = found.group(1)
        if code[0] == "u" and len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPES:
            at = span.start + 1 + found.start()
            known = r"\n \t \r \b \f \0 \" \\ \/ \uXXXX"
            self.fail(f"`\\{code}` is no escape", at, at + 2, f"known are {known}; a backslash itself is \\\\")
        return _ESCAPES[code]

    def refuse(self, at: int) -> NoReturn:
        """Say what is wrong where no token begins."""
        text = self.source.text
        start = text[at]
        if start == '"':
            self.fail("this string is never closed", at, at + 1, 'end it with `"`')
        found = _BAD_TOKEN.match(text, at)
        end = found.end() if found else at + 1
        word = text[at : min(end, at + 40)]
        hint = None
        if start == ":":
            hint = "a keyword is a colon and a name: :name, :ns/name, :ns.name"
        elif start in "'`~@^":
            hint = "quoting, macros, metadata and dereference are not part of this version"
        elif start.isdigit() or start in "+-.":
            hint = "numbers are written 12, -3, 1.5 or 2.0e10"
        self.fail(f"`{word}` cannot be read", at, end, hint)

    def fail(self, message: str, start: int, end: int, hint: str | None = None) -> NoReturn:
        raise ReadError(message, self.source, Span(start, end), hint)
