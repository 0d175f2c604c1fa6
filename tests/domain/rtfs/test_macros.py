"""Macros: what they give, that names never mix up, and that they end."""

from __future__ import annotations

import pytest

from domain.rtfs.program import CompileError, compile_program

UNLESS = "(defmacro unless [test & body] `(if (not ~test) (do ~@body))) "
MY_OR = (
    "(defmacro my-or [& xs] (cond (empty? xs) nil (= 1 (count xs)) (first xs)"
    " :else `(let [v ~(first xs)] (if v v (my-or ~@(rest xs)))))) "
)
OTHER_OR = MY_OR.replace("[v ", "[w ").replace("if v v", "if w w").replace("& xs", "& ys").replace(" xs", " ys")

MACROS = [
    (UNLESS + "[(unless false 1 2) (unless true 1)]", "[2 nil]"),
    (MY_OR + "[(my-or) (my-or 1) (my-or nil false 3)]", "[nil 1 3]"),
    ("(defmacro make-list [& items] `(list ~@items)) (make-list 1 2 3)", "[1 2 3]"),
    ("(defmacro when [condition body] `(if ~condition ~body)) (when (> 2 1) :yes)", ":yes"),
    ('(defmacro m "says what it does" [x] x) (m 1)', "1"),
    ("(defmacro m [[a b] & more] `[~b ~a ~@more]) (m [1 2] 3 4)", "[2 1 3 4]"),
    ("(defmacro m [[a & b] [c]] `[~a ~@b ~c]) (m (1 2 3) [4])", "[1 2 3 4]"),
    ("(defmacro count-down [n] (if (= n 0) [] `(cons ~n (count-down ~(- n 1))))) (count-down 3)", "[3 2 1]"),
    ("(let [k 2] (defmacro times-k [x] `(* k ~x)) (times-k 4))", "8"),
    ("(defn f [x] (defmacro twice [y] `(+ ~y ~y)) (twice x)) (f 4)", "8"),
    ("(defmacro m [] {:a 1 :b [2 'nil]}) (m)", "{:a 1 :b [2 nil]}"),
    ("(defmacro m [k v] `{~k ~v}) (m :a 1)", "{:a 1}"),
    ("(defmacro sq [x] `(#(* % %) ~x)) (sq 4)", "16"),
    ("(defmacro pairs [& xs] `[~@(map (fn [[a b]] `(+ ~a ~b)) (partition 2 xs))]) (pairs 1 2 3 4)", "[3 7]"),
    ("(defmacro sum [& xs] (reduce (fn [a x] `(+ ~a ~x)) 0 xs)) (sum 1 2 3)", "6"),
    ("(defmacro keep-numbers [& xs] (vec (filter (fn [x] (number? x)) xs))) (keep-numbers 1 :a 2.5 b)", "[1 2.5]"),
    (
        (
            '(defmacro getters [& ns] `(do ~@(map (fn [n] `(defn ~(symbol (str "get-" (name n))) [m] (~n m))) ns)))'
            " (getters :a :b) [(get-a {:a 1}) (get-b {:b 2})]"
        ),
        "[1 2]",
    ),
    (
        (
            "(defmacro kind [x] (cond (list? x) :list (vector? x) :vector (map? x) :map (symbol? x) :symbol"
            " (keyword? x) :keyword (string? x) :string (nil? x) :nil (int? x) :int)) [(kind (f)) (kind [f]) (kind {})"
            ' (kind f) (kind :f) (kind "f") (kind nil) (kind 1)]'
        ),
        "[:list :vector :map :symbol :keyword :string :nil :int]",
    ),
    (
        "(defmacro m [a b] (if (= a b) :same (if (not= a 'x) :other :x))) [(m (f 1) (f 1)) (m x y) (m z y)]",
        "[:same :x :other]",
    ),
    (
        "(defmacro m [& xs] [(nth xs 1) (second xs) (last xs) (count (rest xs)) (count (butlast xs))]) (m 1 2 3)",
        "[2 2 3 2 2]",
    ),
    ("(defmacro m [x] (let [[a b] x c (or nil a)] (and 1 (when true `[~c ~b])))) (m [1 2])", "[1 2]"),
    ("(defmacro m [& xs] (vec (concat (reverse xs) (list 0) (conj [] 9)))) (m 1 2)", "[2 1 0 9]"),
    (
        "(defmacro safely [& body] `(try ~@body (catch :division-by-zero e (:message e)))) (safely (/ 1 0))",
        '"1 is divided by zero"',
    ),
    ("(defmacro m [x] `(match ~x [a & more] when (> a 0) more _ :none)) (m [1 2])", "[2]"),
    ("(defmacro m [f] `(map (fn [{:keys [a]}] (~f a)) [{:a 1}])) (m inc)", "[2]"),
]

