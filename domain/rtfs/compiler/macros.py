"""Macros: names that stand for code which makes code, expanded while the program is analysed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from domain.rtfs.compiler.budget import MAX_EXPANSIONS, MAX_MADE
from domain.rtfs.compiler.macro_language import Evaluation, Library, MacroFailed
from domain.rtfs.compiler.macro_library import FORMS, FUNCTIONS
from domain.rtfs.compiler.scope import Macro, Scope
from domain.rtfs.nodes import Annotated, ListNode, Literal, Node, Symbol, VectorNode, parts
from domain.rtfs.source import CompileError

if TYPE_CHECKING:
    from domain.rtfs.compiler.analysis import Analyzer

MAX_NODES: Final = 10_000
"""Size of what one expansion gives."""

MAX_NESTING: Final = 100
"""Brackets within one another in what an expansion gives: as many as the reader allows."""

_LIBRARY: Final = Library(FORMS, FUNCTIONS)
_SHOWN: Final = 5
"""Expansions that a message names; deeper ones are counted."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One expansion, for messages."""

    macro: str
    line: str


def define_macro(analyzer: Analyzer, node: ListNode, scope: Scope) -> None:
    """``(defmacro name "doc"? [parameters] body…)``."""
    items = list(node.items[1:])
    name = items.pop(0) if items else node
    hint = "(defmacro unless [test & body] `(if ~test nil (do ~@body)))"
    if not isinstance(name, Symbol):
        analyzer.fail("`defmacro` takes a name", name.span, hint)
    if len(items) > 1 and isinstance(items[0], Literal) and isinstance(items[0].value, str):
        del items[0]
    if len(items) < 2 or not isinstance(items[0], VectorNode):
        analyzer.fail("a macro takes parameters in brackets and a body", node.span, hint)
    _check_parameters(analyzer, items[0])
    scope.put(name, Macro(name.name, items[0].items, tuple(items[1:]), scope))


def _check_parameters(analyzer: Analyzer, node: VectorNode) -> None:
    for place, item in enumerate(node.items):
        if isinstance(item, VectorNode):
            _check_parameters(analyzer, item)
        elif not isinstance(item, Symbol):
            analyzer.fail("this is no parameter of a macro", item.span, "names, [a b] to take lists apart, and & rest")
        elif item.name == "&" and place != len(node.items) - 2:
            analyzer.fail("`&` is followed by one name", item.span, "[a b & others]")


def macro_called(node: Node, scope: Scope) -> Macro | None:
    """Give the macro that a node calls, if it calls one."""
    if not (isinstance(node, ListNode) and node.items and isinstance(node.items[0], Symbol)):
        return None
    found = scope.find(node.items[0])
    return found if isinstance(found, Macro) else None


def expand(analyzer: Analyzer, node: ListNode, macro: Macro) -> tuple[Node, Frame]:
    """Expand one call, and say what was expanded."""
    budget = analyzer.budget
    frame = Frame(macro.name, analyzer.texts.line(node.span))
    if not budget.expansions:
        hint = f"`{macro.name}` may expand to itself without end: a macro that calls itself must give less each time"
        analyzer.fail(f"the macros of this program expand more than {MAX_EXPANSIONS} times", node.span, hint)
    budget.expansions -= 1
    analyzer.expansions.append((node.span, frame))
    evaluation = Evaluation(macro, node.span, budget.steps, _LIBRARY)
    try:
        made = evaluation.run(node.items[1:])
        budget.made -= _size(made)
    except MacroFailed as failed:
        place = failed.place.span if failed.place is not None else node.span
        analyzer.fail(f"`{macro.name}`: {failed.message}", place, f"`{macro.name}` is a macro of this program")
    budget.steps = max(0, evaluation.left)
    if budget.made < 0:
        analyzer.fail(f"the macros of this program give more than {MAX_MADE} forms", node.span)
    return made, frame


def _size(made: Node) -> int:
    """Count the forms in what an expansion gives; refuse what is too large or too deep to be looked at."""
    level: list[Node] = [made]
    size = 0
    for _ in range(MAX_NESTING):
        size += len(level)
        if size > MAX_NODES:
            raise MacroFailed(f"it gives more than {MAX_NODES} forms")
        level = [part for node in level for part in _everything_in(node)]
        if not level:
            return size
    raise MacroFailed(f"it gives code that is nested deeper than {MAX_NESTING} brackets")


def _everything_in(node: Node) -> tuple[Node, ...]:
    return (*parts(node), node.metadata) if isinstance(node, Annotated) else parts(node)


def expanded(analyzer: Analyzer, node: Node, scope: Scope) -> tuple[Node, tuple[Frame, ...]]:
    """Expand a node until it calls no macro."""
    frames: tuple[Frame, ...] = ()
    macro = macro_called(node, scope)
    while macro is not None:
        assert isinstance(node, ListNode)
        with within(frames):
            node, frame = expand(analyzer, node, macro)
        frames = (frame, *frames)[:_SHOWN]
        macro = macro_called(node, scope)
    return node, frames


@contextmanager
def within(frames: Sequence[Frame]) -> Iterator[None]:
    """Tell, with every error of expanded code, which macros made it."""
    try:
        yield
    except CompileError as error:
        tell_frames(error, frames)
        raise


def tell_frames(error: CompileError, frames: Sequence[Frame]) -> None:
    """Let an error tell which macros made what it is about, the innermost first."""
    for frame in frames:
        told = f"from `{frame.macro}`, expanded in {frame.line}"
        hint = error.hint or ""
        if not hint.endswith(told) and hint.count("`, expanded in ") < _SHOWN:
            error.hint = f"{error.hint}; {told}" if error.hint else told
