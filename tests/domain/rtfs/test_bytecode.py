"""Bytecode: canonical, stable, and safe to load from anyone."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.values import Keyword
from domain.rtfs.bytecode.disassembly import disassemble
from domain.rtfs.bytecode.encoding import decode_module, encode_module
from domain.rtfs.bytecode.module import ModuleInvalid, interface_hash
from domain.rtfs.bytecode.operations import MEANING, OPERANDS, Op
from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.bytecode.verifying import verify
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import compile_program
from domain.rtfs.types import INT, STRING, parse_type
from domain.rtfs.vm import (
    ArgumentsInvalid,
    Finished,
    Limits,
    Returned,
    Suspended,
    Trapped,
    Yielded,
    load,
    resume,
    start,
)

INPUTS = {"inputs": parse_type("[:map [:n :int]]")}
PLAN = """
(defn square [x :int] (* x x))
(defn sum [n acc] (if (= n 0) acc (sum (dec n) (+ acc (square n)))))
(let [{:keys [n]} inputs
      names (call :number n)
      [a & more] (step-parallel (call :number 1) (map (fn [x] (+ x names)) [1 2]))]
  (match a 0 :zero x when (> x 5) {:big x} _
    (try (loop [i 0] (if (< i 3) (recur (inc i)) (/ i 0))) (catch :division-by-zero e [(sum n 0) more (:message e)]))))
