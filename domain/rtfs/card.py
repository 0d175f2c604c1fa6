"""What a planner is told of the language: grammar by example, the library, and the tools of its task.

Every example is run by the tests; the library's come from its own table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.functions import GROUPS
from domain.rtfs.types import print_type

INTRODUCTION: Final = """\
RTFS is a small Lisp. A program is one expression (definitions may come first); its value is the result.
Values are immutable: nil true false 1 2.5 "text" :keyword [vector] {:key value}. Only false and nil are false.
Tools are called with `call` and nothing else touches the world; a tool's error can be caught with `try`.
Write the name of a tool out: (call :ns.name {:parameter value}). Results have the types given below.
Maps made by tools have keyword keys: (:name m) or (get m :name). Comments start with ;
Types: :int :float :string :bool :nil :keyword :any, T? for T or nil, [:vector T], [:map [:key T] [:other T ?]],
[:map-of K V], [:tuple A B], [:union A B], [:enum "a" "b"]. [:map …] has keyword keys, [:map-of :string V] strings."""

FORMS_BY_EXAMPLE: Final = (
    "(let [x 2 y (* x 3)] (+ x y)) => 8",
    '(let [{:keys [name size]} {:name "a" :size 1} [p & others] [1 2 3]] [name size p others]) => ["a" 1 1 [2 3]]',
    '(if (> 3 2) "yes" "no") => "yes"',
    "(when false 1) => nil",
    "(cond (< 2 1) :less (= 2 1) :same :else :more) => :more",
    "(do (defn double [n] (* 2 n)) (map double [1 2])) => [2 4]",
    "(map (fn [x] (+ x 1)) [1 2]) => [2 3]",
    "(map #(* % %) [1 2 3]) => [1 4 9]",
    "(map :name [{:name 1} {:name 2}]) => [1 2]",
    "(->> (range 6) (filter even?) (map inc) (reduce +)) => 9",
    "(-> {:a {:b 1}} :a (assoc :c 2)) => {:b 1 :c 2}",
    "(for [x [1 2 3] :when (odd? x)] (* x 10)) => [10 30]",
    "(loop [i 0 sum 0] (if (< i 4) (recur (inc i) (+ sum i)) sum)) => 6",
    '(match {:kind "a" :size 12} {:kind "b"} 0 {:kind "a" :size n} when (> n 10) n _ nil) => 12',
    "(match [1 2 3] [] :none [x & more] more) => [2 3]",
    '(case "b" "a" 1 ("b" "c") 2 0) => 2',
    '(try (/ 1 0) (catch :division-by-zero e (:message e))) => "1 is divided by zero"',
    "(step-parallel (+ 1 1) (+ 2 2)) => [2 4]",
    '(step "name" (+ 1 2)) => 3',
)
"""Expressions and their values, ``source => value``."""


def language_card(capabilities: Mapping[str, Capability]) -> str:
    """Give the text for the prompt of a planner that may use these capabilities."""
    parts = [INTRODUCTION, "", "Forms:", *FORMS_BY_EXAMPLE, "", "Library:"]
    for topic, entries in GROUPS.items():
        parts.append(f"; {topic}")
        parts.extend(entry.example for entry in entries)
    parts.extend(["", "Tools:"])
    parts.extend(tool_signature(capabilities[name]) for name in sorted(capabilities))
    if not capabilities:
        parts.append("none; the program can only compute")
    return "\n".join(parts)


def tool_signature(capability: Capability) -> str:
    """Give one tool as it is called, what it gives, and what it does."""
    parameters = " ".join(_parameter(each) for each in capability.parameters)
    doc = capability.doc.strip().split("\n")[0]
    call = f"(call :{capability.name} {{{parameters}}})" if parameters else f"(call :{capability.name})"
    return f"{call} gives {print_type(capability.result)} ; {capability.effects}. {doc}"


def _parameter(parameter: Parameter) -> str:
    optional = "" if parameter.required else " (optional)"
    return f":{parameter.name} {print_type(parameter.type)}{optional}"
