"""``rtfs doc``: the functions and forms of the language, from the tables that compiler and machine are made of."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Final

import click
from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from domain.kernel.errors import NotFound
from domain.rtfs.card import FORMS_BY_EXAMPLE
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import ALIASES, FUNCTIONS, GROUPS, Entry
from infra.cli.errors import meant
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked

SPELLINGS: Final = {"#": "#(…)", "'": "' ` ~ ~@", "@": "@name", "^": "^{…} form"}
"""Forms that are no lists, as they are written."""


@click.command(
    epilog=examples("precedent rtfs doc", "precedent rtfs doc reduce", "precedent rtfs doc match --json"),
)
@click.argument("name", required=False)
@invoked
def doc(cli: Invocation, name: str | None) -> int:
    """Explain the function or form NAME: type, meaning, examples with their values. Without NAME, list all by topic."""
    if name is None:
        cli.output.document({"functions": _functions(), "forms": [form_document(each) for each in FORMS]})
        cli.output.show(*_listed())
        return DONE
    cli.output.document(document_of(name))
    cli.output.show(*explained(name))
    return DONE


def document_of(name: str) -> dict[str, Any]:
    """What is known of a function or form. Raises ``NotFound``."""
    known = resolved(name)
    return function_document(FUNCTIONS[known]) if known in FUNCTIONS else form_document(known)


def resolved(name: str) -> str:
    """The name under which a function or form stands in its table. Raises ``NotFound``."""
    name = ALIASES.get(name, name)
    if name in FUNCTIONS or name in FORMS:
        return name
    near = meant(name, [*FUNCTIONS, *FORMS, *ALIASES])
    raise NotFound(f"there is no function or form {name[:80]!r}; {near}`precedent rtfs doc` lists them all")


def function_document(entry: Entry) -> dict[str, Any]:
    """A function for JSON."""
    return {
        "name": entry.name,
        "kind": "function",
        "topic": next(topic for topic, entries in GROUPS.items() if entry in entries),
        "type": entry.signature,
        "takes": entry.arity(),
        "doc": entry.doc,
        "aliases": _aliases(entry.name),
        "examples": [*_examples(entry)],
    }


def form_document(name: str) -> dict[str, Any]:
    """A form for JSON."""
    shown = [example for example in FORMS_BY_EXAMPLE if f"({name} " in example or f" {name} " in example]
    if name == "#":
        shown = [example for example in FORMS_BY_EXAMPLE if "#(" in example]
    return {
        "name": name,
        "kind": "form",
        "written": SPELLINGS.get(name, f"({name} …)"),
        "doc": (inspect.getdoc(FORMS[name]) or "").replace("``", "`"),
        "aliases": [other for other, form in FORMS.items() if form is FORMS[name] and other != name],
        "examples": shown,
    }


def _aliases(name: str) -> list[str]:
    return [other for other, known in ALIASES.items() if known == name]


def _examples(entry: Entry) -> Iterator[str]:
    yield entry.example
    yield from entry.edges


def _functions() -> list[dict[str, Any]]:
    return [function_document(entry) for entries in GROUPS.values() for entry in entries]


def explained(name: str) -> list[RenderableType]:
    """A function or form for people. Raises ``NotFound``."""
    about = document_of(name)
    title = Text.assemble((about["name"], "bold"), f"  {about.get('type') or about['written']}")
    parts: list[RenderableType] = [title, Text(about["doc"])]
    if about["aliases"]:
        also = "also written" if about["kind"] == "function" else "of one kind with"
        parts.append(Text(f"{also} {', '.join(about['aliases'])}", "dim"))
    parts += [Padding(_example(example), (0, 0, 0, 2)) for example in about["examples"]]
    return parts


def _example(example: str) -> Text:
    for arrow in (" => ", " !! "):
        source, found, value = example.rpartition(arrow)
        if found:
            style = "green" if arrow == " => " else "red"
            return Text.assemble(source, (" => " if arrow == " => " else " fails with ", "dim"), (value, style))
    return Text(example)


def _listed() -> list[RenderableType]:
    parts: list[RenderableType] = []
    for topic, entries in GROUPS.items():
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold", no_wrap=True, min_width=16)
        table.add_column(ratio=1)
        for entry in entries:
            table.add_row(Text(entry.name), Text(entry.doc))
        parts += [Rule(topic, align="left", style="dim"), table]
    forms = ", ".join(SPELLINGS.get(name, name) for name in FORMS)
    return [*parts, Rule("Forms", align="left", style="dim"), Text(forms)]
