"""The reader: text to nodes. Linear in the text, no recursion, and every refusal points at its place."""

from __future__ import annotations

from typing import Final, NamedTuple, NoReturn

from domain.kernel.values import Keyword
from domain.rtfs.atoms import Atom, BadAtom, read_string, read_word, split_typed_name
from domain.rtfs.lexemes import CLOSERS, KINDS, Kind, closed_comment, closed_string, lexemes
from domain.rtfs.nodes import (
    Annotated,
    ListNode,
    Literal,
    MapNode,
    Node,
    Quoted,
    Quoting,
    ShorthandFn,
    Symbol,
    VectorNode,
)
from domain.rtfs.source import ReadError, Related, Source, Span, UnfinishedError
from domain.rtfs.unclosed import likely_end

MAX_SOURCE: Final = 1_000_000
"""Characters of one program; plans are a few thousand."""

MAX_NESTING: Final = 100
"""Open brackets and marks at one place."""

_MARKS: Final = frozenset({"'", "`", "~", "~@", "^", ":"})
"""What waits for a form; a colon by itself waits for a type."""

_QUOTINGS: Final = {quoting.value: quoting for quoting in Quoting}
_TYPES_OF_TYPES: Final = {"or": "union", "and": "and"}
"""Types behind a colon that may stand in round brackets, and what they are."""

_DELEGATIONS: Final = {"local": False, "local-model": True, "remote": True}
"""Where work may be delegated to, and whether a name may follow."""


class _Open(NamedTuple):
    """A bracket that waits for its partner, or a mark that waits for its form; and what has been read since."""

    opener: str
    start: int
    items: list[Node]


def read(text: str) -> tuple[Node, ...]:
    """Read every form of a text. Raises ``ReadError`` with the place and a hint; ``UnfinishedError`` is one."""
    return _Reader(Source(text)).read()