DEFINITIONS = [
    ("(defmacro def-constant [name value] `(def ~name ~value)) (def-constant pi 3.1415) pi", "3.1415"),
    ("(defmacro deff [n] `(defn ~n [x] (* 2 x))) (deff f) (deff g) (f (g 2))", "8"),
    ("(defmacro defs [& ns] `(do ~@(map (fn [n] `(def ~n ~(name n))) ns))) (defs a b) [a b]", '["a" "b"]'),
    ("(defmacro mm [n] `(defmacro ~n [x] `(+ ~x 1))) (mm inc1) (inc1 4)", "5"),
    ("(defmacro mm [n k] `(defmacro ~n [x] `(+ ~x ~~k))) (mm add2 2) (add2 4)", "6"),
    (
        (
            "(defmacro d [a b] `(do (defn ~a [n] (if (= n 0) true (~b (dec n)))) (defn ~b [n] (if (= n 0) false (~a (dec n))))))"
            " (d e? o?) [(e? 4) (e? 3)]"
        ),
        "[true false]",
    ),
    ("(let [x 1] (defmacro def-next [n] `(def ~n (+ x 1))) (def-next y) y)", "2"),
    ("(do (defmacro nothing [] `(do)) (nothing) 1)", "1"),
    ("(do (defmacro last-one [] 5))", "nil"),
]

HYGIENE = [
    (MY_OR + "(let [v 5] (my-or nil v))", "5"),
    ("(defmacro swap [a b] `(let [t ~a] [~b t])) (let [t 1 u 2] (swap u t))", "[1 2]"),
    ("(defmacro m [x] `(inc ~x)) (let [inc dec] (m 1))", "2"),
    ("(defn double [x] (* 2 x)) (defmacro m [x] `(double ~x)) (let [double 1] (m double))", "2"),
    ("(defmacro m [x] `(if ~x 1 2)) (let [if 5] (m if))", "1"),
    ("(defmacro m [x] x) (let [m (fn [x] (* x 10))] (m 2))", "20"),
    ("(defmacro m [x] x) (defn f [m] (m 2)) (f inc)", "3"),
    ("(do (defmacro m [x] x) (defn m [x] (* x 10)) (m 2))", "20"),
    ("(defmacro m [x] `(let [y# ~x] (* y# y#))) (let [y 2] (m y))", "4"),
    ('(defmacro m [x] (let [n (gensym "n")] `(let [~n ~x] (+ ~n ~n)))) (let [n 2] (m (+ n 1)))', "6"),
    ("(defmacro m [x] `(fn [a] (+ a ~x))) (let [a 1] ((m a) 10))", "11"),
    ("(defmacro m [x] `(loop [i 0 s ~x] (if (< i 2) (recur (inc i) (+ s i)) s))) (let [i 5] (m i))", "6"),
    (
        (
            "(defmacro outer [x] `(let [a 1] (inner ~x a))) (defmacro inner [x y] `(let [a 10] [~x ~y a]))"
            " (let [a 100] (outer a))"
        ),
        "[100 1 10]",
    ),
    ("(defmacro with-it [x body] `(let [~'it ~x] ~body)) (with-it 3 (+ it 1))", "4"),
    ("(defmacro m [] `(def hidden 1)) (def hidden 2) (m) hidden", "2"),
]


@pytest.mark.parametrize(("source", "value"), [*MACROS, *DEFINITIONS, *HYGIENE])
def test_macros(run, source, value):
    assert run(source).text == value


