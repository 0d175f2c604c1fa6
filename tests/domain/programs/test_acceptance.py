"""Each step of acceptance refuses what it is there to refuse, with a reason of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.programs.acceptance import Unacceptable, Wanted, check_bytes, check_rights, check_signature, check_status
from domain.programs.policy import Policy
from domain.programs.state import EMPTY, Program, Status
from tests.domain.programs.offers import PROGRAM, TENANT, TRUSTED, compiled, offer, published

GOOD = published()
WANTED = Wanted(tenant=TENANT, namespace="default", interface=PROGRAM.interface_hash, tools={"t.read": "1"})


def accepted(
    program: Program = GOOD, data: bytes = PROGRAM.module, wanted: Wanted = WANTED, entry: str | None = None
) -> None:
    taken = check_status(program, EMPTY)
    check_signature(program, taken, entry or taken.id, wanted, TRUSTED)
    check_bytes(taken, data)
    check_rights(taken, wanted, Policy())


def test_what_was_published_is_accepted() -> None:
    accepted()


@pytest.mark.parametrize("status", [each for each in Status if each is not Status.VERIFIED])
def test_only_what_is_verified(status: Status) -> None:
    with pytest.raises(Unacceptable, match=f"it is {status}: why"):
        check_status(replace(GOOD, status=status, reason="why"), EMPTY)


def test_not_with_a_revoked_module() -> None:
    with pytest.raises(Unacceptable, match="its module was revoked: leaks"):
        check_status(GOOD, Program(status=Status.REVOKED, reason="leaks"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"offer": offer(goal="Another goal")}, "another"),
        ({"offer": offer(namespace="else")}, "another"),
        ({"offer": offer(effects=())}, "another effects"),
        ({"evidence": "sha256:0"}, "another evidence"),
        ({"policy": "sha256:0"}, "another policy"),
        ({"envelope": None}, "it is verified"),
        ({"envelope": ""}, "no DSSE envelope"),
    ],
    ids=["goal", "namespace", "effects", "evidence", "policy", "unsigned", "empty"],
)
def test_the_row_says_what_was_signed(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Unacceptable, match=said):
        accepted(replace(GOOD, **change))


def test_a_point_that_leads_to_another_entry() -> None:
    with pytest.raises(Unacceptable, match="signed for another"):
        accepted(entry="00000000-0000-0000-0000-000000000000")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tenant": "other"}, "another tenant"),
        ({"namespace": "other"}, "another namespace or interface"),
        ({"interface": "sha256:0"}, "another namespace or interface"),
        ({"tools": {}}, "not among the task's tools"),
        ({"tools": {"t.read": "2"}}, "version 2 is here"),
    ],
    ids=["tenant", "namespace", "interface", "right", "version"],
)
def test_what_the_task_needs(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Unacceptable, match=said):
        accepted(wanted=replace(WANTED, **change))


def test_the_right_address_with_other_bytes() -> None:
    for data in (b"", PROGRAM.module[:-1], PROGRAM.module + b"\0", compiled("(+ 1 2)").module):
        with pytest.raises(Unacceptable, match="bytes: their digest"):
            accepted(data=data)


def test_signed_bytes_that_are_no_program() -> None:
    from domain.kernel.values import digest_bytes

    data = b"\x00rtfs" + bytes(100)
    with pytest.raises(Unacceptable, match="bytecode: "):
        accepted(published(module=digest_bytes(data)), data)


def test_signed_bytes_of_another_interface() -> None:
    other = compiled(inputs="[:map [:n :int] [:m :int]]")
    with pytest.raises(Unacceptable, match="its interface is not the one"):
        accepted(published(module=other.digest), other.module)


def test_signed_bytes_that_call_more_than_was_stated() -> None:
    with pytest.raises(Unacceptable, match="other tools than those that were signed for"):
        accepted(published(effects=()))


def test_effects_wider_than_the_policy() -> None:
    with pytest.raises(Unacceptable, match="beyond 'pure'"):
        check_rights(offer(), WANTED, Policy(effects="pure"))
