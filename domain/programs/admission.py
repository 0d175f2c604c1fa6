"""What it takes to be published: a run that did well, in a program that may be used again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import digest_bytes, digest_json, encode
from domain.programs.envelope import StatedEffect, Statement
from domain.programs.events import Offer, ProgramEvent, ProgramProposed, ProgramProven, Proof, evidence_digest
from domain.programs.policy import Policy
from domain.programs.state import Program, Status

COMPILER = "rtfs-2.0/1"
"""Language and bytecode whose meaning a statement vouches for."""

NO_INPUTS: Final = digest_json(encode({}))
"""Digest of the inputs of a task that has none."""


class PublicationRefused(PrecedentError):
    """The program is not published: change the policy under ``programs`` in precedent.yaml, or leave it so."""

    code = "program.publication-refused"


@dataclass(frozen=True, slots=True)
class Publishable:
    """All is there but the signature."""

    offer: Offer
    proofs: tuple[Proof, ...]
    evidence: str
    policy: str
    statement: Statement


def admit(
    program: Program, offer: Offer, proof: Proof, *, tenant: str, actor: str, policy: Policy
) -> Publishable | ProgramEvent | None:
    """What this proof makes of the program: publishable, a candidate (an event says so), or nothing new (None).

    Raises ``PublicationRefused``.
    """
    if not policy.may_publish(actor):
        raise PublicationRefused(f"{actor} may not publish programs; programs.publishers names who may")
    wide = policy.wider(tuple(effect.mode for effect in offer.effects))
    if wide:
        named = ", ".join(f"{effect.name} ({effect.mode})" for effect in offer.effects if effect.mode in wide)
        raise PublicationRefused(f"it may call {named}; programs.effects allows up to {policy.effects!r}")
    if program.status is Status.DEMOTED:
        is_wanted = len(program.since) < policy.reinstated_after and _is_new(program.since, proof)
        return ProgramProven(proof=proof) if is_wanted else None
    if program.status not in (Status.UNKNOWN, Status.CANDIDATE):
        return None
    is_new = _is_new(program.proofs, proof)
    proofs = (*program.proofs, proof) if is_new else program.proofs
    lacks = _lacks(offer, proofs, policy)
    if lacks is None:
        return _publishable(offer, proofs, tenant, policy)
    if not is_new:
        return None
    if program.status is Status.UNKNOWN:
        return ProgramProposed(offer=offer, proof=proof, lacks=lacks)
    return ProgramProven(proof=proof)


def _is_new(proofs: tuple[Proof, ...], proof: Proof) -> bool:
    """Whether it shows what the others do not: another run with the same inputs shows nothing."""
    return proof.run not in {each.run for each in proofs} and _case(proof) not in {_case(each) for each in proofs}


def _case(proof: Proof) -> str:
    return proof.run if proof.inputs == NO_INPUTS else proof.inputs


def _lacks(offer: Offer, proofs: tuple[Proof, ...], policy: Policy) -> str | None:
    different = len({_case(proof) for proof in proofs})
    if offer.literals and different < 2:
        named = ", ".join(offer.literals)
        return f"constants equal inputs ({named}): a run with other inputs must do well with the same program"
    if different < policy.proofs:
        return f"{different} runs of {policy.proofs} that programs.proofs asks for"
    return None


def _publishable(offer: Offer, proofs: tuple[Proof, ...], tenant: str, policy: Policy) -> Publishable:
    evidence = evidence_digest(proofs)
    statement = stated(offer, tenant=tenant, evidence=evidence, policy=policy.digest)
    return Publishable(offer, proofs, evidence, policy.digest, statement)


def stated(offer: Offer, *, tenant: str, evidence: str, policy: str, compiler: str = COMPILER) -> Statement:
    """The statement that a signer of this offer vouches for."""
    return Statement(
        tenant=tenant,
        namespace=offer.namespace,
        entry=offer.id,
        goal=digest_bytes(offer.goal.encode()),
        module=offer.module,
        interface=offer.interface,
        effects=tuple(StatedEffect(**effect.model_dump()) for effect in sorted(offer.effects, key=lambda e: e.name)),
        evidence=evidence,
        compiler=compiler,
        policy=policy,
    )