class _Reader:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.stack: list[_Open] = [_Open("", 0, [])]
        self.templates = 0
        """Quasiquotes that are open."""

    def read(self) -> tuple[Node, ...]:
        text = self.source.text
        self.check_text(text)
        start_of_text = 1 if text.startswith("\ufeff") else 0
        self.read_lexemes(lexemes(text[start_of_text:]), start_of_text)
        if len(self.stack) > 1:
            self.refuse_end()
        return tuple(self.stack[0].items)

    def check_text(self, text: str) -> None:
        if len(text) > MAX_SOURCE:
            self.fail(f"the program has {len(text)} characters; at most {MAX_SOURCE} are read", 0, 1)
        if "\0" in text:
            at = text.index("\0")
            self.fail("here is a NUL character: this is no text", at, at + 1, "a string may hold one as \\0")

    def read_lexemes(self, cut: list[str], after: int) -> None:
        """Take in the lexemes; the first begins at ``after``."""
        stack, items, in_mark = self.stack, self.stack[-1].items, False
        known: dict[str, Atom] = {}
        kind_of, known_atom = KINDS.get, known.get
        blank, comment, word, opening, closing = Kind.BLANK, Kind.COMMENT, Kind.WORD, Kind.OPEN, Kind.CLOSE
        for lexeme in cut:
            at = after
            after += len(lexeme)
            kind = kind_of(lexeme[0], word)
            if kind is blank:
                if self.templates and lexeme[-1] == ",":
                    self.refuse_comma(at, after)
                continue
            if kind is word and lexeme != ":":
                atom = known_atom(lexeme)
                if atom is None:
                    if ":" in lexeme[1:] and self.typed_name(lexeme, at):
                        items, in_mark = stack[-1].items, stack[-1].opener in _MARKS
                        continue
                    atom = known[lexeme] = self.word(lexeme, at)
                make, content = atom
                items.append(make(content, Span(at, after)))
            elif kind is comment:
                continue
            elif kind is opening:
                self.open(lexeme, at)
                items, in_mark = stack[-1].items, False
                continue
            elif kind is closing:
                opener, start, inner = stack[-1]
                if CLOSERS.get(opener) != lexeme:
                    self.refuse_closer(lexeme, at)
                stack.pop()
                items = stack[-1].items
                items.append(self.collection(opener, inner, Span(start, after)))
                in_mark = stack[-1].opener in _MARKS
            else:
                self.punctuation(kind, lexeme, Span(at, after))
                items = stack[-1].items
                in_mark = stack[-1].opener in _MARKS
            if in_mark and items:
                self.apply_marks()
                items = stack[-1].items
                in_mark = stack[-1].opener in _MARKS

    def punctuation(self, kind: Kind, lexeme: str, span: Span) -> None:
        """Take in what is neither a plain word nor blank."""
        if kind is Kind.STRING:
            self.stack[-1].items.append(Literal(self.string(lexeme, span.start), span))
        elif kind is not Kind.HASH:
            self.mark(lexeme, span.start)
        elif lexeme == "#(":
            self.open(lexeme, span.start)
        elif lexeme.startswith("#|"):
            self.check_comment(lexeme, span.start)
        else:
            begun = self.source.text[span.start : span.start + 2]
            atom = self.word(begun if lexeme == "#" else lexeme, span.start)
            self.stack[-1].items.append(atom.make(atom.content, span))

    def open(self, opener: str, at: int) -> None:
        if len(self.stack) > MAX_NESTING:
            self.fail(f"more than {MAX_NESTING} brackets are open here", at, at + 1, "name inner parts with `let`")
        self.stack.append(_Open(opener, at, []))

    def collection(self, opener: str, items: list[Node], span: Span) -> Node:
        if opener == "(":
            return ListNode(tuple(items), span)
        if opener == "[":
            return VectorNode(tuple(items), span)
        if opener == "#(":
            return ShorthandFn(ListNode(tuple(items), span), span)
        if any(isinstance(item, Symbol) and item.name == "?" for item in items):
            items = _optional_values(items)
        if len(items) % 2:
            key = _lone_key(items).span
            self.fail("this key of the map has no value", key.start, key.end, "a map holds pairs: {:key value}")
        return MapNode(tuple(zip(items[::2], items[1::2], strict=True)), span)

    def mark(self, lexeme: str, at: int) -> None:
        opener, _, items = self.stack[-1]
        if lexeme == ":" and opener not in ("(", "["):
            hint = "a keyword is a colon and a name: :name, :ns/name, :ns.name"
            if opener == "{" and len(items) % 2:
                hint = 'nothing but a blank stands between key and value: {"key" value}'
            self.fail("`:` stands alone", at, at + 1, hint)
        self.templates += lexeme == "`"
        self.open(lexeme, at)

    def apply_marks(self) -> None:
        """Finish the marks that have got their form, from the inside out."""
        stack = self.stack
        while stack[-1].opener in _MARKS:
            opener, start, items = stack[-1]
            span = Span(start, items[-1].span.end)
            if opener == "^":
                wanted = self.metadata_length(items)
                if len(items) <= wanted:
                    return
                node: Node = Annotated(_metadata(items[:-1]), items[-1], span)
            elif opener == ":":
                node = self.annotation(items[0], span)
            else:
                self.templates -= opener == "`"
                self.check_quoted(opener, items[0], span)
                node = Quoted(_QUOTINGS[opener], items[0], span)
            stack.pop()
            stack[-1].items.append(node)

    def check_quoted(self, opener: str, node: Node, span: Span) -> None:
        """Refuse ``'text'``, which would be a quoted name with an apostrophe at its end."""
        if opener == "'" and isinstance(node, Symbol) and node.name.endswith("'"):
            hint = f'text stands in double quotation marks: "{node.name[:-1]}"'
            self.fail("a quoted name ends with an apostrophe", *span, hint)

    def metadata_length(self, items: list[Node]) -> int:
        """Say how many items behind ``^`` are metadata, as far as they have been read."""
        first = items[0]
        if isinstance(first, MapNode):
            return 1
        name = _keyword(first)
        if name is None:
            hint = "write ^{:key value} form, or ^:key form"
            self.fail("metadata is a map or a keyword", first.span.start, first.span.end, hint)
        if name != "delegation":
            return 1
        if len(items) == 1:
            return 2
        target = _keyword(items[1])
        if target not in _DELEGATIONS:
            place = items[1].span
            self.fail(
                "this is no target of delegation", *place, 'known are :local, :local-model "name", :remote "name"'
            )
        named = _DELEGATIONS[target] and (len(items) == 2 or _is_string(items[2]))
        return 3 if named and len(items) > 2 else 2

    def annotation(self, node: Node, span: Span) -> Node:
        """Read ``name : T``: the colon says that a type follows, and the type alone is what counts."""
        if isinstance(node, Symbol):
            return Literal(Keyword(node.name), span)
        if isinstance(node, Literal) and (isinstance(node.value, Keyword) or node.value is None):
            return Literal(node.value or Keyword("nil"), span)
        if isinstance(node, VectorNode):
            return VectorNode(node.items, span)
        head = node.items[0] if isinstance(node, ListNode) and node.items else None
        if isinstance(node, ListNode) and isinstance(head, Symbol) and head.name in _TYPES_OF_TYPES:
            name = Literal(Keyword(_TYPES_OF_TYPES[head.name]), head.span)
            return VectorNode((name, *node.items[1:]), span)  # in brackets, so that it is never taken for a call
        hint = "a keyword is a colon and a name: :name; a type behind a colon is [x : :int] or [x :int]"
        return self.fail("`:` is followed by no name and no type", span.start, span.start + 1, hint)

    def typed_name(self, word: str, at: int) -> bool:
        """Read ``name:type`` where names are bound, as if a space stood before the colon."""
        opener, _, items = self.stack[-1]
        defines = opener == "(" and len(items) == 1 and isinstance(items[0], Symbol) and items[0].name == "def"
        parts = split_typed_name(word) if opener == "[" or defines else None
        if parts is None:
            return False
        name, type_ = parts
        colon = at + len(name)
        items.append(Symbol(name, Span(at, colon)))
        if type_ is None:
            self.open(":", colon)
        else:
            items.append(Literal(Keyword(type_), Span(colon, at + len(word))))
        return True

    def word(self, text: str, at: int) -> Atom:
        try:
            return read_word(text)
        except BadAtom as problem:
            self.fail(problem.message, at + problem.start, at + problem.end, problem.hint)

    def string(self, lexeme: str, at: int) -> str:
        if not closed_string(lexeme):
            related = self.long_string(at)
            hint = 'end it with `"`; within a string write `\\"`'
            self.unfinished("this string is never closed", at, at + 1, hint, related)
        try:
            return read_string(lexeme)
        except BadAtom as problem:
            self.fail(problem.message, at + problem.start, at + problem.end, problem.hint)

    def long_string(self, end: int) -> Related | None:
        """Find the first string that goes over several lines: it may be the one that was meant to end before."""
        at = 0
        for lexeme in lexemes(self.source.text[:end]):
            if lexeme.startswith('"') and "\n" in lexeme:
                return Related(Span(at, at + 1), "this string goes over several lines: was it meant to end before?")
            at += len(lexeme)
        return None

    def check_comment(self, lexeme: str, at: int) -> None:
        if not closed_comment(lexeme):
            self.unfinished("`#|` opens a comment that is never closed", at, at + 2, "end it with `|#`")

    def refuse_comma(self, at: int, after: int) -> None:
        """Within a template, refuse a comma that stands where other dialects unquote."""
        text = self.source.text
        if (after - at > 1 or text[at - 1] in "([{`") and after < len(text) and text[after] not in ")]}":
            self.fail("a comma only separates", after - 1, after, "in a template write ~x, or ~@xs for many")

    def refuse_closer(self, closer: str, at: int) -> NoReturn:
        opener, start, _ = self.stack[-1]
        if not opener:
            self.fail(f"`{closer}` closes nothing", at, at + 1, "remove it, or add what it should close")
        if opener in _MARKS:
            self.refuse_mark(opener, start, f"`{closer}`")
        expected = CLOSERS[opener]
        line, column = self.source.position(start)
        hint = f"`{opener}` of line {line}, column {column} is still open and needs `{expected}`"
        related = Related(Span(start, start + len(opener)), f"this `{opener}` is still open")
        self.fail(f"`{closer}` where `{expected}` is expected", at, at + 1, hint, related)

    def refuse_mark(self, opener: str, start: int, found: str) -> NoReturn:
        hint = "^{:key value} form" if opener == "^" else None
        self.fail(f"`{opener}` stands before {found}, and should stand before a form", start, start + len(opener), hint)

    def refuse_end(self) -> NoReturn:
        opener, start, _ = self.stack[-1]
        if opener in _MARKS:
            message = f"`{opener}` stands before the end of the text, and should stand before a form"
            self.unfinished(message, start, start + len(opener), "^{:key value} form" if opener == "^" else None)
        closer = CLOSERS[opener]
        related = None
        end = likely_end(self.source, [(each.start, each.items) for each in self.stack[1:]])
        if end is not None:
            related = Related(end, "by its indentation, this is outside: a bracket may be missing before it")
        self.unfinished(
            f"`{opener}` is never closed", start, start + len(opener), f"add the missing `{closer}`", related
        )

    def fail(
        self, message: str, start: int, end: int, hint: str | None = None, related: Related | None = None
    ) -> NoReturn:
        raise ReadError(message, self.source, Span(start, end), hint, related)

    def unfinished(
        self, message: str, start: int, end: int, hint: str | None = None, related: Related | None = None
    ) -> NoReturn:
        raise UnfinishedError(message, self.source, Span(start, end), hint, related)


