"""What every embedder asks of a text, so that a text that one refuses is refused by all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from domain.kernel.errors import InvalidInput

MOST_CHARACTERS: Final = 262_144
"""Of one text; the work of an embedder grows with it."""

_SHOWN: Final = 40


def readable(texts: Sequence[str]) -> list[str]:
    """The texts as UTF-8 can carry them: half a surrogate pair becomes U+FFFD.

    Raises ``InvalidInput`` for a text with nothing to be seen in it, and for one of more than ``MOST_CHARACTERS``.
    """
    if isinstance(texts, str):
        raise InvalidInput("texts to embed are a list of texts; this is one text: put it in a list")
    return [_readable(text, f"text {number} of {len(texts)} to embed") for number, text in enumerate(texts, 1)]


def _readable(text: str, at: str) -> str:
    if len(text) > MOST_CHARACTERS:
        raise InvalidInput(f"{at} has {len(text):,} characters; give one of at most {MOST_CHARACTERS:,}")
    whole = text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if not any(character.isprintable() and not character.isspace() for character in whole):
        raise InvalidInput(f"{at} is {whole[:_SHOWN]!r}, in which nothing is to be seen; give one with a word in it")
    return whole
