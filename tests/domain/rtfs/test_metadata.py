"""Metadata: hints of calls, delegation, documentation; it never changes what a program gives."""

from __future__ import annotations

from dataclasses import replace

import pytest

from domain.kernel.values import Keyword
from domain.rtfs.bytecode.disassembly import disassemble
from domain.rtfs.bytecode.encoding import decode_module
from domain.rtfs.bytecode.module import ModuleInvalid
from domain.rtfs.bytecode.verifying import verify
from domain.rtfs.metadata import Delegation, Description
from domain.rtfs.program import CompileError
from domain.rtfs.source import Span
from domain.rtfs.vm import Suspended, load, start
from domain.rtfs.vm.state_decoding import decode_state
from domain.rtfs.vm.state_encoding import encode_state


@pytest.mark.parametrize(
    ("source", "hints"),
    [
        (
            "^{:runtime.timeout 500 :runtime.idempotent true} (call :number 1)",
            {"runtime.timeout": 500, "runtime.idempotent": True},
        ),
        ("^:fast ^{:fast false :retry {}} (call :number 1)", {"fast": True, "retry": {}}),
        ("^{:timeout 5} (call :ratio {:n 1})", {"timeout": 5}),
        ("(defmacro m [x] `(call :number ~x)) ^{:k 1} (m 2)", {"k": 1}),
        ("(defmacro m [x] `^{:k ~x} (call :number ~x)) (m 2)", {"k": 2}),
        ("^{} (call :number 1)", {}),
        ('^{:doc "why"} (call :number 1)', {}),
        ("(call :number 1)", {}),
    ],
)
def test_metadata_of_a_call_are_hints_of_its_request(run, source, hints):
    (request,) = run(source).requests
    assert request.hints == hints


def test_hints_are_in_the_module_and_change_no_others(compiling):
    plain = compiling("(call :number 1)")
    hinted = compiling("^{:timeout 5} (call :number 1)")
    assert plain.digest != hinted.digest
    assert plain.interface_hash == hinted.interface_hash
    assert plain.effects == hinted.effects
    assert compiling("^{:timeout 5} (+ 1 2)").digest == compiling("(+ 1 2)").digest
    assert "hinted_effect" in disassemble(hinted.module)
    assert "{:timeout 5}" in disassemble(hinted.module)


def test_a_stored_state_keeps_the_hints(compiling):
    module = load(compiling("(+ 1 ^{:timeout 5} (call :number 1))").module)
    step = start(module, {})
    assert isinstance(step, Suspended)
    again = decode_state(module, encode_state(step.state))
    assert again.lanes[0].request == step.requests[0]
    assert again.lanes[0].request.hints == {"timeout": 5}


@pytest.mark.parametrize("value", [5, {}, {"text": 1}, [1]])
def test_the_verifier_wants_a_map_of_keywords(compiling, value):
    parts = decode_module(compiling("^{:timeout 5} (call :number 1)").module)
    damaged = replace(parts, constants=tuple(value if isinstance(each, dict) else each for each in parts.constants))
    with pytest.raises(ModuleInvalid, match="given as hints, and is no map with keyword keys"):
        verify(damaged)


def test_definitions_keep_what_is_told_of_them(compiling):
    program = compiling(
        '^:delegation :remote "m" (defn f "adds" [x] x)'
        ' (defn ^{:doc "h" :private true :x y :tags [:a 1]} h [x] (^:delegation :local-model (fn [x] x) x))'
        ' (def k "limit" 1) (h 1)'
    )
    assert program.delegations == (
        Delegation("f", "remote", "m", Span(25, 46)),
        Delegation("", "local-model", None, Span(130, 140)),
    )
    assert program.descriptions == (
        Description("f", {"doc": "adds"}, Span(25, 46)),
        Description("h", {"doc": "h", "private": True, "tags": [Keyword("a"), 1]}, Span(47, 144)),
        Description("k", {"doc": "limit"}, Span(145, 162)),
    )
    assert program.digest == compiling("(defn f [x] x) (defn h [x] ((fn [x] x) x)) (def k 1) (h 1)").digest


@pytest.mark.parametrize(
    ("source", "column", "message"),
    [
        ("^{:a (+ 1 2)} (call :number 1)", 2, "the metadata of a call is written out"),
        ("^{:a x} (call :number 1)", 6, "`x` is not defined"),
        ('^{"a" 1} (call :number 1)', 2, "the keys of metadata are keywords"),
        ('^{"a" 1} (defn f [x] x) 1', 3, "the keys of metadata are keywords"),
        ("^{:delegation [:remote 3]} (fn [x] x)", 15, "this is no delegation"),
        ("^{:delegation :moon} (fn [x] x)", 15, "this is no delegation"),
        ('^{:delegation [:remote "a" "b"]} (fn [x] x)', 15, "this is no delegation"),
        ("^{:delegation []} (fn [x] x)", 15, "this is no delegation"),
    ],
)
def test_messages(compiling, source, column, message):
    with pytest.raises(CompileError) as raised:
        compiling(source)
    assert (raised.value.message, raised.value.column) == (message, column)
