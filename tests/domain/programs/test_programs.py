"""Admission, state and commands of programs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidInput, NotFound
from domain.kernel.values import Keyword
from domain.programs.admission import PublicationRefused, Publishable, admit
from domain.programs.commands import DemoteProgram, RevokeProgram, SupersedeProgram
from domain.programs.decide import ProgramNotInUse, decide
from domain.programs.events import (
    ProgramContradicted,
    ProgramEvent,
    ProgramProposed,
    ProgramProven,
    ProgramPublished,
    ProgramReinstated,
    entry_id,
)
from domain.programs.literals import copied_inputs
from domain.programs.policy import Policy, is_shadowed
from domain.programs.state import EMPTY, Program, Status, evolve
from tests.domain.programs.offers import POLICY, PROGRAM, TENANT, compiled, offer, proof, published

ID = entry_id("default", PROGRAM.interface_hash, PROGRAM.digest, "Read and multiply")

OTHER = "0" * 8 + "-0000-0000-0000-" + "0" * 12


def admitted(program: Program, made: Any = None, run: Any = None, **policy: Any) -> Any:
    return admit(program, made or offer(), run or proof(), tenant=TENANT, actor="user:a", policy=Policy(**policy))


def test_one_good_run_publishes() -> None:
    ready = admitted(EMPTY)
    assert isinstance(ready, Publishable)
    assert ready.statement.entry == ID


def test_more_proofs_are_waited_for_when_the_policy_wants_them() -> None:
    proposed = admitted(EMPTY, proofs=2)
    assert isinstance(proposed, ProgramProposed)
    assert proposed.lacks == "1 runs of 2 that programs.proofs asks for"
    candidate = evolve(EMPTY, proposed)
    assert admitted(candidate, proofs=2) is None, "the same run is no second proof"
    assert admitted(candidate, run=proof("r2"), proofs=2) is None, "the same inputs prove nothing new"
    assert isinstance(admitted(candidate, run=proof("r2", "2"), proofs=2), Publishable)
    three = evolve(candidate, admitted(candidate, run=proof("r2", "2"), proofs=3))
    assert three.proofs == (proof(), proof("r2", "2"))


def test_copied_inputs_need_a_run_with_others() -> None:
    made = offer(literals=("7",))
    candidate = evolve(EMPTY, admitted(EMPTY, made))
    assert admitted(candidate, made, proof("r2")) is None, "the same inputs prove nothing new"
    ready = admitted(candidate, made, proof("r3", "other"))
    assert isinstance(ready, Publishable)
    assert len(ready.proofs) == 2


@pytest.mark.parametrize("status", [Status.VERIFIED, Status.SUPERSEDED, Status.REVOKED])
def test_what_was_decided_is_not_decided_again_by_a_run(status: Status) -> None:
    assert admitted(Program(status=status)) is None


def test_publishers_and_effects() -> None:
    with pytest.raises(PublicationRefused, match="user:a may not publish"):
        admitted(EMPTY, publishers=("user:b", "agent:*"))
    assert isinstance(admitted(EMPTY, publishers=("user:?",)), Publishable)
    with pytest.raises(PublicationRefused, match=r"t\.read \(read\)"):
        admitted(EMPTY, effects="pure")


EVENTS = st.lists(
    st.sampled_from(
        [
            ProgramProposed(offer=offer(), proof=proof(), lacks="x"),
            ProgramProven(proof=proof("r2")),
            ProgramPublished(offer=offer(), proofs=(proof(),), evidence="e", policy="p", envelope="{}"),
            *decide(published(), DemoteProgram(program=ID, reason="bad"), POLICY),
            ProgramContradicted(run="r3", by="user:b", checks=("sha256:0",), reason="no"),
            ProgramReinstated(offer=offer(), proofs=(proof("r4"),), policy="p", reason="it was right"),
            *decide(published(), SupersedeProgram(program=ID, by=OTHER, reason="better"), POLICY),
            *decide(EMPTY, RevokeProgram(module=PROGRAM.digest, reason="leaks"), POLICY),
        ]
    ),
    max_size=8,
)


@given(EVENTS)
def test_evolve_is_total_and_a_revocation_is_for_ever(events: list[ProgramEvent]) -> None:
    program, revoked = EMPTY, False
    for event in events:
        program = evolve(program, event)
        revoked |= event.short_name() == "ProgramRevoked"
        assert (program.status is Status.REVOKED) == revoked
        assert program.status is not Status.VERIFIED or program.envelope


def test_commands() -> None:
    for command in (DemoteProgram(program=ID, reason="bad"), SupersedeProgram(program=ID, by=OTHER, reason="x")):
        with pytest.raises(NotFound, match="programs ls"):
            decide(EMPTY, command, POLICY)
        with pytest.raises(ProgramNotInUse, match="demoted already: old"):
            decide(Program(status=Status.DEMOTED, reason="old"), command, POLICY)
    with pytest.raises(InvalidInput, match="cannot answer in its own place"):
        decide(published(), SupersedeProgram(program=ID, by=ID, reason="x"), POLICY)
    with pytest.raises(ProgramNotInUse, match="revoked already"):
        decide(Program(status=Status.REVOKED), RevokeProgram(module=PROGRAM.digest, reason="again"), POLICY)


@pytest.mark.parametrize(
    ("plan", "types", "inputs", "copied"),
    [
        ('(str "ann" (:name inputs))', "[:map [:name :string]]", {Keyword("name"): "ann"}, ('"ann"',)),
        ('(str "ann" (:name inputs))', "[:map [:name :string]]", {Keyword("name"): "bob"}, ()),
        ("(+ 7 (:n inputs))", "[:map [:n :int]]", {Keyword("n"): 7}, ("7",)),
        ("(+ 7.0 (:n inputs))", "[:map [:n :int]]", {Keyword("n"): 7}, ()),
        ("(if (:b inputs) true nil)", "[:map [:b :bool]]", {Keyword("b"): True}, ()),
        (
            '(str "Dear ann, hello" (:name inputs))',
            "[:map [:name :string]]",
            {Keyword("name"): "ann"},
            ('"Dear ann, hello"',),
        ),
        ('(str "Dear anna" (:name inputs))', "[:map [:name :string]]", {Keyword("name"): "ann"}, ()),
        ('(str "for Ann Lee: " (:n inputs))', "[:map [:n :string]]", {Keyword("n"): "Ann Lee"}, ('"for Ann Lee: "',)),
        ('(str "order 4711" (:n inputs))', "[:map [:n :int]]", {Keyword("n"): 4711}, ('"order 4711"',)),
        ('(str "in 7 days" (:n inputs))', "[:map [:n :int]]", {Keyword("n"): 7}, ()),
        ('(get {5 "x"} (:n inputs) "y")', "[:map [:n :int]]", {Keyword("n"): 5}, ("5",)),
        ('(get {"ann" 1} "x" (:l inputs))', "[:map [:l :any]]", {Keyword("l"): [["ann"]]}, ('"ann"',)),
    ],
    ids=[
        "text",
        "other",
        "number",
        "kind",
        "truth",
        "in a text",
        "part of a word",
        "words",
        "number in a text",
        "too short",
        "key",
        "inside",
    ],
)
def test_constants_that_equal_inputs(plan: str, types: str, inputs: Any, copied: tuple[str, ...]) -> None:
    assert copied_inputs(compiled(plan, types, ":any").module, inputs) == copied


def test_huge_inputs_and_odd_values_are_compared_too() -> None:
    inputs = {Keyword("n"): 1, Keyword("t"): datetime(2026, 1, 1, tzinfo=UTC), Keyword("l"): list(range(100_000))}
    assert copied_inputs(PROGRAM.module, inputs) == ("10",)
    long = " ".join(f"word{number}" for number in range(100_000))
    assert copied_inputs(compiled(f'(str "{long}" (:n inputs))', output=":any").module, {Keyword("n"): long}) != ()
    texts = [f"word{number} and more" for number in range(100_000)]
    assert copied_inputs(compiled(f'(str "{long}")', output=":any").module, {Keyword("l"): texts}) == ()


def test_the_share_of_shadows() -> None:
    drawn = sum(is_shadowed(f"run-{n}", 0.25) for n in range(4_000))
    assert 900 < drawn < 1_100
    assert not is_shadowed("x", 0.0)
    assert is_shadowed("x", 1.0)
