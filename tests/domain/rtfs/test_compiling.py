"""What does not compile, and what the message says."""

from __future__ import annotations

import pytest

from domain.rtfs.compiler.foreign import FOREIGN
from domain.rtfs.compiler.forms import FORMS
from domain.rtfs.compiler.problems import MOST
from domain.rtfs.functions import ALIASES, FUNCTIONS
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.spelling import nearest
from domain.rtfs.types import parse_type

INPUTS = {"inputs": parse_type("[:map [:site :string] [:n :int ?]]")}


@pytest.mark.parametrize(
    ("source", "column", "message", "hint"),
    [
        ("(foo 1)", 2, "`foo` is not defined", "did you mean"),
        ("(+ inputz 1)", 4, "`inputz` is not defined", "did you mean `inputs`?"),
        ("(frequencie [1])", 2, "`frequencie` is not defined", "`frequencies`"),
        ("(py.packages 1)", 2, "`py.packages` is a capability", "(call :py.packages …)"),
        ("(map if [1])", 6, "`if` is a form", "(if …)"),
        ("%", 1, "`%` stands only within #(…)", None),
        (
            "(call :py.metas 1)",
            7,
            "the capability :py.metas is not allowed here",
            "did you mean :py.meta? allowed here: :fs.stat, :number, :py.meta",
        ),
        (
            "(call :web.get 1)",
            7,
            "the capability :web.get is not allowed here",
            "; a tool is allowed once the task's `tools` list",
        ),
        ("(call (:a {}) 1)", 7, "the capability of a `call` is written out", None),
        ("(call)", 1, "takes the name of a capability", None),
        ('(call :py.meta {:site "x"})', 1, "`py.meta` needs `package`", "(call :py.meta site package full?)"),
        ('(call :py.meta {:site "x" :pakage "y"})', 27, "has no parameter pakage", ":site, :package, :full"),
        ('(call :py.meta "a" "b" true 1)', 1, "takes 3 arguments, here are 4", None),
        ('(call :py.meta 1 "b")', 16, "`py.meta`, argument `site`: expected :string, found :int 1", None),
        ("(call :number (str 1))", 15, "`number`, argument `n`: expected :int, found :string", None),
        ("(call :number (:site inputs))", 15, "expected :int, found :string", None),
        ("(:sit inputs)", 2, "the map is not known to have :sit; its type has :n :site", "did you mean :site?"),
        ("(let [{:keys [size]} inputs] size)", 15, "not known to have :size", "did you mean :site?"),
        ("(upper)", 1, "`upper` takes 1 argument, here are 0", '(upper "ab")'),
        ("(upper 1)", 8, "`upper`, argument 1: expected :string, found :int", None),
        ('(inc (:name (call :py.meta "a" "b")))', 6, "`inc`, argument 1", None),
        ("((fn [a b] a) 1)", 1, "takes 2 arguments, here are 1", None),
        ("(defn f [a & b] a) (f)", 20, "at least 1 arguments, here are 0", None),
        ("(defn f [a] (f a a)) 1", 13, "takes 1 arguments, here are 2", None),
        ("(defn f [a] a) (defn f [b] b) 1", 1, "`f` is defined twice", None),
        ("(1 2)", 2, ":int 1 cannot be called", None),
        ("((str 1) 2)", 2, "this cannot be called", "functions, keywords and maps"),
        ("()", 1, "() is no call", "[]"),
        ("{:a 1 :a 2}", 1, "the key :keyword :a is there twice", None),
        ("{nil 1}", 2, "a map key is a keyword, string or integer, not nil", None),
        ("(let [x] x)", 7, "no value", None),
        ("(let [1 2] x)", 7, "no name", None),
        ("(let x 1)", 1, "`let` takes bindings", None),
        ('(let [x :int "a"] x)', 14, "expected :int, found :string", None),
        ("(fn x)", 1, "a function takes parameters", None),
        ("(fn [:a] 1)", 6, "no parameter", None),
        ("(fn [x] :string 5)", 17, "the function should give :string", None),
        ("(if 1)", 1, "`if` takes", None),
        ("(cond 1)", 1, "in pairs", None),
        ("(loop [i 0] (inc (recur i)))", 18, "not the last thing", None),
        ("(loop [i 0] (recur))", 13, "`recur` gives 0 values, 1 are taken", None),
        ("(recur 1)", 1, "outside of any loop", None),
        ("(loop [i 0] (try (recur i) (catch e 1)))", 18, "not the last thing", None),
        ("(match 1)", 1, "`match` takes", None),
        ("(match 1 2)", 1, "`match` takes", None),
        ("(match 1 _ when)", 10, "`when` takes a guard", None),
        ("(match 1 (f x y z) 1)", 10, "no pattern", None),
        ("(try 1 (catch :a))", 8, "`catch` takes", None),
        ("(try (catch e 1) 2)", 18, "the body comes first", None),
        ("(catch e 1)", 1, "at the end of `try`", None),
        ("(+ 1 (def x 2))", 6, "definitions stand at the top", None),
        ("#(+ % #(* % 2))", 7, "would make % unclear", None),
        ("(for [:when true] 1)", 6, "bindings are", None),
        ("(step 1 2)", 1, "`step` takes a name", None),
        ("(let [[a &] [1]] a)", 10, "`&` is followed", None),
        ("(let [x 1] (let [{:keys x} {}] 1))", 25, "names in brackets", None),
        ("; nothing", 1, "the program is empty", None),
        ("'(1 b)", 5, "`b` is quoted, but a name is no value when the program runs", "write the keyword :b"),
        ("`[b]", 3, "`b` is quoted, but a name is no value when the program runs", "macros may quote names"),
        ("'(1 #(+ % 1))", 5, "this cannot be quoted: it is code", "quote numbers"),
        ("(defn f [x :Foo] x) (f 1)", 12, ":Foo is no type", None),
        ("(step-loop true)", 1, "`step-loop` takes a condition and a body", ":max-iterations"),
        ("(step-loop :max-iterations 0 true 1)", 1, ":max-iterations takes a number above 0", None),
        ("(loop [i 0] (step-loop true (recur 1)))", 29, "`recur` stands outside of any loop", None),
        ("(step-if)", 1, "`step-if` takes a condition and one or two branches", None),
        ("(step-parallel :merge-policy :best 1)", 1, "this is no merge policy", ":keep-existing"),
        ("(step-parallel :merge-policy (str 1) 1)", 30, "the value of :merge-policy is written out", None),
        ("(step-parallel {1 2})", 17, "lanes are named by keywords or strings", None),
        ("(step-parallel {:a 1 :a 2})", 22, "two lanes have the same name", None),
        ("(as-> 1 2 3)", 9, "`as->` takes a value, a name and expressions", None),
        ("(RuntimeError. 1 2)", 1, "`RuntimeError.` takes a message", None),
        (
            '(call (keyword "number") 1)',
            7,
            "the capability of a `call` is written out",
            "(call (one-of x :a.b :c.d) …)",
        ),
        ("(call (cond false :number) 1)", 7, "the capability of a `call` is written out", None),
        ("(call 5 1)", 7, "the capability of a `call` is written out", None),
        (
            "(call (one-of 1 :number :nubmer) 1)",
            7,
            "the capability :nubmer is not allowed here",
            "did you mean :number",
        ),
        ('(call (one-of :number :number :ratio) "x")', 39, "`number`, argument `n`: expected :int", None),
        ("(one-of 1)", 1, "`one-of` takes a value and what it may be", None),
        ("(one-of 1 x)", 11, "what a value may be is written out", None),
        ("~1", 1, "`~` stands only within a template", "`[~x]"),
        ("`~@[1]", 2, "`~@` gives items, and stands within ( ) or [ ]", "~@xs"),
        ("`(1 `(2 ~3))", 5, "a template within a template is code", "defmacro"),
        ("(quote 1 2)", 1, "`quote` takes one form", "'[1 2]"),
        ("(resource:ref 1)", 1, "`resource:ref` takes the name of a resource", "step-1.output"),
        ("(def k (f)) (defn f [] 1) k", 9, "`f` is not defined", "it is defined in line 1, after this needs it"),
        ("(m 1) (defmacro m [x] x)", 2, "`m` is not defined", "it is defined in line 1, after this needs it"),
        ("(defn f [] (g)) (f) (defn g [] 1)", 18, "`f` is not defined", "move the definition up"),
    ],
)
def test_messages_point_and_hint(capabilities, source, column, message, hint):
    with pytest.raises(CompileError) as raised:
        compile_program(source, parameters=INPUTS, output=None, capabilities=capabilities)
    assert message in raised.value.message
    assert (raised.value.line, raised.value.column) == (1, column)
    if hint is not None:
        assert hint in (raised.value.hint or "")
    assert raised.value.render().startswith(f"line 1, column {column}: ")


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("{:total 1}", "[:map [:total :string]]", "at :total: expected :string, found :int"),
        ("{:totl 1}", "[:map [:total :int]]", "the key :total (:int) is missing; there are :totl"),
        ('(let [x 1] (if (= x 1) "a" :b))', ":int", "expected :int, found [:union :keyword :string]"),
        ("(map (fn [x] (str x)) [1])", "[:vector :int]", "at [0]: expected :int, found :string"),
        ('{:by (frequencies (map :name (call :py.packages "a")))}', "[:map [:by [:vector :int]]]", "at :by"),
        ("(fn [x] x)", ":int", "expected :int"),
        ("nil", "[:vector :int]", "expected [:vector :int], found nil"),
    ],
)
def test_results_that_cannot_be_of_the_output_type(capabilities, source, output, message):
    with pytest.raises(CompileError) as raised:
        compile_program(source, parameters=INPUTS, output=parse_type(output), capabilities=capabilities)
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{:total 1 :more 2}", "[:map [:total :float]]"),
        ("(:n inputs)", ":int"),
        ("(if (:n inputs) 1 nil)", ":int"),
        ("(:other inputs nil)", ":int"),
        ("[]", "[:vector :string]"),
        ("{}", "[:map-of :string :int]"),
        ('(reduce + 0 (map :size (parse-json "[]")))', ":int"),
        ('(error "never")', ":int"),
        ('(loop [i 0] (if (< i 3) (recur (first (parse-json "[]"))) i))', ":string"),
    ],
)
def test_what_may_be_of_the_output_type_compiles(capabilities, source, output):
    program = compile_program(source, parameters=INPUTS, output=parse_type(output), capabilities=capabilities)
    assert program.output == parse_type(output)


