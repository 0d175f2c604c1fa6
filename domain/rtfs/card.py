"""What a planner is told of the language: grammar by example, the library, and the tools of its task.

It is made from the tables that the documents are made from, and stays short: it is in every prompt.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.functions import GROUPS
from domain.rtfs.importing import defined_names
from domain.rtfs.modules import ModuleSource
from domain.rtfs.reference import FORM_DOCS
from domain.rtfs.types import print_type

INTRODUCTION: Final = """\
RTFS is a small Lisp. A program is one expression (definitions may come first); its value is the result.
Values are immutable: nil true false 1 2.5 "text" :keyword [vector] {:key value}. Only false and nil are false.
Tools are called with `call` and nothing else touches the world; a tool's error can be caught with `try`.
Write the name of a tool out: (call :ns.name {:parameter value}). Results have the types given below.
Maps made by tools have keyword keys: (:name m) or (get m :name). Comments start with ;
Types: :int :float :string :bool :nil :keyword :any, T? for T or nil, [:vector T], [:map [:key T] [:other T ?]],
[:map-of K V], [:tuple A B], [:union A B], [:enum "a" "b"]. [:map …] has keyword keys, [:map-of :string V] strings."""

NAMED_ONLY: Final = frozenset(
    {
        *("not=", "!=", "<=", ">", ">=", "mapv", "filterv", "list", "list?", "symbol?", "coll?", "fn?", "identity"),
        *("true?", "false?", "bool?", "int?", "float?", "number?", "string?", "keyword?", "vector?", "map?", "boolean"),
        *(
            "rem",
            "pow",
            "factorial",
            "ceil",
            "even?",
            "odd?",
            "zero?",
            "pos?",
            "neg?",
            "type-name",
            "throw",
            "ex-message",
            "second",
        ),
        *("ends-with?", "subvec", "numbers", "find", "hash-map", "butlast", "not-empty", "re-matches", "interpose"),
        *("partition-all", "not-any?", "drop-while", "update-in", "vector", "string-length", "sqrt", "take-last"),
    }
)
"""Functions that do as their names say: planners are told that they are there, without an example."""


_OTHER_WORDS: Final = frozenset(
    {
        "call",
        "one-of",
        "@",
        "^",
        "'",
        "quote",
        "resource:ref",
        "defmacro",
        "Exception.",
        "RuntimeError.",
        "ValidationError.",
    }
)
"""Forms that are told of elsewhere, or that a plan has no use for."""

FORMS_BY_EXAMPLE: Final = tuple(form.example for form in FORM_DOCS if form.card)
"""Forms as ``source => value``; those that planners seldom need are only named."""


def language_card(capabilities: Mapping[str, Capability], modules: Mapping[str, str] | None = None) -> str:
    """Give the text for the prompt of a planner that may use these capabilities, and these modules (text by name)."""
    rare = [name for form in FORM_DOCS if not form.card for name in form.names if name not in _OTHER_WORDS]
    parts = [INTRODUCTION, "", "Forms:", *FORMS_BY_EXAMPLE, f"; also {' '.join(rare)}", "", "Library:"]
    for topic, entries in GROUPS.items():
        parts.append(f"; {topic}")
        parts.extend(entry.example for entry in entries if entry.name not in NAMED_ONLY)
        others = " ".join(entry.name for entry in entries if entry.name in NAMED_ONLY)
        parts.extend([f"; also {others}"] if others else [])
    parts.extend(["", "Tools:"])
    parts.extend(tool_signature(capabilities[name]) for name in sorted(capabilities))
    if not capabilities:
        parts.append("none; the program can only compute")
    if modules:
        parts.extend(["", "Modules, as in (import a.b :as b) (b/name …):"])
        parts.extend(_module(name, modules[name]) for name in sorted(modules))
    return "\n".join(parts)


def _module(name: str, text: str) -> str:
    return f"{name}: {' '.join(defined_names(text))} ; {ModuleSource(text).digest}"


def tool_signature(capability: Capability) -> str:
    """Give one tool as it is called, what it gives, and what it does."""
    parameters = " ".join(_parameter(each) for each in capability.parameters)
    doc = capability.doc.strip().split("\n")[0]
    call = f"(call :{capability.name} {{{parameters}}})" if parameters else f"(call :{capability.name})"
    return f"{call} gives {print_type(capability.result)} ; {capability.effects}. {doc}"


def _parameter(parameter: Parameter) -> str:
    optional = "" if parameter.required else " (optional)"
    return f":{parameter.name} {print_type(parameter.type)}{optional}"
