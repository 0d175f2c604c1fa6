"""Every form, as expressions and their values; `!type` is an uncaught error."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.domain.rtfs.conftest import compiled, drive, echo

LET = [
    ("(let [x 1 y (+ x 1)] [x y])", "[1 2]"),
    ("(let [x 1 x (+ x 1)] x)", "2"),
    ("(let [x 1] (let [x 2] x) x)", "1"),
    ("(let [[a b & c] [1 2 3 4]] [a b c])", "[1 2 [3 4]]"),
    ("(let [[a b c d] [1 2]] [a b c d])", "[1 2 nil nil]"),
    ("(let [[[x & xs] y & ys :as all] [[1 2 3] 4 5]] [x xs y ys all])", "[1 [2 3] 4 [5] [[1 2 3] 4 5]]"),
    ("(let [[_ b _] [1 2 3]] b)", "2"),
    ("(let [[a b] nil] [a b])", "[nil nil]"),
    ("(let [{:keys [a b]} {:a 1}] [a b])", "[1 nil]"),
    ('(let [{:keys [a] "id" i :role r :as m} {:a 1 "id" 2 :role :x}] [a i r m])', '[1 2 :x {:a 1 :role :x "id" 2}]'),
    ("(let [{a :a [b c] :b} {:a 1 :b [2 3]}] [a b c])", "[1 2 3]"),
    ("(let [{:keys [a b] :or {b 9}} {:a 1}] [a b])", "[1 9]"),
    ('(let [{:strs [a]} {"a" 1}] a)', "1"),
    ("(let [x :int 5 y :string? nil] [x y])", "[5 nil]"),
    ("(let [x :int y 5] [x y])", "[:int 5]"),
    ("(let [x :float (first [1])] x)", "1.0"),
    ('(let [x :string (get (parse-json "[1]") 0)] x)', "!type-mismatch"),
    ('(let [[a] (parse-json "3")] a)', "!type-mismatch"),
    ("(let [x 1])", None),
]

CHOICE = [
    ("(if 0 :yes :no)", ":yes"),
    ("(if nil :yes)", "nil"),
    ("(if-not false 1 2)", "1"),
    ("(when true 1 2)", "2"),
    ("(when-not true 1)", "nil"),
    ("(cond false 1 nil 2)", "nil"),
    ("(cond (= 1 2) :a (= 1 1) :b :else :c)", ":b"),
    ("[(and) (and 1 nil 2) (and 1 2) (or) (or nil false) (or nil 3 4)]", "[true nil 2 nil false 3]"),
    ("(let [f (fn [x] (and x (or false x)))] [(f 1) (f nil)])", "[1 nil]"),
    ("(if-let [x (:a {:a 1})] x :none)", "1"),
    ("(when-let [[a b] nil] a)", "nil"),
    ('(map (fn [x] (case x 1 :one (2 3) :few "s" :text :other)) [1 2 3 "s" 9])', "[:one :few :few :text :other]"),
    ("(case 1 2 3)", "!no-match"),
]

MATCH = [
    ("(match 3 0 :zero n when (> n 2) [:big n] _ :small)", "[:big 3]"),
    (
        '(map (fn [v] (match v (:int n) [:int n] (:string s) [:text s] ([:vector :int] xs) :ints :k :key _ :other)) [1 "a" [1] [1.5] :k :int])',
        '[[:int 1] [:text "a"] :ints :other :key :other]',
    ),
    ("(match [1 [2 3]] [a [b & c]] [a b c])", "[1 2 [3]]"),
    ("(match [1 2] [a] a [a b & c] [a b c])", "[1 2 []]"),
    ('(match {:name "x" :age 3} {:name n :size s} 1 {:name n :age 4} 2 {:name n :age a} [n a])', '["x" 3]'),
    ("(match {:a nil} {:a x} [:there x] _ :not)", "[:there nil]"),
    ("(match [1 2] (:as whole [a b]) [whole a])", "[[1 2] 1]"),
    ("(match 1.0 1 :int 1.0 :float)", ":float"),
    ("(match nil nil :nil _ :other)", ":nil"),
    ("(match 5 1 :one)", "!no-match"),
    ("(match {:type :b} {:type :a} 1 {:type :b} 2)", "2"),
]

FUNCTIONS = [
    ("((fn [x & more] [x more]) 1 2 3)", "[1 [2 3]]"),
    ("((fn [x & more] more) 1)", "[]"),
    ("((fn [[a b] {:keys [c]}] (+ a b c)) [1 2] {:c 3})", "6"),
    ("((fn [x :int y :int] :int (+ x y)) 1 2)", "3"),
    ('(map (fn [x :int] x) (parse-json "[true]"))', "!type-mismatch"),
    ("(#(+ %1 %2) 1 2)", "3"),
    ("(#(count %&) 1 2 3)", "3"),
    ('(map #(str % "!") ["a"])', '["a!"]'),
    ("(λ [x] x)", "!function-in-data"),
    ("(defn f [x] (* 2 x)) (f 4)", "8"),
    ("(def a 3) (def b :int (+ a 1)) b", "4"),
    (
        "(defn even [n] (if (= n 0) true (odd (- n 1)))) (defn odd [n] (if (= n 0) false (even (- n 1)))) [(even 10) (odd 7) (even 3)]",
        "[true true false]",
    ),
    ("(defn fact [n] (if (< n 2) 1 (* n (fact (dec n))))) (fact 20)", "2432902008176640000"),
    ("(let [k 10] (defn add [x] (+ x k)) (defn twice [x] (add (add x))) (map twice [1 2]))", "[21 22]"),
    ("(let [k 3] (defn f [n] (if (= n 0) [] (conj (map (fn [x] (+ x k)) (f (dec n))) n))) (f 3))", "[7 5 3]"),
    ("(let [f (fn self [n] (if (= n 0) 0 (+ n (self (dec n)))))] (f 4))", "10"),
    ("(let [make (fn [n] (fn [x] (+ x n)))] ((make 3) 4))", "7"),
    ("(let [fs (map (fn [i] (fn [] i)) [1 2 3])] (map (fn [f] (f)) fs))", "[1 2 3]"),
    ("(loop [i 0 f nil] (if (= i 2) (f) (recur (inc i) (fn [] i))))", "1"),
    ("[(:a {:a 1}) (:b {:a 1} 2) (:a nil) ({:a 1} :a) ({:a 1} :b 3)]", "[1 2 nil 1 3]"),
    ("((if true + -) 5 3)", "8"),
    ("(apply (fn [a & b] [a b]) 1 [2 3])", "[1 [2 3]]"),
    ("[((partial + 1 2) 3) ((comp inc count) [1]) ((complement nil?) 1) ((constantly 4) 1 2)]", "[6 2 true 4]"),
    ("(let [apply 1 not 2] ((partial + apply) not))", "3"),
    ("((fn [a] a) 1 2)", None),
    ("(let [f (first [(fn [a] a)])] (f 1 2))", "!arity"),
    ("((first [1]) 2)", None),
    ('((get (parse-json "[1]") 0) 2)', "!not-callable"),
    ('(map (parse-json "{}") [1] [2] [3])', "!arity"),
]

LOOPS = [
    ("(loop [i 0 acc []] (if (< i 3) (recur (inc i) (conj acc i)) acc))", "[0 1 2]"),
    ("(loop [a 1 b 2 n 0] (if (= n 3) [a b] (recur b a (inc n))))", "[2 1]"),
    ("(+ 1 (loop [i 0] (if (< i 5) (recur (inc i)) i)))", "6"),
    ("(loop [[x & others] [1 2 3] sum 0] (if x (recur others (+ sum x)) sum))", "6"),
    ("(loop [{:keys [n]} {:n 3} all []] (if (> n 0) (recur {:n (dec n)} (conj all n)) all))", "[3 2 1]"),
    ("(loop [i :int 0 j :float i] (if (< i 2) (recur (inc i) 5) [i j]))", "[2 5.0]"),
    ('(loop [i :int 0] (if (= i 0) (recur (first ["a"])) i))', "!type-mismatch"),
    ("(loop [[a b] [1 2]] (fn [] 1) (if (= a 1) (recur [b a]) (map (fn [_] [a b]) [1])))", "[[2 1]]"),
    ("(loop [i 0] (cond (> i 3) i :else (recur (inc i))))", "4"),
    ("(loop [i 0] (let [j (inc i)] (match j 5 j _ (recur j))))", "5"),
    (
        "(loop [i 0 s 0] (if (= i 3) s (recur (inc i) (+ s (loop [j 0 t 0] (if (= j i) t (recur (inc j) (+ t j))))))))",
        "1",
    ),
    ("((fn [n acc] (if (= n 0) acc (recur (dec n) (+ acc n)))) 100 0)", "5050"),
    ("((fn [x & xs] (if (empty? xs) x (recur (+ x (first xs)) (rest xs)))) 1 2 3)", "6"),
    ("(for [x [1 2 3] y [:a :b] :when (odd? x) :let [z (* x 10)]] [z y])", "[[10 :a] [10 :b] [30 :a] [30 :b]]"),
    ("(for [[k v] {:b 2 :a 1}] [v k])", "[[1 :a] [2 :b]]"),
    ("(for [x [1 2]] x x)", "[1 2]"),
    ("(doseq [x [1 2]] x)", "nil"),
    ("(dotimes [i 3] i)", "nil"),
    ("(let [range 1] (dotimes [i 3] range))", "nil"),
]

THREADING = [
    ("(-> 5 inc (- 2) str)", '"4"'),
    ("(->> [1 2 3] (map inc) (filter odd?) (reduce + 0))", "3"),
    ("(-> {:a {:b {:c 1}}} :a :b :c)", "1"),
    ("(-> 1)", "1"),
    ("(-> x)", None),
    ("(as-> 1 x (+ x 1) [x x])", "[2 2]"),
    ("(as-> 1 x)", "1"),
    ("(as-> 1)", None),
    ("[(some-> {:a {:b 1}} :a :b inc) (some-> {:a nil} :a :b inc) (some-> nil)]", "[2 nil nil]"),
    ("(some->> [1 2] (map inc))", "[2 3]"),
]

ERRORS = [
    ("(try (/ 1 0) (catch :division-by-zero e [(:type e) (:effect e)]))", "[:division-by-zero nil]"),
    ('(try (error :mine "m") (catch :other e 1) (catch :mine e (:message e)))', '"m"'),
    ('(try (error :mine "m") (catch :other e 1))', "!mine"),
    ('(try (error "m") (catch e (:type e)))', ":error"),
    ('(try (error "m") (catch _ e 1) (finally 2))', "1"),
    ('(try (error "m") (catch RuntimeError e 1))', "1"),
    ('(try (error "m") (catch HostError e 1) (catch Exception e 2))', "2"),
    ('(try 1 (finally (error :late "x")))', "!late"),
    ('(try (try (error :a "x") (finally 1)) (catch :a e 2))', "2"),
    ('(try (error :a "x") (catch e (throw e)))', "!a"),
    ('(try (try (error :a "x") (catch e (error :b "y"))) (catch :b e (:message e)))', '"y"'),
    ("(try (map (fn [x] (/ 1 x)) [1 0]) (catch e 7))", "7"),
    ('(defn f [n] (if (= n 0) (error :deep "x") (+ 1 (f (dec n))))) (try (f 50) (catch :deep e :caught))', ":caught"),
    ('(let [f (fn [] (try (error :a "x") (catch e 5)))] (+ 1 (f)))', "6"),
    (
        '(loop [n 0] (let [r (try (if (< n 3) (error :again "x") n) (catch :again e :retry))] (if (= r :retry) (recur (inc n)) r)))',
        "3",
    ),
    ("(try 1 2 (catch e 3))", "2"),
]

CLASSES = [
    (
        '(try (throw (RuntimeError. "x")) (catch HostError e 1) (catch RuntimeError e [(:type e) (:message e)]))',
        '[:runtime-error "x"]',
    ),
    ('(try (throw (ValidationError. "x")) (catch ValidationError e (:type e)))', ":type-mismatch"),
    ('(try (throw (Exception. (str "x" 1))) (catch Exception e (:message e)))', '"x1"'),
    ('(try ((fn [x :int] x) (parse-json "true")) (catch TypeError e 1))', "1"),
    ("(let [f (first [(fn [a] a)])] (try (f 1 2) (catch ArityError e 1)))", "1"),
    ('(try (throw {:type :late :message "x"}) (catch :early e 1) (catch :late e (:message e)))', '"x"'),
    ("(try)", "nil"),
    ("(try (/ 1 0) (catch error (str error) (:type error)))", ":division-by-zero"),
    ('(loop [n 0] (try (if (< n 3) (error "again") n) (catch RuntimeError e (recur (inc n)))))', "3"),
    ("(RuntimeError.)", None),
    ("(try 1 (catch Foo e 1))", None),
]

OTHERS = [
    ("(let [{:keys [a _] & others} {:a 1 :b 2 :c 3}] [a others])", "[1 {:b 2 :c 3}]"),
    ('(let [{"n" n x :x & others} {"n" 1 :k 2 :x 3}] [x others])', "[3 {:k 2}]"),
    ("(let [{& others :as all} {:a 1}] [others all])", "[{:a 1} {:a 1}]"),
    ("(match {:a 1 :b 2} {:a x & others} [x others])", "[1 {:b 2}]"),
    ("(match {:type :b :x 1} {:type :a} 1 {:type :b & {:x x}} x)", "1"),
    ("(match {:a 1} {:keys [a] & others} [a others])", "[1 {}]"),
]

STEPS = [
    ('(step "a")', "nil"),
    ('(step :info "m")', '"m"'),
    ('(step-if :name "choice" true 1 2)', "1"),
    ('(step-if :expose-context true :context-keys ["a"] false 1)', "nil"),
    ("(step-if :a 1 2)", "1"),
    ("(step-loop false 1)", "nil"),
    (
        "(try (step-loop :max-iterations 2 true 1) (catch :iterations-exceeded e (:message e)))",
        '"the condition of this `step-loop` still holds after 2 iterations"',
    ),
    ("(step-parallel {:a 1 :b (+ 1 1)})", "{:a 1 :b 2}"),
    ('(:b (step-parallel {:a 1 "k" 3 :b 2}))', "2"),
    ("(step-parallel {})", "[{}]"),
    ("(step-parallel {:a 1} {:b 2})", "[{:a 1} {:b 2}]"),
    ("(step-parallel :a :b)", "[:a :b]"),
    ("(step-parallel :merge-policy :overwrite {:a 1 :c 1} {:a 2})", "{:a 2 :c 1}"),
    ("(step-parallel :merge-policy :child-wins {:a 1} {:a 2})", "{:a 2}"),
    ("(step-parallel :merge-policy :keep-existing {:a 1} {:a 2 :b 3})", "{:a 1 :b 3}"),
    ('(step-parallel :merge_policy "parent_wins" {:a 1} {:a 2})', "{:a 1}"),
    (
        "(step-parallel :merge-policy :merge {:a {:x 1 :v [1]}} {:a {:y 2 :v [2]} :b 1} {:a {:x 3}})",
        "{:a {:v [1 2] :x 3 :y 2} :b 1}",
    ),
    ("(step-parallel :merge-policy :merge {:x {:a 1} :y {:a {:b 2}}})", "{:a {:b 2}}"),
    ("(let [keys 1 deep 2] (step-parallel :merge-policy :merge {:a {:k keys}} {:a {:d deep}}))", "{:a {:d 2 :k 1}}"),
    ("(step-parallel :merge-policy :merge)", "{}"),
    ("(step-parallel :merge-policy :overwrite 1 2)", "!type-mismatch"),
    ("(step-parallel :merge-policy :merge {:a 1} 2)", "!type-mismatch"),
    ('(step "a" 1 2)', "2"),
    ("(step-if (> 2 1) :a :b)", ":a"),
    ("(step-parallel (+ 1 1) (let [x 2] (* x 2)) nil)", "[2 4 nil]"),
    ("(step-parallel)", "[]"),
    ("(let [x 5 [a b] (step-parallel x (+ x 1))] (+ a b))", "11"),
    ('(try (step-parallel 1 (error :b "second") (error :c "third")) (catch e (:message e)))', '"second"'),
]


QUOTES = [
    ("'(1 2 (3 :a) {:k [1]})", "[1 2 [3 :a] {:k [1]}]"),
    ("(quote (1 2))", "[1 2]"),
    ("['nil '[] '{} '()]", "[nil [] {} []]"),
    ("(let [x 1 xs [2 3]] `(0 ~x ~@xs {:k ~x}))", "[0 1 2 3 {:k 1}]"),
    ("(let [xs [1]] [`[~@xs] `(~@xs 2) `(~@xs ~@xs)])", "[[1] [1 2] [1 1]]"),
    ("`(1 '(2 ~(+ 1 2)))", "[1 [2 3]]"),
    ("(let [concat 1] `[~@[concat]])", "[1]"),
    ("(get-in '({:a (1 2)}) [0 :a 1])", "2"),
    ('(resource:ref "step-1.output")', '"resource://step-1.output"'),
]

SPELLINGS = [
    ("((lambda [x] (* x x)) 3)", "9"),
    ('(defn greet {:keys [name title]} (str title " " name)) (greet {:name "Alice" :title "Dr."})', '"Dr. Alice"'),
    ("((fn {:keys [a]} a) {:a 1})", "1"),
    ("(defn add [a : integer b : integer] : integer (+ a b)) (add 1 2)", "3"),
    ("(defn add [a : Integer b Integer] Integer (+ a b)) (add 1 2)", "3"),
    ("(match [1 :a] [:vector :int] :ints [:vector [:union :int :keyword]] :mixed)", ":mixed"),
    ("(match [:vector 1] [:vector x] x)", "1"),
    ("(map (fn [x] (match x [:enum 1 2] :few [:and :int [:> 9]] :many _ :some)) [1 12 5])", "[:few :many :some]"),
]

INPUTS = [
    ("(let [inputs {:a 1}] [@a @:a (get :a)])", "[1 1 1]"),
    ('[(.upper "ab") (.get {:a 1} :a)]', '["AB" 1]'),
    ("(let [double (fn [x] (* 2 x))] (.double 4))", "8"),
    ("(defmacro m [x] `(.inc ~x)) (m 1)", "2"),
    ("(map .upper [])", None),
    ("(.nothing 1)", None),
    ("@a", None),
    ("(get :a)", None),
]

LATER = [
    ("(defn f [] (g)) (def k 4) (defn g [] (* k 2)) (f)", "8"),
    ("(defn a [n] (if (= n 0) :done (b n))) (def one 1) (defn b [n] (a (- n one))) (a 3)", ":done"),
    ("(let [x 1] (defn f [] (+ x limit)) (str x) (def limit 2) (f))", "3"),
    ("(do (defn f [] (g)) (defn h [] (f)) (def a 1) (defn g [] a) (h))", "1"),
    ("(def f (fn [] (g))) (def h #(f)) (def k 2) (defn g [] k) (h)", "2"),
    ("(def f (fn [n] (if (= n 0) 0 (g n)))) (defn g [n] (f (dec n))) (f 3)", None),
    ("(def f (fn [] (g))) (def g (fn [] (f))) (f)", None),
    ("(defn f [] (m 1)) (defmacro m [x] `(+ ~x 1)) (f)", "2"),
    ("(defn f [x] (P {:x x})) (def k 1) (defstruct P :x :int) (f k)", "{:x 1}"),
    ("(defn outer [x] (defn inner [y] (+ x y k)) (def k 1) (inner 10)) (outer 5)", "16"),
    ('(defn f "doc" [x] x) (f 1)', "1"),
    ('(defn ^{:doc "x"} f [x] x) (f 1)', "1"),
    ('^{:doc "x"} (defn f {:a 1} [x] x) (f 1)', "1"),
    ('(def k "doc" 2) k', "2"),
]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        *LET,
        *CHOICE,
        *MATCH,
        *FUNCTIONS,
        *LOOPS,
        *THREADING,
        *ERRORS,
        *STEPS,
        *QUOTES,
        *INPUTS,
        *LATER,
        *SPELLINGS,
        *CLASSES,
        *OTHERS,
    ],
)
def test_forms(run, compiling, source, value):
    if value is None:
        with pytest.raises(Exception, match="line 1"):
            compiling(source)
    else:
        assert run(source).text == value


def test_functions_that_need_what_comes_later_are_found_in_bounded_work(compiling, run):
    many = " ".join(f"(defn f{n} [] (f{n + 1})) (def k{n} {n})" for n in range(60))
    assert run(f"{many} (defn f60 [] :end) (f0)").text == ":end"
    many = " ".join(f"(defn f{n} [] (f{n + 1})) (def k{n} {n})" for n in range(1_000))
    with pytest.raises(Exception, match="is not defined"):
        compiling(f"{many} (defn f1000 [] :end) (f0)")


@given(st.randoms(use_true_random=False))
def test_any_order_works_in_which_no_value_needs_a_later_one(random):
    """Values keep their order; functions stand anywhere before the values that call them, behind what they need or not."""
    count = random.randrange(1, 6)
    functions: list[tuple[str, str]] = []
    for level in range(count):
        # Functions of a level need values below it, functions of lower levels, and one another behind a false test.
        names = [f"f{level}-{n}" for n in range(random.randrange(3))]
        for name in names:
            calls = [f"(if false ({other}) 0)" for other in random.sample(names, random.randrange(len(names) + 1))]
            calls += [f"({other})" for other, _ in random.sample(functions, min(len(functions), random.randrange(3)))][
                :2
            ]
            calls += [f"v{n}" for n in random.sample(range(level), random.randrange(level + 1))][:2]
            functions.append((name, f"(defn {name} [] (+ 1 {' '.join(calls)}))"))
    known = {level: [name for name, _ in functions if int(name[1]) <= level] for level in range(count)}
    values = [
        f"(def v{level} (+ {level} {' '.join(f'({name})' for name in random.sample(known[level], min(2, len(known[level]))))}))"
        for level in range(count)
    ]
    in_order = [
        text for level in range(count) for text in [*(t for n, t in functions if int(n[1]) == level), values[level]]
    ]
    anyhow = list(values)
    for name, text in functions:
        anyhow.insert(random.randrange(anyhow.index(values[int(name[1])]) + 1), text)
    result = "[" + " ".join(f"v{level}" for level in range(count)) + "]"
    given_in_order = "(do " + " ".join([*in_order, result]) + ")"
    program = compiled("(do " + " ".join([*anyhow, result]) + ")")
    assert drive(program, {}, echo, None, 100_000).text == drive(compiled(given_in_order), {}, echo, None, 100_000).text


def test_tail_calls_do_not_grow_the_stack(run):
    source = (
        "(defn even [n] (if (= n 0) true (odd (dec n)))) (defn odd [n] (if (= n 0) false (even (dec n)))) (even 20000)"
    )
    assert run(source).value is True
    assert run("(let [f (fn g [h n] (if (= n 0) :end (h h (dec n))))] (f f 20000))").text == ":end"


def test_forms_nest_as_deep_as_the_reader_allows_in_bounded_stack(compiling, run):
    assert run("(+ 1 " * 60 + "0" + ")" * 60).value == 60
    with pytest.raises(Exception, match="nested deeper"):
        compiling("(+ 1 " * 90 + "0" + ")" * 90)
    assert run(f"(-> 0 {'inc ' * 500})").value == 500
    assert run(f"(cond {'false 1 ' * 500} :else 2)").value == 2
