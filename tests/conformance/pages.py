"""The pages of docs/rtfs: what they say of forms, functions, types, errors and bytecode comes from the tables.

``python -m tests.conformance.pages`` writes it anew; prose between the blocks stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path

from domain.kernel.values import MAX_DEPTH
from domain.rtfs.bytecode.operations import MEANING, OPERANDS, Op
from domain.rtfs.functions import ALIASES, GROUPS, Applying, Entry
from domain.rtfs.metering import Limits
from domain.rtfs.reference import ERRORS, FORM_DOCS, PREDICATE_DOCS, TYPE_DOCS, TypeDoc

PAGES = Path(__file__).parents[2] / "docs" / "rtfs"
_BLOCK = re.compile(r"(<!-- made from the tables: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_TOLD_BY = {
    "fuel": ("units of work in all", "fuel-exhausted"),
    "memory": ("cells alive at once; a cell is an item, an entry, or eight characters", "memory-exhausted"),
    "depth": ("calls that wait for one another", "depth-exceeded"),
    "output": ("cells of the result, or of the arguments of one effect", "output-too-large"),
}


def made(text: str) -> str:
    """Give a page with its blocks made anew. Raises ``KeyError`` for a block that no table makes."""
    return _BLOCK.sub(lambda found: f"{found[1]}\n{BLOCKS[found[2]]().strip()}\n\n{found[3]}", text)


def _example(text: str) -> str:
    """Show ``source => value`` as a line of a program, with its value in a comment."""
    for mark, shown in ((" !! ", "error "), (" => ", "=> ")):
        source, found, value = text.rpartition(mark)
        if found:
            return f"{source} ; {shown}{value}"
    return text


def _listing(examples: Iterable[str]) -> str:
    return "\n".join(["```clojure", *map(_example, examples), "```"])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def forms() -> str:
    parts: list[str] = []
    topic = ""
    for form in FORM_DOCS:
        if form.topic != topic:
            topic = form.topic
            parts.append(f"## {topic}")
        parts.append(f"### {_code(form.syntax)}\n\n{form.meaning}\n\n{_listing([form.example])}")
    return "\n\n".join(parts)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def functions() -> str:
    parts: list[str] = []
    for topic, entries in GROUPS.items():
        parts.append(f"## {topic}")
        parts.extend(_function(entry) for entry in entries)
    return "\n\n".join(parts)


def _function(entry: Entry) -> str:
    others = sorted(alias for alias, name in ALIASES.items() if name == entry.name)
    notes = [
        f"Also written {', '.join(f'`{alias}`' for alias in others)}." if others else "",
        f"Errors: {', '.join(f'`{error}`' for error in entry.errors)}." if entry.errors else "",
        "The functions given may make effects." if isinstance(entry.implementation, Applying) else "",
    ]
    doc = " ".join(note for note in [entry.doc, *notes] if note)
    return f"### `{entry.name}`\n\n`{entry.type}`\n\n{doc}\n\n{_listing([entry.example, *entry.edges])}"


def index() -> str:
    lines = [
        f"- {topic}: {' '.join(f'`{entry.name}`' for entry in sorted(entries, key=lambda each: each.name))}"
        for topic, entries in GROUPS.items()
    ]
    return "\n".join(lines)


def types() -> str:
    return _types(TYPE_DOCS)


def predicates() -> str:
    return _types(PREDICATE_DOCS)


def _types(docs: Iterable[TypeDoc]) -> str:
    rows = [(f"`{each.spelling}`", each.meaning, _shown(each.belongs), _shown(each.other)) for each in docs]
    return _table(("type", "its values", "one of them", "none of them"), rows)


def _shown(text: str) -> str:
    return _code(text) if text else ""


def errors() -> str:
    rows = [(f"`{each.type}`", each.meaning, each.way_out, "yes" if each.caught else "no") for each in ERRORS]
    return _table(("type", "says", "what helps", "can be caught"), rows)


def limits() -> str:
    standard = Limits()
    rows = [
        (f"`{each.name}`", _TOLD_BY[each.name][0], f"{getattr(standard, each.name):,}", f"`{_TOLD_BY[each.name][1]}`")
        for each in fields(Limits)
    ]
    table = _table(("limit", "counts", "unless told otherwise", "error"), rows)
    return f"{table}\n\nA value may be nested {MAX_DEPTH} levels deep; deeper is an error of type `nested-too-deeply`."


def operations() -> str:
    rows = [(str(int(op)), op.name.lower(), " ".join(OPERANDS[op]), MEANING[op]) for op in Op]
    return _table(("code", "name", "operands", "does"), rows)


BLOCKS: dict[str, Callable[[], str]] = {
    "forms": forms,
    "functions": functions,
    "index": index,
    "types": types,
    "predicates": predicates,
    "errors": errors,
    "limits": limits,
    "operations": operations,
}
"""What each block of a page is made by."""


if __name__ == "__main__":
    for page in sorted(PAGES.glob("*.md")):
        page.write_text(made(page.read_text("utf-8")), "utf-8")