def test_errors_in_long_programs_show_their_line(capabilities):
    source = "\n".join([*["(def a 1)"] * 50, "(let [b 2]", "  (+ a c))"])
    with pytest.raises(CompileError) as raised:
        compile_program(source, parameters={}, output=None, capabilities=capabilities)
    assert raised.value.render() == (
        "line 52, column 8: `c` is not defined\n 52 |   (+ a c))\n    |        ^\nhint: names here are a, b"
    )


def test_effects_are_known_before_anything_runs(capabilities):
    source = "(if false (call :say 1) (map (fn [n] (call :number n)) []))"
    program = compile_program(source, parameters={}, output=None, capabilities=capabilities)
    assert [(each.name, each.mode) for each in program.effects] == [("number", "pure"), ("say", "write")]


def told(source: str) -> list[tuple[int, int, str]]:
    """Give line, column and message of everything that is said to be wrong with a program."""
    with pytest.raises(CompileError) as raised:
        compile_program(source, parameters=INPUTS, output=None, capabilities={})
    error = raised.value
    assert error.render().count("\n ") == 2 * (1 + len(error.others))
    return [(each.line, each.column, each.message) for each in (error, *error.others)]


def test_everything_that_is_wrong_is_told_at_once():
    assert told("(let [a (foo 1)]\n (call :x.y {})\n (nth a)\n [zed zed (zed 1)])") == [
        (1, 10, "`foo` is not defined"),
        (2, 8, "the capability :x.y is not allowed here"),
        (3, 2, "`nth` takes 2 to 3 arguments, here are 1"),
        (4, 3, "`zed` is not defined"),
    ]


