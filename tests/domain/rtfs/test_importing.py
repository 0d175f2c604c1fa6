"""What texts import, read off them; and all that they need, put together."""

from __future__ import annotations

import pytest

from domain.rtfs.importing import defined_names, gathered, imported_names
from domain.rtfs.modules import ModuleMissing, resolver_of
from domain.rtfs.program import ReadError


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("(import a.b :as c) 1", ("a.b",)),
        ("(import [a :as x] [b]) (import a) 1", ("a", "b")),
        ("(module own 1) (import own :as o) (import other) 1", ("other",)),
        ("(module whole (import a) (import [b :as c]) (defn main [] (import not-here)))", ("a", "b")),
        ("(import) (import 1) (import [] [2]) (import :a)", ()),
        ("(foo (import a))", ()),
        ("", ()),
    ],
)
def test_imports(text: str, names: tuple[str, ...]) -> None:
    assert imported_names(text) == names


def test_definitions() -> None:
    text = "(module m (import a) (def x 1) (defn ^:private y [] 1) (defn z [] 1) (defmacro w [] 1) 5)"
    assert defined_names(text) == ("x", "z", "w")
    assert defined_names("(def x 1)") == ()


def test_all_that_is_needed() -> None:
    texts = {"a": "(module a (import b))", "b": "(module b (import a) (import c))", "c": "(module c 1)", "d": "(x"}
    assert gathered("(import a) 1", resolver_of(texts)) == {name: texts[name] for name in "abc"}
    with pytest.raises(ModuleMissing, match="the module `e`, which the plan imports, is not found"):
        gathered("(import e) 1", resolver_of(texts))
    with pytest.raises(ModuleMissing, match="the module `e`, which `f` imports"):
        gathered("(import f) 1", resolver_of({"f": "(module f (import e))"}))
    with pytest.raises(ReadError):
        gathered("(import d) 1", resolver_of(texts))


def test_modules_without_end_are_refused() -> None:
    with pytest.raises(ModuleMissing, match="more than 200"):
        gathered(
            "(import m0) 1", lambda name: resolver_of({name: f"(module {name} (import m{int(name[1:]) + 1}))"})(name)
        )
