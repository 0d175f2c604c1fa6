"""Whose word ends a program, for whom; how one that was demoted returns; who may answer in whose place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.kernel.errors import NotFound
from domain.programs.acceptance import Unacceptable, Wanted, check_contradicted
from domain.programs.admission import admit
from domain.programs.commands import ReinstateProgram, SupersedeProgram
from domain.programs.decide import NoSuccessor, NotReinstated, check_successor, decide
from domain.programs.events import (
    ProgramContradicted,
    ProgramDemoted,
    ProgramProposed,
    ProgramProven,
    ProgramReinstated,
    Proof,
    check_digest,
    evidence_digest,
)
from domain.programs.policy import Policy
from domain.programs.refuting import MOST_CONTRADICTED, Refutation, refuted
from domain.programs.state import EMPTY, Program, Status, evolve
from tests.domain.programs.offers import POLICY, PROGRAM, TENANT, offer, proof, published

HELD, OTHER = check_digest("(> output 0)"), check_digest("(= 1 2)")
PROVEN = proof().model_copy(update={"by": "user:alice", "held": (HELD,)})
GOOD = replace(published(), proofs=(PROVEN,))
ID = offer().id


def refutation(by: str = "user:mallory", failed: tuple[str, ...] = (OTHER,), run: str = "r9") -> Refutation:
    return Refutation(run=run, by=by, failed=failed, reason="postconditions: (= 1 2) is not true")


def test_a_check_that_only_its_submitter_asks_for_withdraws_nothing_from_others() -> None:
    event = refuted(GOOD, refutation(), POLICY)
    assert event == ProgramContradicted(
        run="r9", by="user:mallory", checks=(OTHER,), reason="postconditions: (= 1 2) is not true"
    )
    after = evolve(GOOD, event)
    assert after.status is Status.VERIFIED
    wanted = Wanted(tenant=TENANT, namespace="default", interface=PROGRAM.interface_hash, tools={})
    check_contradicted(after, wanted)
    check_contradicted(after, replace(wanted, checks=frozenset({HELD})))
    with pytest.raises(Unacceptable, match="fails a check of this task"):
        check_contradicted(after, replace(wanted, checks=frozenset({HELD, OTHER})))
    assert refuted(after, refutation(run="r10"), POLICY) is None, "that is known"


@pytest.mark.parametrize(
    ("said", "policy"),
    [
        (refutation(failed=()), POLICY),
        (refutation(failed=(OTHER, HELD)), POLICY),
        (refutation(by="user:alice"), POLICY),
        (refutation(by="user:ops-7"), Policy(demoters=("user:ops-*",))),
    ],
    ids=["output of another type", "a check that proved it", "who proved it", "who may demote"],
)
def test_what_is_wrong_for_everybody_demotes(said: Refutation, policy: Policy) -> None:
    assert refuted(GOOD, said, policy) == ProgramDemoted(reason=said.reason, run="r9")


def test_of_proofs_that_kept_no_names_nobody_is_the_owner() -> None:
    assert isinstance(refuted(published(), refutation(by=""), POLICY), ProgramContradicted)


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.VERIFIED])
def test_what_does_not_answer_is_not_refuted(status: Status) -> None:
    assert refuted(replace(GOOD, status=status), refutation(failed=()), POLICY) is None


def test_a_stream_does_not_grow_for_whoever_invents_checks() -> None:
    program = replace(GOOD, contradicted=frozenset(check_digest(str(n)) for n in range(MOST_CONTRADICTED)))
    assert refuted(program, refutation(), POLICY) is None
    assert isinstance(refuted(program, refutation(failed=(OTHER, HELD)), POLICY), ProgramDemoted)


def test_proofs_of_before_have_the_digest_that_was_signed() -> None:
    stored = {"run": "r1", "inputs": "i", "output": "o", "checks": 1, "effects": 1}
    assert Proof.model_validate(stored).model_dump(mode="json", exclude={"by", "held"}) == stored
    assert evidence_digest([proof()]) == published().evidence
    assert evidence_digest([PROVEN]) != published().evidence, "who submitted it, and what held, is signed for"
    event = ProgramProven(proof=proof())
    assert set(event.as_json()["proof"]) == set(stored)
    assert ProgramProven(proof=PROVEN).as_json()["proof"]["held"] == [HELD]


def _demoted(program: Program = GOOD, proofs: int = 0) -> Program:
    program = evolve(program, ProgramDemoted(reason="it was wrong", run="r2"))
    for number in range(proofs):
        program = evolve(program, ProgramProven(proof=proof(f"s{number}", f"new {number}")))
    return program


REINSTATE = ReinstateProgram(program=ID, reason="the check was wrong")


def _admitted(program: Program, run: Proof, **policy: Any) -> Any:
    return admit(program, offer(), run, tenant=TENANT, actor="user:a", policy=Policy(**policy))


def test_runs_that_come_to_a_demoted_program_are_kept_as_many_as_it_takes() -> None:
    program = _demoted()
    first = _admitted(program, proof("s1", "1"), reinstated_after=2)
    assert first == ProgramProven(proof=proof("s1", "1"))
    program = evolve(program, first)
    assert program.proofs == GOOD.proofs, "what was signed for stays as it is"
    assert _admitted(program, proof("s1", "2"), reinstated_after=2) is None, "the same run"
    assert _admitted(program, proof("s2", "1"), reinstated_after=2) is None, "the same inputs"
    program = evolve(program, _admitted(program, proof("s2", "2"), reinstated_after=2))
    assert _admitted(program, proof("s3", "3"), reinstated_after=2) is None, "enough"
    assert program.status is Status.DEMOTED, "it does not return by itself"


def test_a_demoted_program_returns_after_enough_runs_and_not_before() -> None:
    with pytest.raises(NotReinstated, match=r"2 of 3 runs .*\(programs.reinstated_after\)"):
        decide(_demoted(proofs=2), REINSTATE, POLICY)
    program = _demoted(proofs=3)
    (event,) = decide(program, REINSTATE, POLICY)
    assert isinstance(event, ProgramReinstated)
    assert (event.offer, len(event.proofs), event.policy) == (offer(), 3, POLICY.digest)
    again = evolve(program, event)
    assert (again.status, again.reason, again.since, again.envelope) == (Status.VERIFIED, "", (), GOOD.envelope)
    twice = evolve(again, ProgramDemoted(reason="wrong again", run="r7"))
    with pytest.raises(NotReinstated, match="0 of 3"):
        decide(twice, REINSTATE, POLICY)
    assert twice.against == {"r2", "r7"}


def test_what_was_a_candidate_begins_anew() -> None:
    candidate = evolve(EMPTY, ProgramProposed(offer=offer(), proof=proof(), lacks="another run"))
    (event,) = decide(_demoted(candidate, proofs=3), REINSTATE, POLICY)
    assert isinstance(event, ProgramProposed)
    assert evolve(candidate, event).status is Status.CANDIDATE


@pytest.mark.parametrize(
    "status", [Status.CANDIDATE, Status.VERIFIED, Status.SUPERSEDED, Status.REVOKED], ids=lambda status: status.value
)
def test_only_what_was_demoted_returns(status: Status) -> None:
    with pytest.raises(NotReinstated, match=f"is {status}"):
        decide(replace(GOOD, status=status), REINSTATE, POLICY)


def test_nothing_returns_that_never_was() -> None:
    with pytest.raises(NotFound, match="programs ls"):
        decide(EMPTY, REINSTATE, POLICY)


SUPERSEDE = SupersedeProgram(program=ID, by=offer(goal="Better").id, reason="faster")


def test_a_successor_answers_the_same_tasks() -> None:
    check_successor(GOOD, published(goal="Better"), SUPERSEDE)
    with pytest.raises(NotFound, match="there is no program"):
        check_successor(GOOD, EMPTY, SUPERSEDE)
    with pytest.raises(NoSuccessor, match="has interface sha256:0"):
        check_successor(GOOD, published(goal="Better", interface="sha256:0"), SUPERSEDE)
    with pytest.raises(NoSuccessor, match="has namespace else"):
        check_successor(GOOD, published(goal="Better", namespace="else"), SUPERSEDE)


@pytest.mark.parametrize(
    "status", [Status.CANDIDATE, Status.DEMOTED, Status.SUPERSEDED, Status.REVOKED], ids=lambda status: status.value
)
def test_a_successor_that_does_not_answer_is_none(status: Status) -> None:
    with pytest.raises(NoSuccessor, match=f"is {status}"):
        check_successor(GOOD, replace(published(goal="Better"), status=status), SUPERSEDE)
