"""Functions of the library written out in place, for the kinds of arguments that are common.

A template computes exactly what the function would, or calls it: ``slow`` is the call of the function itself, ``a``,
``b`` and ``c`` are the arguments, ``v`` is a variable to compute in. ``LOW`` and ``HIGH`` bound 64-bit integers; what
is outside (also floats: they compare) goes to the function, which fails or does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from domain.rtfs.vm.compiled.kinds import BOOL, INT, KEYWORD, MAP, NIL, NUMBER, PYTHON, STRING, VECTOR


@dataclass(frozen=True, slots=True)
class Inline:
    """How to write one call."""

    guard: str
    """When ``fast`` may be used; empty: always."""
    fast: str
    literal: bool = False
    """Whether constants may stand in the template as such; Python warns of some uses of literals."""


Choice = Callable[[Sequence[int], Sequence[object]], Inline | None]
"""From the kinds of the arguments and the constants among them (``None`` for the others) to how to write the call."""

_NAMES: Final = "abc"


def inline(name: str, kinds: Sequence[int], constants: Sequence[object]) -> Inline | None:
    """Say how to write a call in place; none: call the function."""
    choice = _CHOICES.get((name, len(kinds)))
    return choice(kinds, constants) if choice is not None and all(kinds) else None


def _guard(kinds: Sequence[int], known: int, wanted: int = INT) -> str:
    """Test those arguments whose kinds are not known to be within ``known`` for being ``wanted``."""
    tests = [f"type({_NAMES[place]}) is {PYTHON[wanted].__name__}" for place, kind in enumerate(kinds) if kind & ~known]
    return " and ".join(tests)


def _possible(kinds: Sequence[int], wanted: int) -> bool:
    return all(kind & wanted for kind in kinds)


def _is_small(constant: object, least: int) -> bool:
    return type(constant) is int and constant >= least


def _arithmetic(operator: str) -> Choice:
    def choose(kinds: Sequence[int], constants: Sequence[object]) -> Inline | None:
        if not _possible(kinds, NUMBER):
            return None
        work = f"(v := a {operator} b)"
        bounds = f"LOW <= {work} <= HIGH"
        adding = constants[1] if operator == "+" else None
        if operator == "+" and _is_small(constants[0], 0):
            adding = constants[0]
        # Adding what is not negative cannot fall below; taking it away cannot rise above.
        if operator == "+" and _is_small(adding, 0):
            bounds = f"{work} <= HIGH"
        elif operator == "-" and _is_small(constants[1], 0):
            bounds = f"{work} >= LOW"
        return Inline(_guard(kinds, NUMBER), f"v if {bounds} else slow", literal=True)

    return choose


def _step(operator: str, bound: str) -> Choice:
    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        if not _possible(kinds, NUMBER):
            return None
        return Inline(_guard(kinds, NUMBER), f"v if (v := a {operator} 1) {bound} else slow", literal=True)

    return choose


def _comparison(operator: str) -> Choice:
    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        if all(not kind & ~STRING for kind in kinds):
            return Inline("", f"a {operator} b")
        if _possible(kinds, NUMBER):
            return Inline(_guard(kinds, NUMBER), f"a {operator} b", literal=True)
        return Inline(_guard(kinds, STRING, STRING), f"a {operator} b") if _possible(kinds, STRING) else None

    return choose


def _sameness(operator: str) -> Choice:
    """Scalars of one kind are compared in place; only these cost nothing to look at."""

    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        for kind in (INT, STRING, KEYWORD):
            exactly = [each == kind for each in kinds]
            if not _possible(kinds, kind):
                continue
            if any(exactly):
                return Inline(_guard(kinds, kind, kind), f"a {operator} b", literal=kind == INT)
        if kinds[1] == NIL:
            return Inline("a is None", str(operator == "=="))
        return Inline(_guard(kinds, INT), f"a {operator} b", literal=True) if _possible(kinds, INT) else None

    return choose


def _test(template: str, accepted: int = NUMBER) -> Choice:
    """Ask something of a number (``accepted`` is ``INT`` where floats are refused)."""

    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        return Inline(_guard(kinds, accepted), template) if _possible(kinds, INT) else None

    return choose


def _always(template: str) -> Choice:
    return lambda _kinds, _constants: Inline("", template)


def _when(kind: int, template: str, condition: str = "") -> Choice:
    """Write it in place when the first argument is of a kind."""

    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        if not kinds[0] & kind:
            return None
        guards = [_guard(kinds[:1], kind, kind), condition]
        return Inline(" and ".join(filter(None, guards)), template)

    return choose


def _sized(template: str) -> Choice:
    """Ask for the size of a vector, a string or a map."""

    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        if not kinds[0] & ~(VECTOR | STRING | MAP):
            return Inline("", template)
        tests = [_guard(kinds, 0, kind) for kind in (VECTOR, STRING, MAP) if kinds[0] & kind]
        return Inline(" or ".join(tests), template) if tests else None

    return choose


def _division(template: str, guard: str = "") -> Choice:
    """Divide an integer by a positive constant."""

    def choose(kinds: Sequence[int], constants: Sequence[object]) -> Inline | None:
        if not _is_small(constants[1], 1) or not kinds[0] & INT:
            return None
        return Inline(" and ".join(filter(None, [_guard(kinds[:1], INT), guard])), template, literal=True)

    return choose


def _get(default: str) -> Choice:
    def choose(kinds: Sequence[int], constants: Sequence[object]) -> Inline | None:
        collection, key = kinds[0], kinds[1]
        of_map = _guard(kinds[:1], MAP, MAP)
        if collection & MAP and not key & ~(KEYWORD | STRING):
            return Inline(of_map, f"a.get(b{default})")
        of_vector = _nth(kinds, constants)
        if of_vector is None or not collection & MAP or not of_map:
            return of_vector
        if key & ~(KEYWORD | STRING | INT):
            of_map += " and (type(b) is str or type(b) is Keyword or type(b) is int)"
        return Inline("", f"a[b] if {of_vector.guard} else a.get(b{default}) if {of_map} else slow")

    return choose


def _nth(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
    if not kinds[0] & VECTOR or not kinds[1] & INT:
        return None
    guards = [_guard(kinds[:1], VECTOR, VECTOR), "" if kinds[1] == INT else "type(b) is int", "0 <= b < len(a)"]
    return Inline(" and ".join(filter(None, guards)), "a[b]")


def _choose_between(operator: str) -> Choice:
    def choose(kinds: Sequence[int], _: Sequence[object]) -> Inline | None:
        return Inline(_guard(kinds, NUMBER), f"b if b {operator} a else a") if _possible(kinds, INT) else None

    return choose


def _negation(kinds: Sequence[int], _: Sequence[object]) -> Inline:
    return Inline("", "not a" if not kinds[0] & ~(BOOL | NIL) else "a is None or a is False")


_CHOICES: Final[dict[tuple[str, int], Choice]] = {
    ("+", 2): _arithmetic("+"),
    ("-", 2): _arithmetic("-"),
    ("*", 2): _arithmetic("*"),
    ("inc", 1): _step("+", "<= HIGH"),
    ("dec", 1): _step("-", ">= LOW"),
    ("<", 2): _comparison("<"),
    ("<=", 2): _comparison("<="),
    (">", 2): _comparison(">"),
    (">=", 2): _comparison(">="),
    ("=", 2): _sameness("=="),
    ("not=", 2): _sameness("!="),
    ("!=", 2): _sameness("!="),
    ("not", 1): _negation,
    ("nil?", 1): _always("a is None"),
    ("some?", 1): _always("a is not None"),
    ("int?", 1): _always("type(a) is int"),
    ("string?", 1): _always("type(a) is str"),
    ("vector?", 1): _always("type(a) is list"),
    ("map?", 1): _always("type(a) is dict"),
    ("keyword?", 1): _always("type(a) is Keyword"),
    ("even?", 1): _test("not a & 1", INT),
    ("odd?", 1): _test("a & 1 == 1", INT),
    ("zero?", 1): _test("a == 0"),
    ("pos?", 1): _test("a > 0"),
    ("neg?", 1): _test("a < 0"),
    ("mod", 2): _division("a % b"),
    ("rem", 2): _division("a % b", "a >= 0"),
    ("quot", 2): _division("a // b", "a >= 0"),
    ("min", 2): _choose_between("<"),
    ("max", 2): _choose_between(">"),
    ("count", 1): _sized("len(a)"),
    ("empty?", 1): _sized("not a"),
    ("first", 1): _when(VECTOR, "a[0]", "a"),
    ("second", 1): _when(VECTOR, "a[1]", "len(a) > 1"),
    ("last", 1): _when(VECTOR, "a[-1]", "a"),
    ("nth", 2): _nth,
    ("get", 2): _get(""),
    ("get", 3): _get(", c"),
}
"""By name and number of arguments."""

INLINED: Final = frozenset(name for name, _ in _CHOICES)
"""Functions that are written in place."""