def test_types_that_do_not_fit_are_told_at_once():
    assert [place[:2] for place in told('(let [x 1]\n (+ x "a")\n (upper 1))')] == [(2, 7), (3, 9)]


def test_what_follows_from_a_problem_is_none():
    assert told("(parallel [a b] (+ a b))") == [(1, 2, "`parallel` is not defined")]
    assert told("(defn f [] (g))\n(defn g [] (h))\n(f)") == [(2, 13, "`h` is not defined")]


def test_so_many_problems_are_told_and_no_more():
    assert len(told(f"[{' '.join(f'(unknown{n})' for n in range(200))}]")) == MOST


@pytest.mark.parametrize("name", ["format", "println", "atom", "slurp", "pmap", "require", "ex-info", "Foo.Error."])
def test_names_of_other_lisps_are_told_what_is_written_here(name):
    with pytest.raises(CompileError) as raised:
        compile_program(f"({name} 1)", parameters=INPUTS, output=None, capabilities={})
    assert "did you mean" not in (raised.value.hint or "did you mean")


def test_no_name_of_other_lisps_is_one_of_the_language():
    assert set(FOREIGN) & {*FUNCTIONS, *ALIASES, *FORMS} == set()


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("frequences", "frequencies"),
        ("frequnecies", "frequencies"),
        ("Upper", "upper"),
        ("hash", "hash-map"),
        ("siz", "size"),
        ("fnil", None),
        ("walk", None),
        ("integer", None),
        ("x" * 100_000, None),
        ("", None),
    ],
    ids=range(10),
)
def test_only_what_is_near_is_suggested(name, near):
    assert nearest(name, ["nil?", "frequencies", "upper", "hash-map", "size", "take", "neg?", "filter", "x"]) == near


def test_what_a_name_of_elsewhere_stands_for_is_said_instead(compiling):
    with pytest.raises(CompileError) as raised:
        compiling("(update {} :a (fnil inc 0))")
    assert "a missing key gives nil" in raised.value.hint
