"""Programs, offers and keys for tests."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.kernel.reuse import Cost
from domain.kernel.values import digest_bytes
from domain.programs.admission import Publishable, admit
from domain.programs.envelope import sealed, to_sign
from domain.programs.events import Meaning, Offer, OfferedEffect, Proof
from domain.programs.policy import Policy
from domain.programs.state import EMPTY, Program, Status
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import compile_program
from domain.rtfs.types import parse_type

TENANT = "acme"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
KEYID = "test+00000000"
TRUSTED = {KEYID: KEY.public_key().public_bytes_raw()}
READ = Capability(
    name="t.read",
    version="1",
    effects="read",
    parameters=(Parameter("n", parse_type(":int")),),
    result=parse_type(":int"),
    doc="Read",
)
POLICY = Policy()


def compiled(
    plan: str = "(* 10 (call :t.read {:n (:n inputs)}))", inputs: str = "[:map [:n :int]]", output: str = ":int"
) -> Any:
    return compile_program(
        plan, parameters={"inputs": parse_type(inputs)}, output=parse_type(output), capabilities={"t.read": READ}
    )


PROGRAM = compiled()


def offer(**changes: Any) -> Offer:
    made = Offer(
        namespace="default",
        goal="Read and multiply",
        interface=PROGRAM.interface_hash,
        module=PROGRAM.digest,
        effects=tuple(OfferedEffect(name=e.name, version=e.version, mode=e.mode) for e in PROGRAM.effects),
        plan="(* 10 (call :t.read {:n (:n inputs)}))",
        source_map="{}",
        literals=(),
        cost=Cost(),
        meaning=Meaning(embedder="e", vector=""),
    )
    return made.model_copy(update=changes)


def proof(run: str = "r1", inputs: str = "1") -> Proof:
    return Proof(run=run, inputs=digest_bytes(inputs.encode()), output="o", checks=1, effects=1)


def published(key: Ed25519PrivateKey = KEY, keyid: str = KEYID, **changes: Any) -> Program:
    """A program as the log has it, signed by this key."""
    ready = admit(EMPTY, offer(**changes), proof(), tenant=TENANT, actor="user:a", policy=POLICY)
    assert isinstance(ready, Publishable)
    return Program(
        status=Status.VERIFIED,
        offer=ready.offer,
        proofs=ready.proofs,
        envelope=sealed(ready.statement, keyid, key.sign(to_sign(ready.statement))),
        evidence=ready.evidence,
        policy=ready.policy,
    )
