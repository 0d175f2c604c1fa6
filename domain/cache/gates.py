"""What likeness does not see: two texts may be near each other and ask for opposite or different things.

Each gate compares one kind of detail of the two texts and gives the reason why the answer to one may not be given to
the other, or None. Gates can only refuse, so in doubt they do: a refusal costs a model call, a wrong hit costs trust.
They know English, and they know names only by capitals, quotes and spelling; what they cannot see is left to evidence.
All of them take time linear in the texts, which are compared up to ``MOST_CHARACTERS``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from domain.cache.extremes import EXTREMES
from domain.cache.opposites import NEGATIONS, NEGATIVE_PREFIXES, OPPOSITES
from domain.cache.quantities import CALENDAR, NUMBER_WORDS, UNITS

MOST_CHARACTERS: Final = 8_192

_EDGES: Final = ".,;:!?()[]{}<>\"'`«»"
_NUMBER: Final = re.compile(r"[-+]?\d(?:[\d.,:/]*\d)?")
_DIGITS: Final = "-+0123456789.,:"
_QUOTED: Final = (
    re.compile(r'"([^"]{1,400})"'),
    re.compile(r"`([^`]{1,400})`"),
    re.compile(r"«([^»]{1,400})»"),
    re.compile(r"(?<!\w)'([^']{1,400})'(?!\w)"),
)
_APOSTROPHES: Final = str.maketrans("\u2018\u2019\u201a\u02bc\u201c\u201d\u201e", "''''\"\"\"")
_ARTICLES: Final = frozenset({"the", "my", "a", "an", "our", "your", "their"})
_CURRENCIES: Final = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee", "%": "percent"}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the answer to one text may not be given to another."""

    gate: str
    reason: str


class Text:
    """A text, read once for all gates."""

    def __init__(self, text: str) -> None:
        """Read the text; compatibility forms and invisible characters make no difference."""
        self.text: Final = text
        plain = unicodedata.normalize("NFKC", text[: MOST_CHARACTERS + 1]).translate(_APOSTROPHES)
        self.too_long: Final = len(plain) > MOST_CHARACTERS
        kept = "" if self.too_long else plain
        self.plain: Final = "".join(character for character in kept if unicodedata.category(character) != "Cf")
        self.words: Final = [word for raw in self.plain.split() if (word := raw.strip(_EDGES))]
        self.folded: Final = [word.casefold() for word in self.words]

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """The distinct words, without case."""
        return frozenset(self.folded)

    @cached_property
    def negations(self) -> int:
        """How many words say no."""
        return sum(word in NEGATIONS or word.endswith("n't") for word in self.folded)

    @cached_property
    def numbers(self) -> list[str]:
        """Numbers in order, in digits or words, as they are written but for the commas between thousands."""
        found = []
        for word in self.folded:
            if word in NUMBER_WORDS:
                found.append(NUMBER_WORDS[word])
            elif "-" in word and all(part in NUMBER_WORDS for part in word.split("-")):
                found.extend(NUMBER_WORDS[part] for part in word.split("-"))
            elif any(character.isdigit() for character in word):
                found.extend(map(_ungrouped, _NUMBER.findall(word)))
        return found

    @cached_property
    def units(self) -> frozenset[str]:
        """Units of measure and currencies, by one name each."""
        found = {name for sign, name in _CURRENCIES.items() if sign in self.plain}
        for word in self.folded:
            if (unit := UNITS.get(word.lstrip(_DIGITS))) is not None:
                found.add(unit)
        return frozenset(found)

    @cached_property
    def extremes(self) -> frozenset[str]:
        """Ends of an order that are asked for: the greatest, the least, the first, the last."""
        return frozenset(EXTREMES[word] for word in self.folded if word in EXTREMES)

    @cached_property
    def calendar(self) -> frozenset[str]:
        """Days, months and words that move a date."""
        return frozenset(CALENDAR[word] for word in self.folded if word in CALENDAR)

    @cached_property
    def quoted(self) -> list[str]:
        """What stands in quotation marks, in order of the marks' kinds."""
        return [found for pattern in _QUOTED for found in pattern.findall(self.plain)]

    @cached_property
    def identifiers(self) -> list[str]:
        """Words spelled as no word of prose is: with digits, inner signs or inner capitals."""
        return [word for word in self.words if _is_identifier(word)]

    @cached_property
    def names(self) -> frozenset[str]:
        """Words with a capital where prose has none, without case."""
        return frozenset(self._names())

    def _names(self) -> Iterator[str]:
        opens = True
        for raw in self.plain.split():
            word = raw.strip(_EDGES)
            if word and word[0].isupper() and not opens and word not in {"I", "I'm", "I'd", "I'll", "I've"}:
                yield word.casefold()
            opens = raw.endswith((".", "!", "?", ":"))

    def after(self, preposition: str) -> str | None:
        """The word that follows a preposition for the last time, articles left out."""
        found = None
        waiting = False
        for word in self.folded:
            if waiting and word not in _ARTICLES:
                found, waiting = word, False
            if word == preposition:
                waiting = True
        return found


