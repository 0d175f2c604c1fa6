"""The forms of the language: how each is written, what it means, and an example that is run as a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from domain.rtfs.compiler.macro_library import FORMS as MACRO_FORMS
from domain.rtfs.compiler.macro_library import FUNCTIONS as MACRO_FUNCTIONS


@dataclass(frozen=True, slots=True)
class FormDoc:
    """One form, or several that are best told together."""

    topic: str
    names: tuple[str, ...]
    """As the table of forms has them."""
    syntax: str
    meaning: str
    example: str
    """``source => value``, or ``source !! error-type``."""
    card: bool = True
    """Whether planners are shown the example."""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


FORM_DOCS: Final = (
    FormDoc(
        "Names and functions",
        ("let",),
        "(let [pattern type? value …] body…)",
        "Names values for the body; each value sees the names before it. With a type, the value must be of it. A "
        "pattern is a name, `_`, `[a b & others :as all]`, `{:keys [a b] :or {b 1} :as all}`, `{:strs [a]}` or "
        "`{:key pattern}`; what is not there is nil.",
        "(let [x 2 y (* x 3)] (+ x y)) => 8",
    ),
    FormDoc(
        "Names and functions",
        ("let",),
        "patterns",
        "Patterns take values apart wherever something is named: in `let`, `fn`, `defn`, `for`, `loop`, `match`.",
        '(let [{:keys [name size]} {:name "a" :size 1} [p & others] [1 2 3]] [name size p others]) => ["a" 1 1 [2 3]]',
    ),
    FormDoc(
        "Names and functions",
        ("do",),
        "(do expression…)",
        "The value of the last expression; definitions among them name things for those that follow.",
        "(do 1 (+ 1 1)) => 2",
        card=False,
    ),
    FormDoc(
        "Names and functions",
        ("def", "defn"),
        "(def name type? value), (defn name doc? [parameters] type? body…)",
        "Defines a value or a function at the top of a program or of a body. Functions of one body may call each "
        "other, whichever comes first. A type after the parameters is that of the result.",
        "(do (defn double [n] (* 2 n)) (map double [1 2])) => [2 4]",
    ),
    FormDoc(
        "Names and functions",
        ("module", "export"),
        "(module name (:exports [name…]) (import …)… definition…)",
        "A text of definitions for others to import. `(export name…)` says the same as `:exports`; without either all "
        "is exported that is not `^:private`. Definitions may stand in any order; values of a module ask the world for "
        "nothing. Run as a program, a module gives its last expression, or else `(main)` or `(main inputs)`.",
        "(module shapes (:exports [area]) (defn area [w h] (* w h))) (import shapes :as s) (s/area 2 3) => 6",
        card=False,
    ),
    FormDoc(
        "Names and functions",
        ("import",),
        '(import name :as alias :only [name…] :digest "sha256:…"), (import [name :as alias :refer [name…]])',
        "Takes in a module at the top of a program or module: its names behind the alias and a slash, those of `:only` "
        "(or `:refer`) as they are. With `:digest` the text must be exactly that one. Only what is used of a module "
        "becomes part of the program; modules that import one another in a circle are refused.",
        "(module m (defn one [] 1)) (import m :only [one]) (one) => 1",
        card=False,
    ),
    FormDoc(
        "Names and functions",
        ("fn", "λ", "lambda"),
        "(fn name? [parameter type? … & others] type? body…)",
        "A function value. It sees the names around it, and its own.",
        "(map (fn [x] (+ x 1)) [1 2]) => [2 3]",
    ),
    FormDoc(
        "Names and functions",
        ("#",),
        "#(… % %2 %& …)",
        "Short for a function: `%` or `%1` is its first parameter, `%2` its second, `%&` the rest.",
        "(map #(* % %) [1 2 3]) => [1 4 9]",
    ),
    FormDoc(
        "Names and functions",
        ("partial", "comp", "complement", "constantly"),
        "(partial f argument…), (comp f g…), (complement f), (constantly value)",
        "Functions made of functions: with arguments given, one after the other, turned around, always the same.",
        '((comp str (partial + 1)) 2) => "3"',
        card=False,
    ),
    FormDoc(
        "Choices",
        ("if", "if-not", "step-if"),
        "(if condition then else?)",
        "One of two values; without a second one it is nil. Only `false` and `nil` are not true.",
        '(if (> 3 2) "yes" "no") => "yes"',
    ),
    FormDoc(
        "Choices",
        ("when", "when-not"),
        "(when condition body…)",
        "The body if the condition is true, else nil.",
        "(when false 1) => nil",
    ),
    FormDoc(
        "Choices",
        ("if-let", "when-let"),
        "(if-let [pattern value] then else?), (when-let [pattern value] body…)",
        "Names a value if it is true, and chooses by that.",
        "(if-let [x (:a {:a 5})] (inc x) :none) => 6",
        card=False,
    ),
    FormDoc(
        "Choices",
        ("cond",),
        "(cond condition value … :else value)",
        "The value after the first true condition; nil when there is none.",
        "(cond (< 2 1) :less (= 2 1) :same :else :more) => :more",
    ),
    FormDoc(
        "Choices",
        ("case",),
        "(case value literal result … default?)",
        "The result after the literal that is the same; a list of literals stands for each of them. Without a default, "
        "an error of type `no-match`.",
        '(case "b" "a" 1 ("b" "c") 2 0) => 2',
    ),
    FormDoc(
        "Choices",
        ("match",),
        "(match value pattern body pattern when guard body …)",
        "The body after the first pattern that fits; without one, an error of type `no-match`. A pattern is a literal, "
        "a name, `_`, `[a b & others]`, `{:key pattern}`, a type and a name `(:int n)`, or `(:as name pattern)`.",
        '(match {:kind "a" :size 12} {:kind "b"} 0 {:kind "a" :size n} when (> n 10) n _ nil) => 12',
    ),
    FormDoc(
        "Choices",
        ("match",),
        "vectors in patterns",
        "A vector pattern fits vectors of its length, with `&` all that are at least as long.",
        "(match [1 2 3] [] :none [x & more] more) => [2 3]",
    ),
    FormDoc(
        "Choices",
        ("and", "or"),
        "(and value…), (or value…)",
        "The first value that decides; what follows it is not worked out.",
        "[(and 1 nil (/ 1 0)) (or nil 2 (/ 1 0))] => [nil 2]",
        card=False,
    ),
    FormDoc(
        "Chains and repetition",
        ("->", "->>"),
        "(-> value call…), (->> value call…)",
        "Gives a value to the first call as its first argument (with `->>` its last), and each value to the next call.",
        "(->> (range 6) (filter even?) (map inc) (reduce +)) => 9",
    ),
    FormDoc(
        "Chains and repetition",
        ("->",),
        "keys in chains",
        "A keyword in a chain looks into what came so far.",
        "(-> {:a {:b 1}} :a (assoc :c 2)) => {:b 1 :c 2}",
    ),
    FormDoc(
        "Chains and repetition",
        ("some->", "some->>", "as->"),
        "(some-> value call…), (some->> value call…), (as-> value name expression…)",
        "Chains that end with nil at the first value that is nil, and one whose steps see the value under a name.",
        "[(some-> {:a nil} :a :b inc) (as-> 1 x (+ x 1) [x x])] => [nil [2 2]]",
        card=False,
    ),
    FormDoc(
        "Chains and repetition",
        ("for",),
        "(for [pattern collection :when condition :let [name value …] …] body…)",
        "A vector of the body for every item, of every combination where there are several collections.",
        "(for [x [1 2 3] :when (odd? x)] (* x 10)) => [10 30]",
    ),
    FormDoc(
        "Chains and repetition",
        ("loop", "recur"),
        "(loop [name value …] body…), (recur value…)",
        "`recur` goes on with other values, in place of what it stands in: as the last thing of a loop or a function.",
        "(loop [i 0 sum 0] (if (< i 4) (recur (inc i) (+ sum i)) sum)) => 6",
    ),
    FormDoc(
        "Chains and repetition",
        ("doseq", "dotimes"),
        "(doseq [pattern collection …] body…), (dotimes [name count] body…)",
        "As `for`, for its effects; the value is nil.",
        "(dotimes [i 3] i) => nil",
        card=False,
    ),
    FormDoc(
        "Errors",
        ("try", "catch", "finally"),
        "(try body… (catch :type name body…)… (finally body…)?)",
        "The body, or what the first fitting `catch` makes of its error: a map of `:type`, `:message` and `:effect`. "
        "Without a type it takes every error; `HostError` stands for those of tools, `RuntimeError` for the others, "
        "`ValidationError` for `type-mismatch`. `finally` runs in any case. Limits are not caught.",
        '(try (/ 1 0) (catch :division-by-zero e (:message e))) => "1 is divided by zero"',
    ),
    FormDoc(
        "Errors",
        ("Exception.", "RuntimeError.", "ValidationError."),
        '(throw (Exception. "message"))',
        "Errors to be thrown, of the types `error`, `runtime-error` and `type-mismatch`.",
        '(try (throw (RuntimeError. "no")) (catch RuntimeError e (:type e))) => :runtime-error',
        card=False,
    ),
    FormDoc(
        "Effects and steps",
        ("call",),
        "(call :ns.capability argument…), (call :ns.capability {:parameter argument …})",
        "Asks the host to do something, and waits for its answer: calls a tool that the task lists. The name is "
        "written out, so that what a program may do is known before it runs. What comes back is of the type that the "
        "tool declares. `precedent tools ls` lists the tools, `precedent tools show NAME` says what one takes and "
        "gives.",
        '(:kind (call :fs.stat {:path "README.md"})) => "file"',
        card=False,
    ),
    FormDoc(
        "Effects and steps",
        ("one-of",),
        "(one-of value choice…), (call (one-of value :a.b :c.d) argument…)",
        "A value that is one of these, which are written out; else an error of type `type-mismatch`. A `call` may draw "
        "its capability so, and the program's effects are still known before.",
        "(call (one-of (first [:number]) :number :ratio) 3) => 3",
        card=False,
    ),
    FormDoc(
        "Effects and steps",
        ("step-parallel",),
        "(step-parallel expression…), (step-parallel {:name expression …}), (step-parallel :merge-policy policy …)",
        "The values of expressions whose effects go on side by side: a vector, or a map where they have names. With a "
        "policy the values are maps and are merged in the order of the text: `:keep-existing` keeps the first value of "
        "a key, `:overwrite` the last, `:merge` merges maps within and joins vectors. The error of the first that "
        "fails is the error of the whole.",
        "(step-parallel (+ 1 1) (+ 2 2)) => [2 4]",
    ),
    FormDoc(
        "Effects and steps",
        ("step",),
        '(step "name" body…)',
        "The body; the name is shown where the run is.",
        '(step "name" (+ 1 2)) => 3',
    ),
    FormDoc(
        "Effects and steps",
        ("step-loop",),
        "(step-loop :max-iterations n? condition body)",
        "The body for as long as the condition holds; gives the last value of the body, or nil. Beyond its most "
        "iterations it is an error of type `iterations-exceeded`.",
        "(step-loop :max-iterations 2 true 1) !! iterations-exceeded",
        card=False,
    ),
    FormDoc(
        "Effects and steps",
        ("@", "resource:ref"),
        '@name, (get :name), (resource:ref "name")',
        "`@name`, or `(get :name)`, is short for `(get inputs :name)`; a reference to a resource is its address.",
        '(resource:ref "report") => "resource://report"',
        card=False,
    ),
    FormDoc(
        "Types and metadata",
        ("defstruct",),
        "(defstruct Name :field type …)",
        "Names a type of maps. `(Name map)` checks a map, `(Name? value)` asks; the name stands wherever a type may.",
        "(do (defstruct P :x :int) [(:x (P {:x 1})) (P? {})]) => [1 false]",
        card=False,
    ),
    FormDoc(
        "Types and metadata",
        ("deftype",),
        "(deftype Name type)",
        "Names any type; `(Name? value)` asks whether a value is of it.",
        "(do (deftype Id [:and :int [:> 0]]) (map Id? [1 0])) => [true false]",
        card=False,
    ),
    FormDoc(
        "Types and metadata",
        ("^",),
        "^{:key value …} form, ^:key form, ^:delegation :local|:local-model|:remote name? form",
        "Says something of a form without changing its value: documentation, hints for the host.",
        '^{:doc "three"} (+ 1 2) => 3',
        card=False,
    ),
    FormDoc(
        "Macros",
        ("defmacro",),
        "(defmacro name doc? [parameter [item…] … & others] body…)",
        "Defines a form by what it stands for, from here to the end of the body that it is in. It is given forms, not "
        "values, and gives a form, which takes the place of its use before the program runs; that may be a definition, "
        "or several within `do`. Names that its template brings in mean what they mean here, and never meet those of "
        "the place where it is used; `~'name` is left as it is. A macro may use itself; how much all macros of a "
        f"program may do is bounded. In its body are known {_listed(MACRO_FORMS)}, and the functions "
        f"{_listed(MACRO_FUNCTIONS)}.",
        "(do (defmacro unless [test then] `(if ~test nil ~then)) (unless false 1)) => 1",
        card=False,
    ),
    FormDoc(
        "Macros",
        ("'", "quote"),
        "'form, (quote form), `form, ~form, ~@forms",
        "A form as data. In a template (`` ` ``) what stands behind `~` is worked out, and behind `~@` its items are "
        "put in. A list as data is a vector.",
        "(let [x 2] `[1 ~x ~@[3 4]]) => [1 2 3 4]",
        card=False,
    ),
)
"""Every form of the language, by topic."""
