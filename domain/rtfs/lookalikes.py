"""Characters that look like those of the language and are not: texts of chat programs are full of them."""

# ruff: noqa: RUF001  # the characters that ruff warns of are what the table is about

from __future__ import annotations

from typing import Final

LOOKALIKES: Final = {
    **dict.fromkeys("“”„‟″〝〞＂«»", ("a typographic quotation mark", '"')),
    **dict.fromkeys("‘’‚‛′＇´", ("a typographic apostrophe", "'")),
    **dict.fromkeys("‐‑‒–—―−－﹣", ("a typographic dash", "-")),
    **dict.fromkeys("\u00a0\u1680\u202f\u205f\u3000", ("a space of another kind", "a plain space")),
    **dict.fromkeys(map(chr, range(0x2000, 0x200B)), ("a space of another kind", "a plain space")),
    **dict.fromkeys("\u0085\u2028\u2029\x0b", ("a line break of another kind", "a plain line break")),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ("an invisible character", "")),
    **dict.fromkeys("（❨﹙", ("a wide bracket", "(")),
    **dict.fromkeys("）❩﹚", ("a wide bracket", ")")),
    **dict.fromkeys("［【〔", ("a wide bracket", "[")),
    **dict.fromkeys("］】〕", ("a wide bracket", "]")),
    **dict.fromkeys("｛❴", ("a wide bracket", "{")),
    **dict.fromkeys("｝❵", ("a wide bracket", "}")),
    **dict.fromkeys("：∶", ("a wide colon", ":")),
    **dict.fromkeys("；", ("a wide semicolon", ";")),
    **dict.fromkeys("，、", ("a wide comma", "a space")),
    "…": ("an ellipsis", "what was left out"),
    "×": ("a sign of multiplication", "*"),
    "÷": ("a sign of division", "/"),
    "≤": ("a sign of comparison", "<="),
    "≥": ("a sign of comparison", ">="),
    "≠": ("a sign of comparison", "not="),
    "→": ("an arrow", "->"),
    "＋": ("a wide plus sign", "+"),
    "＝": ("a wide equals sign", "="),
}
"""Character to what it is, and what to write instead."""


def lookalike(text: str) -> tuple[int, str, str] | None:
    """Find the first character that is not of the language: its index, what to say of it, and the hint."""
    for index, character in enumerate(text):
        code = f"U+{ord(character):04X}"
        if character in LOOKALIKES:
            what, instead = LOOKALIKES[character]
            shown = f"`{character}` ({code})" if character.isprintable() else code
            written = instead if instead.startswith(("a ", "what")) else f"`{instead}`"
            return index, f"{shown} is {what}", f"write {written} instead" if instead else "remove it"
        if not character.isprintable():
            return index, f"{code} is a control character", "remove it"
        if not character.isascii() and character != "λ":
            hint = "names are made of ASCII letters, digits and signs; any text may stand in a string"
            return index, f"`{character}` ({code}) cannot stand in a name", hint
    return None
