"""How each form wants to be laid out: what stays on its first line, and what goes on lines of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from domain.rtfs.parts import Part

Groups = list[list[Part]]
"""Parts that stand on one line, line by line."""


@dataclass(slots=True)
class Rows:
    """A head, what stands beside it, and groups on lines of their own: most forms, maps and bindings."""

    header: list[Part]
    groups: Groups
    clauses: bool = False
    """Whether the last part of a group may begin a line of its own, as the body of a clause does."""


@dataclass(slots=True)
class Flow:
    """Parts one after the other, on new lines where the writer made them or the width asks for it: calls and data."""

    parts: list[Part]


@dataclass(slots=True)
class Glued:
    """A mark and its form; between metadata and its form a line may end."""

    parts: list[Part]


Arrangement = Rows | Flow | Glued


def arrange(part: Part, binds: Callable[[Sequence[Part]], Groups] | None = None) -> Arrangement:
    """Say how a form is laid out; ``binds`` says how its parts pair when it holds bindings."""
    parts = part.parts or []
    if part.text in ("(", "#("):
        return _list(parts)
    if part.text == "{":
        return Rows([], _pairs(parts))
    if part.text == "[":
        return Rows([], binds(parts)) if binds else Flow(parts)
    return Glued(parts) if part.text else Rows([], [[each] for each in parts])


def bindings_of(part: Part) -> tuple[int, Callable[[Sequence[Part]], Groups]] | None:
    """Say which part of a form holds bindings, and how these pair."""
    parts = part.parts or []
    if part.text not in ("(", "#(") or len(parts) < 2:
        return None
    pairing = _BINDINGS.get(parts[0].text)
    return (1, pairing) if pairing else None


def _list(parts: list[Part]) -> Arrangement:
    style = _STYLES.get(parts[0].text) if parts and parts[0].parts is None else None
    if style is None:
        return Flow(parts)
    count, grouping = style
    width = min(len(parts), 1 + count(parts[1:]))
    return Rows(parts[:width], grouping(parts[width:]), clauses=parts[0].text in _CLAUSES)


def _each(parts: Sequence[Part]) -> Groups:
    return [[part] for part in parts]


def _pairs(parts: Sequence[Part]) -> Groups:
    """Pair keys and values; the ``?`` of an optional field stays with its field."""
    groups: Groups = []
    for part in parts:
        if groups and (len(groups[-1]) == 1 or part.text == "?"):
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


def _clauses(parts: Sequence[Part]) -> Groups:
    """Cut the clauses of a ``match``: pattern, perhaps ``when`` and a guard, body."""
    groups: Groups = []
    place = 0
    while place < len(parts):
        width = 4 if len(parts) > place + 1 and parts[place + 1].text == "when" else 2
        groups.append(list(parts[place : place + width]))
        place += width
    return groups


def _bindings(parts: Sequence[Part]) -> Groups:
    """Cut bindings into names and values, with an annotation between the two where pairs alone do not come out."""
    widths = [0] * (len(parts) + 1)
    fits = [False] * len(parts) + [True, False, False, False]
    for place in range(len(parts) - 2, -1, -1):
        for width in (2, 3):
            if fits[place + width] and (width == 2 or _is_type(parts[place + 1])):
                fits[place] = True
                widths[place] = width
                break
    groups: Groups = []
    place = 0
    while place < len(parts):
        width = widths[place] if fits[0] else 2
        groups.append(list(parts[place : place + width]))
        place += width
    return groups


def _is_type(part: Part) -> bool:
    if part.parts is None:
        return part.text.startswith(":")
    return part.text == ":" or (part.text == "[" and bool(part.parts) and _is_type(part.parts[0]))


def _up_to(count: int) -> Callable[[Sequence[Part]], int]:
    return lambda _: count


def _function_rows(parts: Sequence[Part]) -> Groups:
    """Put each part on its own line, but the type of the result beside the parameters."""
    groups = _each(parts)
    for place, part in enumerate(parts[:-2]):
        if part.text == "[" and _is_type(parts[place + 1]):
            groups[place : place + 2] = [list(parts[place : place + 2])]
            break
    return groups


def _function_header(parts: Sequence[Part]) -> int:
    """Count what stands before the body of a function: name, parameters, type; a text about it takes its own line."""
    for place, part in enumerate(parts):
        if part.text.startswith('"'):
            return place
        inner = part
        while inner.text == "^" and inner.parts:
            inner = inner.parts[-1]
        if inner.text == "[":
            follows = len(parts) > place + 2 and _is_type(parts[place + 1])
            return place + 1 + follows
    return 1


def _definition_header(parts: Sequence[Part]) -> int:
    return 2 if len(parts) > 2 and _is_type(parts[1]) else 1


def _catch_header(parts: Sequence[Part]) -> int:
    names = 2 if len(parts) > 2 and parts[1].parts is None else 1
    return min(names, max(0, len(parts) - 1))


_STYLES: Final[dict[str, tuple[Callable[[Sequence[Part]], int], Callable[[Sequence[Part]], Groups]]]] = {
    **dict.fromkeys(("do", "try", "finally", "step-parallel"), (_up_to(0), _each)),
    **dict.fromkeys(
        (
            *("let", "loop", "for", "doseq", "dotimes", "if-let", "when-let"),
            *("if", "if-not", "when", "when-not", "step", "step-if", "step-loop", "module"),
        ),
        (_up_to(1), _each),
    ),
    **dict.fromkeys(("fn", "λ", "lambda", "defn", "defmacro"), (_function_header, _function_rows)),
    "def": (_definition_header, _each),
    "catch": (_catch_header, _each),
    "defstruct": (_up_to(1), _pairs),
    "cond": (_up_to(0), _pairs),
    "case": (_up_to(1), _pairs),
    "match": (_up_to(1), _clauses),
}
"""Forms with a body: how many parts stay beside the head, and how the others are grouped into lines."""

_CLAUSES: Final = ("cond", "case", "match")

_BINDINGS: Final[dict[str, Callable[[Sequence[Part]], Groups]]] = {
    **dict.fromkeys(("let", "loop", "if-let", "when-let"), _bindings),
    **dict.fromkeys(("for", "doseq", "dotimes"), _pairs),
}
