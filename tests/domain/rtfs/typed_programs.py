"""Programs put together at random over inputs of known types: they read keys, ask, choose, and go round in loops."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.types import parse_type

K = Keyword

INPUT = parse_type(
    "[:map [:rows [:vector [:map [:name :string] [:size :int ?] [:kind [:enum :a :b]]]]]"
    " [:n :int?] [:m [:map-of :string :int]] [:pair [:tuple :int :string]]"
    " [:u [:union :int :string [:vector :int]]]"
    " [:tagged [:vector [:union [:map [:k [:val :one]] [:v :int]] [:map [:k [:val :two]] [:w :string]]]]]]"
)
INPUTS = [
    {
        K("rows"): [
            {K("name"): "x", K("size"): 3, K("kind"): K("a")},
            {K("name"): "", K("kind"): K("b"), K("extra"): [1]},
        ],
        K("n"): None,
        K("m"): {"p": 1},
        K("pair"): [1, "q"],
        K("u"): "text",
        K("tagged"): [{K("k"): K("one"), K("v"): 1}, {K("k"): K("two"), K("w"): "w"}],
    },
    {
        K("rows"): [],
        K("n"): 7,
        K("m"): {},
        K("pair"): [0, ""],
        K("u"): [1, 2],
        K("tagged"): [{K("k"): K("two"), K("w"): "", K("v"): "other"}],
    },
    {
        K("rows"): [{K("name"): "z", K("size"): 0, K("kind"): K("a"), K("tags"): {}}],
        K("n"): 0,
        K("m"): {"p": 2, "q": -3},
        K("pair"): [-4, "z"],
        K("u"): 5,
        K("tagged"): [],
    },
]
"""Values of the type."""

_ATOMS = st.sampled_from(
    [
        *("x", "y", "z", "x", "y", "1", "0", '"a"', ":a", ":one", "nil", "true", "false", "[]", "{}", "2.5"),
        *("(:rows inputs)", "(:n inputs)", "(:m inputs)", "(:pair inputs)", "(:u inputs)", "(:tagged inputs)"),
        *("(first (:rows inputs))", "(first (:tagged inputs))", '(get (:m inputs) "p")', "inputs"),
    ]
)
_ONE = st.sampled_from(
    [
        *(
            "first",
            "last",
            "second",
            "rest",
            "vec",
            "keys",
            "vals",
            "count",
            "str",
            "inc",
            "not",
            "identity",
            "reverse",
        ),
        *(
            "nil?",
            "some?",
            "int?",
            "string?",
            "vector?",
            "map?",
            "keyword?",
            "number?",
            "empty?",
            "not-empty",
            "distinct",
        ),
        *(":name", ":size", ":kind", ":k", ":v", ":w", "flatten", "frequencies", "butlast", "abs", "type-of", "sort"),
    ]
)
_TWO = st.sampled_from(
    [
        *("+", "-", "*", "/", "=", "not=", "<", ">", "conj", "cons", "concat", "into", "merge", "zipmap", "get", "nth"),
        *("min", "max", "and", "or", "interpose", "interleave", "vector", "contains?", "take", "repeat", "partition"),
        *("if-not", "when", "do", "list", "dissoc", "or", "and"),
    ]
)
_KEY = st.sampled_from([":name", ":size", ":kind", ":k", ":v", ":w", ":new", '"p"', "0", "1"])
_KIND = st.sampled_from(["int?", "string?", "nil?", "some?", "vector?", "map?", "number?", "keyword?", ":size", ":v"])
_APPLY = st.sampled_from(
    ["map", "filter", "remove", "keep", "mapcat", "some", "every?", "group-by", "sort-by", "partition-by", "take-while"]
)
_LITERAL = st.sampled_from(["nil", "0", "1", '"x"', ":a", ":b", ":one", ":two", "true"])
_TYPE = st.sampled_from([":int", ":string", "[:vector :any]", ":int?", ":number", ":any", "[:enum :a :b]", ":map"]).map(
    lambda text: f"<{text}>"
)
"""Annotations, which `annotated` keeps and `bare` takes out."""


def _grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    @st.composite
    def of(draw: st.DrawFn, template: str, *parts: st.SearchStrategy[str]) -> str:
        return template.format(*[draw(part) for part in parts])

    return st.one_of(
        of("({0} {1})", _ONE, inner),
        of("({0} {1} {2})", _TWO, inner, inner),
        of("(let [x {0}] {1})", inner, inner),
        of("(let [x {0} y {1}] {2})", inner, inner, inner),
        of("(let [[x y] {0}] {1})", inner, inner),
        of("(let [[x & y] {0}] {1})", inner, inner),
        of("(let [{{:keys [name size] :or {{size {0}}}}} {1} x name y size] {2})", inner, inner, inner),
        of("(let [x {0} {1}] {2})", _TYPE, inner, inner),
        of("(if {0} {1} {2})", inner, inner, inner),
        of("(if ({0} x) {1} {2})", _KIND, inner, inner),
        of("(if (= {0} x) {1} {2})", _LITERAL, inner, inner),
        of("(if (and {0} ({1} x)) {2} {3})", inner, _KIND, inner, inner),
        of("(if (or (nil? x) ({0} y)) {1} {2})", _KIND, inner, inner),
        of("(cond ({0} x) {1} ({2} (:size x)) {3} :else {4})", _KIND, inner, _KIND, inner, inner),
        of("(case {0} {1} {2} {3} {4} {5})", inner, _LITERAL, inner, _LITERAL, inner, inner),
        of("(match {0} {{:k :one :v x}} {1} {{:k :two}} {2} [x & y] {3} (:int x) {4} _ {5})", *[inner] * 6),
        of(
            "(match {0} nil {1} [] {2} [x y] when ({3} x) {4} ([:vector :int] x) {5} z {6})",
            inner,
            inner,
            inner,
            _KIND,
            inner,
            inner,
            inner,
        ),
        of("({0} (fn [x] {1}) {2})", _APPLY, inner, inner),
        of("({0} {1} {2})", _APPLY, _KIND, inner),
        of("(map (fn [x y] {0}) {1} {2})", inner, inner, inner),
        of("(map-indexed (fn [x y] {0}) {1})", inner, inner),
        of("(reduce (fn [x y] {0}) {1} {2})", inner, inner, inner),
        of("(reduce (fn [x y] {0}) {1})", inner, inner),
        of("(for [x {0} :when {1} y {2}] {3})", inner, inner, inner, inner),
        of("(loop [x {0} y {1}] (if {2} {3} (recur {4} {5})))", *[inner] * 6),
        of("(loop [x {0} y 0] (if (< 2 y) {1} (recur {2} (inc y))))", inner, inner, inner),
        of("(do (defn f [x] {0}) (f {1}))", inner, inner),
        of("(do (defn f [x {0}] {1}) (f {2}))", _TYPE, inner, inner),
        of("(do (defn f [x y {0}] {1} {2}) [(f {3} x) (map f {4} {5})])", _TYPE, _TYPE, *[inner] * 4),
        of("(map (fn [x {0}] {1}) {2})", _TYPE, inner, inner),
        of("(do (def x {0} {1}) {2})", _TYPE, inner, inner),
        of("(do (defn f [x y] (if {0} {1} (f {2} {3}))) (f {4} {5}))", *[inner] * 6),
        of("(let [f (fn [x] {0})] (map f {1}))", inner, inner),
        of("(try {0} (catch e {1}))", inner, inner),
        of("{{:name {0} :size {1}}}", inner, inner),
        of("[{0} {1}]", inner, inner),
        of("(assoc {0} {1} {2})", inner, _KEY, inner),
        of("(update {0} {1} (fn [x] {2}))", inner, _KEY, inner),
        of("(assoc-in {0} [{1} {2}] {3})", inner, _KEY, _KEY, inner),
        of("(get-in {0} [{1} {2}] {3})", inner, _KEY, _KEY, inner),
        of("(select-keys {0} [{1} {2}])", inner, _KEY, _KEY),
        of("(get {0} {1} {2})", inner, _KEY, inner),
        of("(apply {0} {1})", st.sampled_from(["+", "str", "concat", "merge", "max", "vector"]), inner),
        of("(step-parallel {0} {1})", inner, inner),
        of("(-> {0} ({1} {2}) {3})", inner, _TWO, inner, _ONE),
        of("(->> {0} ({1} (fn [x] {2})) {3})", inner, _APPLY, inner, _ONE),
    )


PROGRAMS = st.recursive(_ATOMS, _grown, max_leaves=14).map(
    lambda body: f"(let [x (:n inputs) y (:u inputs) z (first (:rows inputs))] {body})"
)


def annotated(source: str) -> str:
    """Give a program with its annotations."""
    return re.sub(r"<(:[a-z]\S*|\[[^<>]*\])>", r"\1", source)


def bare(source: str) -> str:
    """Give a program without its annotations."""
    return re.sub(r" ?<(:[a-z]\S*|\[[^<>]*\])>", "", source)