def _ungrouped(number: str) -> str:
    """Give the number without the commas between its thousands, if those are what its commas are."""
    first, *thousands = number.partition(".")[0].lstrip("+-").split(",")
    grouped = thousands and 1 <= len(first) <= 3 and all(len(three) == 3 for three in thousands)
    return number.replace(",", "") if grouped else number


def _is_identifier(word: str) -> bool:
    body = word.removesuffix("'s")
    if all(len(part) <= 1 for part in body.split(".")) or body.casefold().lstrip(_DIGITS) in UNITS:
        return False
    digits = any(character.isdigit() for character in body)
    letters = any(character.isalpha() for character in body)
    signs = any(character in "_/\\@#=.:" for character in body)
    capitals = any(character.isupper() for character in body[1:]) and letters
    return (digits and letters) or (signs and letters) or capitals


def polarity(asked: Text, stored: Text) -> str | None:
    """One says no where the other does not, or they say opposites (lock and unlock, enable and disable)."""
    if asked.negations % 2 != stored.negations % 2:
        return "one of them is negated"
    for one, other in ((asked, stored), (stored, asked)):
        for word in one.vocabulary - other.vocabulary:
            for opposite in OPPOSITES.get(word, ()):
                if opposite in other.vocabulary and opposite not in one.vocabulary:
                    return f"{_shown(word)} is the opposite of {_shown(opposite)}"
            for prefix in NEGATIVE_PREFIXES:
                rest = word.removeprefix(prefix)
                if len(rest) > 2 and rest != word and rest in other.vocabulary and rest not in one.vocabulary:
                    return f"{_shown(word)} is the opposite of {_shown(rest)}"
    return None


def extremes(asked: Text, stored: Text) -> str | None:
    """One asks for an end of an order (the highest, the first) where the other asks for another end, or for none."""
    return _different("extremes", sorted(asked.extremes), sorted(stored.extremes))


def numbers(asked: Text, stored: Text) -> str | None:
    """They name other numbers, or the same in another order."""
    return _different("numbers", asked.numbers, stored.numbers)


def units(asked: Text, stored: Text) -> str | None:
    """They measure in other units or currencies."""
    return _different("units", sorted(asked.units), sorted(stored.units))


def dates(asked: Text, stored: Text) -> str | None:
    """They speak of other days, months or directions in time."""
    return _different("dates", sorted(asked.calendar), sorted(stored.calendar))


def quotations(asked: Text, stored: Text) -> str | None:
    """They quote different things."""
    return _different("quotations", asked.quoted, stored.quoted)


def identifiers(asked: Text, stored: Text) -> str | None:
    """They name other identifiers: files, addresses, codes, acronyms."""
    in_both = {word.casefold() for word in asked.identifiers} | {word.casefold() for word in stored.identifiers}
    return _different("identifiers", _within(asked, in_both), _within(stored, in_both))


def names(asked: Text, stored: Text) -> str | None:
    """They name other people or places, or the same in another order."""
    in_both = asked.names | stored.names
    return _different("names", _within(asked, in_both), _within(stored, in_both))


def roles(asked: Text, stored: Text) -> str | None:
    """What one comes from is what the other goes to."""
    for target in ("to", "into"):
        for one, other in ((asked, stored), (stored, asked)):
            source = one.after("from")
            if source is not None and source == other.after(target):
                return f"from and {target} are exchanged"
    return None


def _within(text: Text, chosen: set[str] | frozenset[str]) -> list[str]:
    return [word for word in text.folded if word in chosen]


def _different(what: str, asked: list[str], stored: list[str]) -> str | None:
    if asked == stored:
        return None
    return f"{what} differ: {_listed(asked)} and {_listed(stored)}"


def _listed(found: list[str]) -> str:
    return ", ".join(map(_shown, found[:3])) + (", ..." if len(found) > 3 else "") if found else "none"


def _shown(word: str) -> str:
    return word if len(word) <= 40 else f"{word[:40]}..."


GATES: Final[tuple[Callable[[Text, Text], str | None], ...]] = (
    polarity,
    numbers,
    units,
    dates,
    extremes,
    quotations,
    identifiers,
    names,
    roles,
)
"""All gates, in the order in which they are asked."""


def refusal(asked: str | Text, stored: str) -> Refusal | None:
    """Why the answer to the stored text may not be given to the asked one, by the first gate that says so."""
    one = asked if isinstance(asked, Text) else Text(asked)
    if one.text == stored:
        return None
    other = Text(stored)
    if one.too_long or other.too_long:
        return Refusal("length", f"a text of more than {MOST_CHARACTERS:,} characters is not compared")
    for gate in GATES:
        if reason := gate(one, other):
            return Refusal(gate.__name__, reason)
    return None
