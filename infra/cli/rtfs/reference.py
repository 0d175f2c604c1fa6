"""``rtfs doc``: functions, forms, types and errors, from the tables that the language's pages are made from."""

from __future__ import annotations

from typing import Any, Final

import click
from rich.console import RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from domain.kernel.errors import NotFound
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import ALIASES, FUNCTIONS, GROUPS, Entry
from domain.rtfs.reference import ERRORS, FORM_DOCS, PREDICATE_DOCS, TYPE_DOCS, ErrorDoc, FormDoc, TypeDoc
from infra.cli.errors import meant
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, examples, invoked

TYPES: Final = {f":{each.name}": each for each in (*TYPE_DOCS, *PREDICATE_DOCS)}
FAULTS: Final = {each.type: each for each in ERRORS}


@click.command(
    epilog=examples("precedent rtfs doc", "precedent rtfs doc reduce", "precedent rtfs doc match --json"),
)
@click.argument("name", required=False)
@invoked
def doc(cli: Invocation, name: str | None) -> int:
    """Explain NAME: a function, a form, a type (as :int or :vector) or a type of errors. Without it, list them all.

    Examples are shown with the values that they give.
    """
    if name is None:
        cli.output.document(
            {
                "functions": [function_document(entry) for entries in GROUPS.values() for entry in entries],
                "forms": [form_document(each) for each in FORMS],
                "types": [type_document(each) for each in TYPES.values()],
                "errors": [error_document(each) for each in ERRORS],
            }
        )
        cli.output.show(*_listed())
        return DONE
    cli.output.document(document_of(name))
    cli.output.show(*explained(name))
    return DONE


def document_of(name: str) -> dict[str, Any]:
    """What is known of a name. Raises ``NotFound``."""
    known = ALIASES.get(name, name)
    if known in FUNCTIONS:
        return function_document(FUNCTIONS[known])
    if known in FORMS:
        return form_document(known)
    if known in TYPES:
        return type_document(TYPES[known])
    if known in FAULTS:
        return error_document(FAULTS[known])
    near = meant(name, [*FUNCTIONS, *FORMS, *ALIASES, *TYPES, *FAULTS])
    raise NotFound(
        f"there is no function, form, type or error {name[:80]!r}; {near}`precedent rtfs doc` lists them all"
    )


def function_document(entry: Entry) -> dict[str, Any]:
    """A function for JSON."""
    return {
        "name": entry.name,
        "kind": "function",
        "topic": next(topic for topic, entries in GROUPS.items() if entry in entries),
        "written": entry.signature,
        "takes": entry.arity(),
        "doc": entry.doc,
        "aliases": [other for other, known in ALIASES.items() if known == entry.name],
        "examples": [entry.example, *entry.edges],
    }


def form_document(name: str) -> dict[str, Any]:
    """A form for JSON."""
    told = [each for each in FORM_DOCS if name in each.names] or [_untold(name)]
    return {
        "name": name,
        "kind": "form",
        "topic": told[0].topic,
        "written": told[0].syntax,
        "doc": " ".join(each.meaning for each in told),
        "aliases": [other for other in told[0].names if other != name],
        "examples": [each.example for each in told if each.example],
    }


def _untold(name: str) -> FormDoc:
    """A form that the reference tells of under another name."""
    same = next((each for each in FORM_DOCS if any(FORMS.get(other) is FORMS[name] for other in each.names)), None)
    if same is not None:
        return same
    return FormDoc("Other", (name,), f"({name} …)", "See docs/rtfs/language.md.", "")


def type_document(about: TypeDoc) -> dict[str, Any]:
    """A type for JSON."""
    shown = [f"{about.belongs} is one"] if about.belongs else []
    return {
        "name": f":{about.name}",
        "kind": "type",
        "topic": "Types",
        "written": about.spelling,
        "doc": about.meaning,
        "aliases": [],
        "examples": [*shown, *([f"{about.other} is none"] if about.other else [])],
    }


def error_document(about: ErrorDoc) -> dict[str, Any]:
    """A type of errors for JSON."""
    return {
        "name": about.type,
        "kind": "error",
        "topic": "Errors",
        "written": f"(try … (catch :{about.type} e …))" if about.caught else "cannot be caught",
        "doc": f"{about.meaning} {about.way_out}",
        "aliases": [],
        "examples": [],
    }


def explained(name: str) -> list[RenderableType]:
    """The same for people. Raises ``NotFound``."""
    about = document_of(name)
    parts: list[RenderableType] = [Text.assemble((about["name"], "bold"), f"  {about['written']}"), Text(about["doc"])]
    if about["aliases"]:
        also = "also written" if about["kind"] == "function" else "of one kind with"
        parts.append(Text(f"{also} {', '.join(about['aliases'])}", "dim"))
    return [*parts, *(Padding(_example(example), (0, 0, 0, 2)) for example in about["examples"])]


def _example(example: str) -> Text:
    for arrow, words, style in ((" => ", " => ", "green"), (" !! ", " fails with ", "red")):
        source, found, value = example.rpartition(arrow)
        if found:
            return Text.assemble(source, (words, "dim"), (value, style))
    return Text(example)


def _listed() -> list[RenderableType]:
    parts: list[RenderableType] = []
    for topic, entries in GROUPS.items():
        parts += _section(topic, [(entry.name, entry.doc) for entry in entries])
    for topic in dict.fromkeys(each.topic for each in FORM_DOCS):
        told = [each for each in FORM_DOCS if each.topic == topic and each.names]
        parts += _section(topic, [(", ".join(each.names), each.meaning) for each in told])
    parts += _section("Types", [(name, about.meaning) for name, about in TYPES.items()])
    return [*parts, *_section("Errors", [(about.type, about.meaning) for about in ERRORS])]


def _section(title: str, rows: list[tuple[str, str]]) -> list[RenderableType]:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", min_width=16, max_width=24)
    table.add_column(ratio=1)
    for name, meaning in rows:
        table.add_row(Text(name), Text(meaning))
    return [Rule(title, align="left", style="dim"), table]