def _keyword(node: Node) -> str | None:
    return node.value.name if isinstance(node, Literal) and isinstance(node.value, Keyword) else None


def _is_string(node: Node) -> bool:
    return isinstance(node, Literal) and type(node.value) is str


def _metadata(items: list[Node]) -> MapNode:
    """Make one map of what stands behind ``^``."""
    first = items[0]
    if isinstance(first, MapNode):
        return first
    span = Span(first.span.start, items[-1].span.end)
    value: Node = Literal(value=True, span=span)
    if len(items) == 2:
        value = items[1]
    elif len(items) == 3:
        value = VectorNode(tuple(items[1:]), Span(items[1].span.start, span.end))
    return MapNode(((first, value),), span)


def _optional_values(items: list[Node]) -> list[Node]:
    """Mark the values that ``?`` follows, as in ``{:key T ?}``: as if ``^:optional`` stood before each."""
    found: list[Node] = []
    for item in items:
        if isinstance(item, Symbol) and item.name == "?" and found and len(found) % 2 == 0:
            value = found.pop()
            key = Literal(Keyword("optional"), item.span)
            metadata = MapNode(((key, Literal(value=True, span=item.span)),), item.span)
            found.append(Annotated(metadata, value, Span(value.span.start, item.span.end)))
        else:
            found.append(item)
    return found


def _lone_key(items: list[Node]) -> Node:
    """Give the key that most likely lacks its value: the first whose value is a keyword and whose next key is none."""
    for place in range(0, len(items) - 2, 2):
        if _keyword(items[place + 1]) is not None and _keyword(items[place + 2]) is None:
            return items[place]
    return items[-1]
