"""What may be typed next in a dialogue: forms, functions, what was defined, and capabilities behind `call`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import ALIASES, FUNCTIONS

WORD: Final = re.compile(r"[^\s()\[\]{}\"';`~^@,]*\Z")
"""What is being typed."""

_CALLING: Final = re.compile(r"\(call\s+:[^\s()\[\]{}\"]*\Z")
_NAMES: Final = re.compile(r"[^\s()\[\]{}\"';`~^@,#:0-9][^\s()\[\]{}\"';`~^@,]*")
_LANGUAGE: Final = sorted(
    {*(name for name in FORMS if name[0].isalpha() or name.startswith("-")), *FUNCTIONS, *ALIASES}
)


def completions(text: str, defined: Iterable[str], capabilities: Iterable[str], commands: Sequence[str]) -> list[str]:
    """What the word at the end of a text may become, in order; nothing where no word has begun.

    ``text`` is all before the cursor, and names the locals too.
    """
    match = WORD.search(text)
    word = match.group() if match else ""
    if not word:
        return []
    if _CALLING.search(text):
        known: Iterable[str] = (f":{name}" for name in capabilities)
    elif word.startswith(":"):
        known = commands if text.lstrip() == word else _keywords(text, word)
    else:
        known = {*_LANGUAGE, *defined, *_NAMES.findall(text[: len(text) - len(word)])}
    return sorted(each for each in known if each.startswith(word) and each != word)


def _keywords(text: str, word: str) -> set[str]:
    return set(re.findall(r":[^\s()\[\]{}\"';`~^@,]+", text[: len(text) - len(word)]))