"""
CAPABILITIES = {"number": Capability("number", "1", "pure", (Parameter("n", INT),), INT, "")}


def plan(source: str = PLAN) -> bytes:
    return compile_program(source, parameters=INPUTS, output=None, capabilities=CAPABILITIES).module


def run_module(module: bytes) -> None:
    """Run whatever it is, to an end of any kind."""
    loaded = load(module)
    limits = Limits(fuel=5_000, memory=5_000, depth=50, output=500)
    try:
        step = start(loaded, {name: {Keyword("n"): 3} for name, _ in loaded.parts.parameters}, limits)
    except ArgumentsInvalid:
        return
    for _ in range(50):
        if isinstance(step, Finished | Trapped):
            return
        requests = step.requests if isinstance(step, Suspended) else ()
        step = resume(step.state, {each.key: Returned(each.arguments.get("n", 0)) for each in requests})
        assert isinstance(step, Suspended | Yielded | Finished | Trapped)


def test_names_comments_and_layout_are_not_in_the_module():
    renamed = PLAN.replace("square", "carre").replace("acc", "total").replace("names", "noms").replace("\n", " ; x\n\n")
    assert renamed != PLAN
    assert plan(renamed) == plan()


@pytest.mark.parametrize(
    ("old", "new"), [("(* x x)", "(* x 2)"), (":int]", ":float]"), ("[1 2]", "[2 1]"), ("5", "5.0")]
)
def test_another_meaning_gives_other_bytes(old, new):
    assert plan(PLAN.replace(old, new)) != plan()


def test_the_interface_hash_is_of_types_only():
    number = {"number": replace(CAPABILITIES["number"], version="2")}
    first = compile_program(PLAN, parameters=INPUTS, output=None, capabilities=CAPABILITIES)
    second = compile_program("1", parameters=INPUTS, output=None, capabilities=number)
    assert first.interface_hash == second.interface_hash == interface_hash(INPUTS, None)
    assert interface_hash(INPUTS, INT) != interface_hash(INPUTS, STRING)
    assert interface_hash({"inputs": INT}, None) != interface_hash(INPUTS, None)


def test_a_version_of_a_capability_is_part_of_the_module():
    other = {"number": replace(CAPABILITIES["number"], version="2")}
    assert compile_program(PLAN, parameters=INPUTS, output=None, capabilities=other).module != plan()


def test_digests_never_change_within_a_format():
    """A change here means that stored programs are no longer found: it needs a new format version."""
    pinned = compile_program("(+ 1 2)", parameters={}, output=INT, capabilities={}, fold=False)
    assert pinned.digest == "sha256:8b5fd5c5f9d7da552d1c45910cfdc3a473b5d92c4095d545bc3082b078e66e5a"
    assert (
        compile_program(PLAN, parameters=INPUTS, output=None, capabilities=CAPABILITIES, fold=False).digest
        == "sha256:86582db35eb0d762a9e60f12cef3133b4d939f6a6617632d6fa006f67f5a1aa5"
    )


def test_encoding_gives_back_what_was_decoded():
    module = plan()
    assert encode_module(decode_module(module)) == module


@pytest.mark.parametrize("inserted", [0, 0x7F, 0x80, 0xFF])
def test_whatever_is_decoded_encodes_to_the_same_bytes(inserted):
    module = plan()
    for place in range(len(module)):
        for damaged in (
            module[:place] + bytes([inserted]) + module[place:],
            module[:place] + bytes([inserted]) + module[place + 1 :],
            module[:place] + bytes([module[place] | 0x80, 0]) + module[place + 1 :],
        ):
            with suppress(ModuleInvalid):
                assert encode_module(decode_module(damaged)) == damaged


@pytest.mark.parametrize(
    ("canonical", "other"),
    [
        (b"\x04:any", b"\x05 :any"),
        (b"\x10[:map [:n :int]]", b"\x11[:map  [:n :int]]"),
        (b"\x06number", b"\x86\x00number"),
        (b"\x015", b"\x025 "),
        (b'\x10{"$kw":"result"}', b'\x11{"$kw": "result"}'),
    ],
    ids=["space before a type", "space in a type", "long number", "space behind a constant", "space in a constant"],
)
def test_another_spelling_of_the_same_is_refused(canonical, other):
    source = "(let [a (call :number 5)] {:result (+ a 5)})"
    module = plan(source)
    assert module.count(canonical) >= 1
    with pytest.raises(ModuleInvalid, match="canonical form"):
        load(module.replace(canonical, other, 1))


@pytest.mark.parametrize("size", range(0, 600, 7))
def test_cut_off_modules_are_refused(size):
    module = plan()
    with pytest.raises(ModuleInvalid):
        load(module[: min(size, len(module) - 1)])


def test_bytes_after_the_end_are_refused():
    with pytest.raises(ModuleInvalid):
        load(plan() + b"\0")


def test_every_flipped_bit_is_refused_or_runs_within_its_limits():
    module = plan()
    loaded = 0
    for place in range(len(module)):
        damaged = bytearray(module)
        damaged[place] ^= 1 << (place % 8)
        try:
            run_module(bytes(damaged))
            loaded += 1
        except ModuleInvalid:
            continue
    assert loaded < len(module) / 2


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_damage_is_refused_or_runs_within_its_limits(data):
    module = bytearray(plan())
    for _ in range(data.draw(st.integers(1, 4))):
        module[data.draw(st.integers(6, len(module) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ModuleInvalid):
        run_module(bytes(module))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_change_of_the_code_is_refused_or_runs_within_its_limits(data):
    """Changes operands within a well-formed encoding: they reach the verifier and the machine."""
    parts = decode_module(plan())
    number = data.draw(st.integers(0, len(parts.functions) - 1))
    code = parts.functions[number]
    place = data.draw(st.integers(0, len(code.instructions) - 1))
    changed = list(code.instructions[place])
    if len(changed) > 1:
        operand = data.draw(st.integers(1, len(changed) - 1))
        changed[operand] = data.draw(st.integers(0, 40))
    instructions = (*code.instructions[:place], tuple(changed), *code.instructions[place + 1 :])
    functions = (*parts.functions[:number], replace(code, instructions=instructions), *parts.functions[number + 1 :])
    with suppress(ModuleInvalid):
        run_module(encode_module(replace(parts, functions=functions)))


def _code(*instructions, **changes):
    parts = decode_module(compile_program("(+ 1 2)", parameters={}, output=None, capabilities={}, fold=False).module)
    code = replace(parts.functions[0], instructions=instructions or parts.functions[0].instructions, **changes)
    return replace(parts, functions=(code,))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (_code((Op.MOVE, 2, 0)), "runs off its end"),
        (_code((Op.RETURN, 99)), "register 99 does not exist"),
        (_code((Op.MOVE, 0, 2), (Op.RETURN, 2)), "constant and is written"),
        (_code((Op.JUMP, 0)), "not forward"),
        (_code((Op.JUMP, 9)), "not forward"),
        (_code((Op.BACK, 5)), "not back"),
        (_code((Op.LIBRARY, 2, 9, 0), (Op.RETURN, 2)), "library 9 does not exist"),
        (_code((Op.EFFECT, 2, 0, 0), (Op.RETURN, 2)), "effect 0 does not exist"),
        (_code((Op.CLOSURE, 2, 7, 0), (Op.RETURN, 2)), "function 7 does not exist"),
        (_code((Op.CLOSURE, 2, 0, 1, 0), (Op.RETURN, 2)), "captures"),
        (_code((Op.TAIL_SIBLING, 0, 1, 0)), "another number of arguments"),
        (_code(locals=5000), "registers"),
        (_code((Op.RETURN, 0), parameters=1), "parameters of the module"),
        (replace(_code(), library=("no-such",)), "not in the library"),
        (replace(_code(), functions=()), "1 to"),
    ],
)
def test_the_verifier_says_what_is_wrong(parts, message):
    with pytest.raises(ModuleInvalid, match=message):
        verify(parts)


def test_other_formats_and_languages_are_refused():
    module = bytearray(plan())
    module[5] = 9
    with pytest.raises(ModuleInvalid, match="format 9"):
        load(bytes(module))
    with pytest.raises(ModuleInvalid, match=r"RTFS '9\.9'"):
        load(encode_module(replace(decode_module(plan()), language="9.9")))
    with pytest.raises(ModuleInvalid, match="do not begin"):
        load(b"PK\x03\x04")


def test_every_operation_is_described():
    assert set(OPERANDS) == set(MEANING) == set(Op)


def test_disassembly_shows_code_effects_and_lines():
    program = compile_program(PLAN, parameters=INPUTS, output=None, capabilities=CAPABILITIES)
    text = disassemble(program.module, program.source_map)
    assert "takes inputs [:map [:n :int]]" in text
    assert "may call number version 1 (pure)" in text
    assert "tail_sibling" in text
    assert "; line 5" in text


def test_the_source_map_is_stored_apart():
    program = compile_program(PLAN, parameters=INPUTS, output=None, capabilities=CAPABILITIES)
    assert SourceMap.decode(program.source_map.encode()) == program.source_map
    with pytest.raises(ModuleInvalid):
        SourceMap.decode(b"{}")
    assert program.source_map.position(10**6) is None
