"""Types that a program names."""

from __future__ import annotations

import pytest

from domain.rtfs.program import CompileError

PERSON = "(defstruct Person :name String :age Int :email :string?) "
POINT = "(deftype Point [:tuple :int :int]) "


@pytest.mark.parametrize(
    ("source", "value"),
    [
        (PERSON + '(Person {:name "A" :age 3 :email nil})', '{:age 3 :email nil :name "A"}'),
        (PERSON + '(Person {:name "A" :age 3 :email nil :more 1})', '{:age 3 :email nil :more 1 :name "A"}'),
        (PERSON + '(map Person (parse-json "[1]"))', "!type-mismatch"),
        (PERSON + '(Person (parse-json "{}"))', "!type-mismatch"),
        (PERSON + '(try (Person (parse-json "{}")) (catch ValidationError e :no))', ":no"),
        (PERSON + "(count (map Person []))", "0"),
        (
            PERSON + '[(Person? {:name "a"}) (Person? {:name "a" :age 1 :email "e"}) (map Person? [1])]',
            "[false true [false]]",
        ),
        (PERSON + '(defn f [p Person] (:age p)) (f {:name "a" :age 1 :email nil})', "1"),
        (PERSON + '(defn f [ps [:vector Person]] (count ps)) (f (parse-json "[1]"))', "!type-mismatch"),
        (PERSON + "(defn f [p Person?] p) (f nil)", "nil"),
        (PERSON + '(defn f [p] : [:map [:person Person]] {:person p}) (f (parse-json "1"))', "!type-mismatch"),
        (PERSON + "(match {} (Person p) 1 (:int n) 2 _ 3)", "3"),
        ("(defstruct Empty) (Empty {})", "{}"),
        (
            "(defstruct A :x :int) (defstruct B :a A :all [:vector A]) (B {:a {:x 1} :all [{:x 2}]})",
            "{:a {:x 1} :all [{:x 2}]}",
        ),
        (POINT + "(let [p Point [10 20]] (first p))", "10"),
        (POINT + "(match [1 2] (Point p) p _ 1)", "[1 2]"),
        (POINT + "(match [1 2] [:vector Point] 1 [:tuple :int :int] 2)", "2"),
        (POINT + "(map Point? [[1 2] [1] 3])", "[true false false]"),
        ('(deftype Id [:and :string [:min-length 2]]) (map Id? ["a" "ab"])', "[false true]"),
        ("(deftype Kind [:enum :Point :b]) (deftype Point :int) (map Kind? [:Point 1])", "[true false]"),
        ("(let [Person 3] (do (deftype Person :int) (let [x Person 1] x)))", "1"),
        ("(deftype T :int) (do (deftype T :string) 1) (let [x T 1] x)", "1"),
        ("(defmacro record [n] `(defstruct ~n :x :int)) (record R) (R {:x 1})", "{:x 1}"),
        ("(do (defstruct A :x :int))", "nil"),
    ],
)
def test_named_types(run, source, value):
    assert run(source).text == value


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        (PERSON + '(Person {:name "A" :age 3})', 66, "this is no Person: the key :email (:string?) is missing"),
        (
            PERSON + '(Person {:name "A" :age "x" :email nil})',
            66,
            "this is no Person: at :age: expected :int, found :string",
        ),
        (PERSON + "(Person)", 58, "(Person {…}) takes 1 argument, here are 0"),
        (PERSON + "(Person? 1 2)", 58, "(Person? value) takes 1 argument, here are 2"),
        (POINT + "(Point [1 2])", 37, "`Point` is a type, and cannot be called"),
        ("(defstruct A :x Foo) 1", 17, ":Foo is no type"),
        ("(defstruct A :x) 1", 14, "this field has no type"),
        ("(defstruct A 1 :int) 1", 14, "the fields of a struct are keywords, each with its type"),
        ("(defstruct A? :x :int) 1", 12, "`A?` cannot name a type"),
        ("(defstruct 1) 1", 12, "`defstruct` takes a name"),
        ("(defstruct A :x :int :x :int) 1", 22, "the field :x is there twice"),
        ("(defstruct A :next A) 1", 20, ":A is no type"),
        ("(deftype P) 1", 1, "`deftype` takes a name and a type"),
        ("(+ 1 (defstruct A :x :int))", 6, "types are named at the top or in a body"),
        ("(do (deftype T :int) 1) (let [x T 1] x)", 35, "this is no name"),
    ],
)
def test_messages(compiling, source, column, message):
    with pytest.raises(CompileError) as raised:
        compiling(source)
    assert message in raised.value.message
    assert raised.value.column == column


def test_types_leave_nothing_behind_but_checks(compiling):
    assert compiling(PERSON + "(+ 1 2)").digest == compiling("(+ 1 2)").digest
    named = compiling("(deftype N [:and :int [:> 0]]) (defn f [x N] x) (f 1)").digest
    assert named == compiling("(defn f [x [:and :int [:> 0]]] x) (f 1)").digest
