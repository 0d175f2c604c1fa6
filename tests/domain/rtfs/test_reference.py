"""The tables that the language is described by: complete, and true."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from domain.kernel.values import Keyword
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.functions import FUNCTIONS
from domain.rtfs.printer import print_value
from domain.rtfs.reference import ERRORS, FORM_DOCS, PREDICATE_DOCS, TYPE_DOCS
from domain.rtfs.types import PRIMITIVES, mismatch, parse_type
from domain.rtfs.types.syntax import PREDICATE_ARITY
from domain.rtfs.vm import Answer, EffectRequest, Returned
from tests.domain.rtfs.conftest import echo

LANGUAGE = Path(__file__).parents[3] / "domain" / "rtfs"


def test_every_form_is_described():
    assert sorted(set(FORMS) - {name for form in FORM_DOCS for name in form.names}) == []
    assert sorted({name for form in FORM_DOCS for name in form.names} - set(FORMS)) == []


@pytest.mark.parametrize("form", FORM_DOCS, ids=lambda form: form.syntax)
def test_examples_of_forms_hold(run, form):
    source, _, error = form.example.rpartition(" !! ")
    if source:
        assert run(source).text == f"!{error}"
        return
    source, _, value = form.example.rpartition(" => ")
    assert run(source, answering=of_a_file).text == run(value).text


def of_a_file(request: EffectRequest) -> Answer:
    """Answer `fs.stat` with what it gives of a file, and others with what they are asked."""
    if request.capability == "fs.stat":
        return Returned({Keyword("kind"): "file", Keyword("size"): 12})
    return echo(request)


def test_every_type_is_described():
    names = [each.name for each in TYPE_DOCS]
    assert set(PRIMITIVES) <= set(names)
    assert len(set(names)) == len(names)
    assert [each.name for each in PREDICATE_DOCS if each.name not in PREDICATE_ARITY] == []
    assert set(PREDICATE_ARITY) == {each.name for each in PREDICATE_DOCS}


@pytest.mark.parametrize("each", [*TYPE_DOCS, *PREDICATE_DOCS], ids=lambda each: each.spelling)
def test_values_are_of_the_types_that_are_told(run, each):
    expected = parse_type(each.spelling)
    if each.belongs:
        assert mismatch(run(each.belongs).value, expected) is None
    if each.other:
        assert mismatch(run(each.other).value, expected) is not None, print_value(run(each.other).value)


def raised() -> dict[str, set[bool]]:
    """Give the types of errors that the language raises, and whether they are fatal."""
    found: dict[str, set[bool]] = {}
    for path in LANGUAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Fault", "ErrorValue"):
                kind = node.args[0]
                if isinstance(kind, ast.Constant):
                    fatal = any(keyword.arg == "fatal" for keyword in node.keywords)
                    found.setdefault(kind.value, set()).add(fatal or node.func.id == "ErrorValue")
    return found


def test_every_error_is_described():
    described = {each.type: each.caught for each in ERRORS}
    found = raised()
    assert sorted(set(found) - set(described)) == []
    # These are raised by what the compiler makes of forms.
    assert set(described) - set(found) == {"error", "runtime-error", "no-match", "iterations-exceeded"}
    for kind, fatal in found.items():
        assert described[kind] is (False in fatal), kind
    assert {error for entry in FUNCTIONS.values() for error in entry.errors} - {"late"} <= set(described)