@pytest.mark.parametrize(
    ("source", "place", "message", "hint"),
    [
        (UNLESS + "\n(unless)", (2, 1), "`unless`: it takes at least 1 argument, here are 0", "is a macro of this"),
        ("(defmacro m [a] a)\n(m)", (2, 1), "`m`: it takes 1 argument, here are 0", None),
        ("(defmacro m [a b] a)\n(m 1 2 3)", (2, 1), "`m`: it takes 2 arguments, here are 3", None),
        ("(defmacro m [[a b]] a)\n(m 5)", (2, 4), "`m`: a list or vector is expected here", None),
        ('(defmacro m [x] (error "give a number" x))\n(m [1])', (2, 4), "`m`: give a number", None),
        ("(defmacro m [x] `(foo ~x))\n(m 1)", (2, 1), "`foo` is not defined", "from `m`, expanded in line 2"),
        ("(defmacro m [x] `(inc ~x))\n(m :a)", (2, 4), "`inc`, argument 1", "from `m`, expanded in line 2"),
        (
            "(defmacro m [x] `(inc ~x))\n(defmacro n [x] `[(m ~x)])\n(n :a)",
            (3, 4),
            "`inc`, argument 1",
            "from `m`, expanded in line 3; from `n`, expanded in line 3",
        ),
        ("(defmacro d [n] `(defn ~n [x] (inc :a)))\n(d f) 1", (2, 1), "`inc`, argument 1", "from `d`, expanded in"),
        ("(defmacro m [x] `(let [a 1] ~x))\n(m a)", (2, 4), "`a` is not defined", None),
        ("(defmacro m [x] (foo x))\n(m 1)", (2, 1), "`m`: `foo` cannot be used in a macro; what can: + - <", None),
        ("(defmacro m [x] y)\n(m 1)", (2, 1), "`m`: `y` is no parameter and no name of this macro", None),
        ("(defmacro m [x] (x 1))\n(m 1)", (2, 1), "`m`: this is called, but is no function of the macro", None),
        ("(defmacro m [] (fn [x] x))\n(m)", (2, 1), "`m`: the macro gives a function; only code", None),
        ("(defmacro m [x] (count x))\n(m 5)", (2, 4), "`m`: a list or vector is expected here", None),
        ("(defmacro m [x] (nth x 3))\n(m [1])", (2, 1), "`m`: `nth` has no item 3; there are 1", None),
        ("(defmacro m [x] (count))\n(m 5)", (2, 1), "`m`: `count` takes 1 arguments, here are 0", None),
        ("(defmacro m [x] (+ x 1))\n(m :a)", (2, 4), "`m`: an integer is expected here", None),
        ("(defmacro m [x] (+ x 1))\n(m 9223372036854775807)", (2, 1), "`m`: the number needs more than 64", None),
        ('(defmacro m [] (symbol "a b"))\n(m)', (2, 1), "`m`: 'a b' is no name", None),
        ("(defmacro m [x] `~@x)\n(m [1])", (2, 1), "`m`: `~@` gives items", None),
        ("(defmacro m [x] ~x)\n(m 1)", (2, 1), "`m`: `~` stands only within a template", None),
        ("(defmacro m [] #(+ % 1))\n(m)", (2, 1), "`m`: this cannot be worked out in a macro", None),
        ("(defmacro m [] 1)\nm", (2, 1), "`m` is a macro, not a value", "write (m …)"),
        ("(defmacro)", (1, 1), "`defmacro` takes a name", "(defmacro unless"),
        ("(defmacro 1 [x] x)", (1, 11), "`defmacro` takes a name", None),
        ("(defmacro m x)", (1, 1), "a macro takes parameters in brackets and a body", None),
        ("(defmacro m [x :int] x)", (1, 16), "this is no parameter of a macro", None),
        ("(defmacro m [& x y] x)", (1, 14), "`&` is followed by one name", None),
        ("(+ 1 (defmacro m [] 1))", (1, 6), "definitions stand at the top or in a body", None),
    ],
)
def test_messages_point_to_the_call_and_name_the_macro(compiling, source, place, message, hint):
    with pytest.raises(CompileError) as raised:
        compiling(source)
    assert raised.value.message.startswith(message)
    assert (raised.value.line, raised.value.column) == place
    if hint is not None:
        assert hint in (raised.value.hint or "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("(defmacro m [] `(m)) (m)", "the macros of this program expand more than 1000 times"),
        ("(defmacro m [x] `[(m ~x) (m ~x)]) (m 1)", "expressions are nested deeper than 80 levels"),
        ("(defmacro m [] `(do (m) (m))) (m)", "the macros of this program expand more than 1000 times"),
        ("(defmacro m [x] `(m [~x ~x])) (m 1)", "`m`: it gives more than 10000 forms"),
        ("(defmacro m [x] `(m [~x])) (m 1)", "`m`: it gives code that is nested deeper than 100 brackets"),
        ("(defmacro m [& xs] `(m ~@xs ~@xs)) (m 1)", "`m`: it gives more than 10000 forms"),
        (
            "(defmacro m [] (let [f0 (fn [x] x) "
            + " ".join(f"f{n + 1} (fn [x] (f{n} x))" for n in range(199))
            + "] (f199 1)))\n(m)",
            "`m`: its evaluation nests deeper than 150 levels",
        ),
        (
            "(defmacro m [] [" + "1 " * 9_000 + "])\n" + "(m) " * 30,
            "the macros of this program give more than 200000 forms",
        ),
        (
            "(defmacro m [x] (let [d (fn [s] (str s s))]" + " (d" * 30 + " x" + ")" * 30 + '))\n(m "text")',
            "`m`: the macros of this program take more than 1000000 steps",
        ),
    ],
)
def test_macros_end(compiling, source, message):
    with pytest.raises(CompileError) as raised:
        compiling(source)
    assert raised.value.message.startswith(message)
    assert len(raised.value.hint or "") < 600


def test_expansion_leaves_nothing_but_its_code(compiling):
    assert compiling(MY_OR + "(my-or nil 3 4)").digest == compiling(OTHER_OR + "(my-or nil 3 4)").digest
    assert compiling("(defmacro m [x] `(+ ~x x)) (def x 1) (m 2)").digest == compiling("(def x 1) (+ 2 x)").digest
    assert compiling(UNLESS + "(fn [a] (unless a 1))").digest == compiling("(fn [a] (if (not a) (do 1)))").digest


@pytest.mark.parametrize("pattern", ["(range 3)", "1", "{:a 1}", ":k"])
def test_parameters_that_are_no_names_are_refused_in_macros(pattern):
    with pytest.raises(CompileError, match="a parameter is a name, or a vector that takes a list apart"):
        compile_program(
            f"(defmacro d [xs] (vec (map (fn [{pattern}] 1) xs))) (d [1 2])",
            parameters={},
            output=None,
            capabilities={},
        )
