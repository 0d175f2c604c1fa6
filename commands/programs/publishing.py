"""Publish what a run found, and withdraw what was wrong.

1. compile (the run has done it); 2. replay-verify; 3. collect evidence; 4. embed the task; 5. hash the interface (the
program carries it); 6. sign; 7. upload the bytecode by its digest; 8. append ``ProgramPublished``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from commands.programs.log import (
    ATTEMPTS,
    CATEGORY,
    append,
    load_program,
    meaning_of,
)
from commands.reuse import Reuse
from commands.services import Services
from domain.kernel.errors import (
    VersionConflict,
)
from domain.kernel.ids import StreamId
from domain.programs.acceptance import is_vouched
from domain.programs.admission import PublicationRefused, Publishable, admit
from domain.programs.envelope import sealed, to_sign
from domain.programs.events import (
    Meaning,
    Offer,
    ProgramDemoted,
    ProgramEvent,
    ProgramProposed,
    ProgramPublished,
    ProgramRefused,
    Proof,
    module_stream,
)
from domain.programs.policy import Policy
from domain.programs.refuting import Refutation, refuted
from domain.programs.state import EMPTY, Program, Status

LONGEST_REASON: Final = 4_000
"""Characters of a reason on the record."""

MEDIATYPE: Final = "application/vnd.precedent.rtfs-module"


async def embed(reuse: Reuse, goal: str) -> Meaning:
    """4. The goal as a point. Raises ``ServiceUnreachable``."""
    (embedding,) = await reuse.embedder.embed([goal])
    return meaning_of(embedding)


async def publish(
    services: Services, reuse: Reuse, tenant: str, actor: str, offer: Offer, module: bytes, proof: Proof
) -> ProgramEvent | None:
    """Steps 6 to 8 for an offer with its proof; gives what was appended, None where nothing was new.

    A program that no key signed which is trusted here now begins anew. Of one that is published already the bytes are
    stored again where they were lost.

    Raises ``ServiceUnreachable``, ``VersionConflict``.
    """
    stream = StreamId(tenant, CATEGORY, offer.id)
    for _ in range(ATTEMPTS):
        program, head = await load_program(services, stream)
        withdrawn, _ = await load_program(services, StreamId(tenant, CATEGORY, module_stream(offer.module)))
        if withdrawn.status is Status.REVOKED:
            return None
        if program.status is Status.VERIFIED:
            if is_vouched(program, offer.id, tenant, reuse.trusted.get(tenant, {})):
                await services.content.put(tenant, module, MEDIATYPE)
                return None
            if not reuse.is_trusted_in(tenant):
                return None
            program = EMPTY
        try:
            made = admit(program, offer, proof, tenant=tenant, actor=actor, policy=reuse.policy)
        except PublicationRefused as error:
            made = None if head.version else _refused(offer, proof, str(error))
        if isinstance(made, Publishable):
            made = await _signed(reuse, made, program) or None
            if isinstance(made, ProgramPublished):
                await services.content.put(tenant, module, MEDIATYPE)  # 7
        if made is None:
            return None
        try:
            await append(services, stream, head, made, cause=f"{proof.run}/publish", actor="agent:curator")  # 8
        except VersionConflict:
            continue
        return made
    raise VersionConflict(f"{stream} changed {ATTEMPTS} times while it was published")


def _refused(offer: Offer, proof: Proof, reason: str) -> ProgramRefused:
    return ProgramRefused(
        run=proof.run,
        namespace=offer.namespace,
        goal=offer.goal,
        interface=offer.interface,
        module=offer.module,
        reason=reason,
    )


async def _signed(reuse: Reuse, ready: Publishable, program: Program) -> ProgramEvent | None:
    """6. The published program; a candidate where nobody signs here."""
    if reuse.signer is None:
        lacks = "a signature: this process has no signing key (programs.key in precedent.yaml)"
        return ProgramProposed(offer=ready.offer, proof=ready.proofs[-1], lacks=lacks) if not program.proofs else None
    signature = await reuse.signer.sign(to_sign(ready.statement))
    key = reuse.signer.key
    return ProgramPublished(
        offer=ready.offer,
        proofs=ready.proofs,
        evidence=ready.evidence,
        policy=ready.policy,
        envelope=sealed(ready.statement, key.id, signature),
    )


async def demote(
    services: Services, tenant: str, entry: str, reason: str, run: str, *, spared: str | None = None
) -> None:
    """Withdraw a program that was wrong in a run, unless its module is ``spared``. Doing it twice changes nothing.

    Raises ``ServiceUnreachable``, ``VersionConflict``.
    """

    def demoted(program: Program) -> ProgramEvent | None:
        if program.status is not Status.VERIFIED or (program.offer is not None and program.offer.module == spared):
            return None
        return ProgramDemoted(reason=reason[:LONGEST_REASON], run=run)

    await _withdraw(services, StreamId(tenant, CATEGORY, entry), demoted, run)


async def refute(services: Services, reuse: Reuse | None, tenant: str, entry: str, refutation: Refutation) -> None:
    """What follows where the critic refuted the program's output in a run. Doing it twice changes nothing.

    Raises ``ServiceUnreachable``, ``VersionConflict``.
    """
    policy = Policy() if reuse is None else reuse.policy
    clipped = replace(refutation, reason=refutation.reason[:LONGEST_REASON])
    stream = StreamId(tenant, CATEGORY, entry)
    await _withdraw(services, stream, lambda program: refuted(program, clipped, policy), refutation.run)


async def _withdraw(
    services: Services, stream: StreamId, follows: Callable[[Program], ProgramEvent | None], run: str
) -> None:
    for _ in range(ATTEMPTS):
        program, head = await load_program(services, stream)
        if run in program.against or (event := follows(program)) is None:
            return
        try:
            await append(services, stream, head, event, cause=f"{run}/refuted", actor="agent:critic")
        except VersionConflict:
            continue
        return
    raise VersionConflict(f"{stream} changed {ATTEMPTS} times while it was demoted")
