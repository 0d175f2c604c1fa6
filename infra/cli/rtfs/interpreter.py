"""What a dialogue with the language keeps: definitions as source, values of `def` as values, and the last value."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from domain.kernel.values import Value
from domain.rtfs import vm
from domain.rtfs.nodes import Annotated, ListNode, Node, Symbol, VectorNode
from domain.rtfs.program import Program, compile_program
from domain.rtfs.reader import read
from domain.rtfs.source import CompileError, LocatedError, ReadError, Related, Source, Span, UnfinishedError
from domain.rtfs.types import ANY, Type, mismatch
from infra.cli.rtfs.evaluation import Evaluated, Evaluator

LAST: Final = "*1"
"""Name of the value that was given last."""

_DEFINING: Final = frozenset({"def", "defn", "defmacro", "defstruct", "deftype"})
_LINKING: Final = frozenset({"module", "import"})
_WORD: Final = re.compile(r"[^\s()\[\]{}\"';`~^@,#]+")


class Kept(NamedTuple):
    """A value and its type, passed to every program that names it."""

    value: Value
    type: Type


@dataclass(frozen=True, slots=True)
class Defined:
    """A definition was kept."""

    name: str


class Interpreter:
    """Runs forms one after the other. Only the form that is given runs: earlier ones are not run again."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.definitions: dict[str, str] = {}
        """Functions, macros and types, by name, as they were written."""
        self.values: dict[str, Kept] = {}
        self.last: Evaluated | None = None
        """How the last evaluation ended."""

    def names(self) -> list[str]:
        """Everything that was defined here."""
        return [name for name in (*self.definitions, *self.values) if " " not in name]

    async def feed(self, text: str) -> AsyncIterator[Evaluated | Defined]:
        """Run every form of a text. Raises ``ReadError``, ``CompileError`` at the first that does not compile."""
        for node in read(text):
            alone = _alone(text, node)
            name, head = _definition(node)
            if head in ("", "def"):
                ended = await self._run(alone, name)
                yield ended
                if not isinstance(ended, Evaluated) or not isinstance(ended.step, vm.Finished):
                    return
            else:
                self._define(name, alone, text[node.span.start : node.span.end])
                yield Defined(name)

    async def _run(self, alone: str, name: str) -> Evaluated | Defined:
        """Run an expression, or the value of a `def`."""
        program, source = self.compiled(alone)
        ended = self.last = await self.evaluator.run(program, source, self._arguments(source))
        step = ended.step
        if isinstance(step, vm.Trapped) and step.error.type == "function-in-data" and name:
            self._keep(name, alone.strip())
            return Defined(name)
        if isinstance(step, vm.Finished):
            self.values[name or LAST] = _kept(step.value, program.gives)
            self.definitions.pop(name, None)
        return _within(ended, alone)

    def _define(self, name: str, alone: str, definition: str) -> None:
        before = dict(self.definitions)
        self.definitions.pop(name, None)
        try:
            # A module or an import alone is no program.
            self.compiled(f"{alone}\nnil")
        except LocatedError:
            # What was defined earlier may need it at its old place.
            self.definitions = {**before, name: definition}
            try:
                self.compiled("nil")
            except LocatedError:
                self.definitions = before
            if self.definitions is before:
                raise
        self.definitions = before
        self._keep(name, definition)

    def _keep(self, name: str, definition: str) -> None:
        self.definitions[name] = definition
        self.values.pop(name, None)

    def compiled(self, text: str) -> tuple[Program, str]:
        """The program of a text behind the definitions, and its whole source.

        Raises ``ReadError``, ``CompileError`` with places in the text as it was given.
        """
        prefix = self._prefix()
        source = prefix + text
        try:
            program = compile_program(
                source,
                parameters={name: self.values[name].type for name in self._named(source)},
                output=None,
                capabilities=self.evaluator.capabilities,
                modules=self.evaluator.modules,
            )
        except LocatedError as error:
            raise _moved(error, len(prefix), text) from None
        return program, source

    def _prefix(self) -> str:
        return "".join(f"{definition}\n" for definition in self.definitions.values())

    def _named(self, source: str) -> list[str]:
        """Values that a source may name: others are not passed, so that they cost nothing."""
        words = set(_WORD.findall(source))
        return sorted(name for name in self.values if name in words)

    def _arguments(self, source: str) -> dict[str, Any]:
        return {name: self.values[name].value for name in self._named(source)}


def _kept(value: Value, known: Type) -> Kept:
    """A value with the type that the compiler knows of it: it says more than the value, as which keys may be absent."""
    return Kept(value, known if mismatch(value, known) is None else ANY)


def _within(ended: Evaluated, text: str) -> Evaluated:
    """The same with places in the text as it was given, where they are not in what was defined before."""
    lines = ended.source[: -len(text)].count("\n")
    if ended.position is not None and ended.position[0] <= lines:
        return ended
    return replace(ended, source=text, lines_before=lines)


def is_finished(text: str) -> bool:
    """Whether a text is whole, or wrong in a way that no further line mends."""
    try:
        read(text)
    except UnfinishedError:
        return False
    except LocatedError:
        return True
    return True


def indentation(text: str) -> int:
    """Spaces with which to begin the next line of a text that is not finished."""
    try:
        read(text)
    except UnfinishedError as error:
        opener = text[error.span.start]
        return error.column + 1 if opener in "(#" else error.column if opener in "[{" else 0
    except LocatedError:
        return 0
    return 0


def _alone(text: str, node: Node) -> str:
    """The text of one form, at its place: what stands before it is blank."""
    before = "".join("\n" if character == "\n" else " " for character in text[: node.span.start])
    return before + text[node.span.start : node.span.end]


def _definition(node: Node) -> tuple[str, str]:
    """Name and head of a definition; two empty texts for other forms."""
    bare = _bare(node)
    if not isinstance(bare, ListNode) or len(bare.items) < 2:
        return "", ""
    head, name = bare.items[0], _bare(bare.items[1])
    if isinstance(name, VectorNode) and name.items:
        name = _bare(name.items[0])  # (import [name :as alias])
    if not isinstance(head, Symbol) or not isinstance(name, Symbol):
        return "", ""
    if head.name in _LINKING:
        return f"{head.name} {name.name}", head.name
    return (name.name, head.name) if head.name in _DEFINING else ("", "")


def _bare(node: Node) -> Node:
    while isinstance(node, Annotated):
        node = node.node
    return node


def _moved(error: LocatedError, by: int, text: str) -> LocatedError:
    """The error with its places counted in the text instead of the whole source, where it is in the text."""
    if error.span.start < by or error.source.name is not None:
        return error
    related = error.related
    if related is not None:
        if related.span.start < by:
            related = None
        else:
            related = Related(Span(related.span.start - by, related.span.end - by), related.message)
    span = Span(error.span.start - by, error.span.end - by)
    kind = ReadError if isinstance(error, ReadError) else CompileError
    moved = kind(error.message, Source(text), span, error.hint, related)
    moved.others = tuple(_moved(each, by, text) for each in error.others)
    return moved
