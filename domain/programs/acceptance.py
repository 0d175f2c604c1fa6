"""Whether a published program may run here and now, in place of a model.

The first two steps of a retrieval, exact interface and then similarity, are index queries (``commands/programs.py``).
These are the others, each with a reason of its own; whichever fails, the program does not run:

3. Status: verified, its module not revoked, and no check of the task is one that it is known to fail.
4. Signature: a trusted key signed the statement, and the statement is about this very entry.
5. Digest: the fetched bytes are those that were signed for.
6. Bytecode: it loads, and its interface and effect row, read off the bytes, are those that were signed for.
7. Rights: every effect is a tool of the task at the version that is here, and within the policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from domain.kernel.reuse import MissCode, NotReusable
from domain.kernel.values import ValueNotDecodable, digest_bytes
from domain.programs.admission import stated
from domain.programs.envelope import EnvelopeInvalid, opened
from domain.programs.events import Offer
from domain.programs.policy import Policy
from domain.programs.state import Program, Status
from domain.rtfs.bytecode.module import ModuleInvalid, ModuleParts, interface_hash
from domain.rtfs.vm import load


class Unacceptable(NotReusable):
    """The program does not run; the model is asked instead, and the reason is on the record."""

    code: ClassVar[str] = "program.unacceptable"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a task needs of a program."""

    tenant: str
    namespace: str
    interface: str
    tools: Mapping[str, str]
    """Version by name of the tools that the task may call, as they are here."""
    checks: frozenset[str] = frozenset()
    """Digests of the task's postconditions."""


def check_status(program: Program, module: Program) -> Offer:
    """3. Raises ``Unacceptable``."""
    if module.status is Status.REVOKED:
        raise Unacceptable(f"its module was revoked: {module.reason}", "withdrawn")
    if program.status is not Status.VERIFIED or program.offer is None or program.envelope is None:
        miss: MissCode = "unproven" if program.status is Status.CANDIDATE else "withdrawn"
        raise Unacceptable(f"it is {program.status}{f': {program.reason}' if program.reason else ''}", miss)
    return program.offer


def check_contradicted(program: Program, wanted: Wanted) -> None:
    """3. Raises ``Unacceptable``."""
    if failing := program.contradicted & wanted.checks:
        raise Unacceptable(f"it fails a check of this task, as another run found ({min(failing)[:19]}…)", "refuted")


def check_signature(program: Program, offer: Offer, entry: str, wanted: Wanted, trusted: Mapping[str, bytes]) -> None:
    """4. Raises ``Unacceptable``."""
    try:
        statement = opened(program.envelope or "", trusted)
    except EnvelopeInvalid as error:
        raise Unacceptable(f"signature: {error}", "untrusted") from error
    about = stated(
        offer,
        tenant=wanted.tenant,
        evidence=program.evidence or "",
        policy=program.policy or "",
        compiler=statement.compiler,
    )
    if statement != about or statement.entry != entry:
        differing = sorted(
            name for name in type(statement).model_fields if getattr(statement, name) != getattr(about, name)
        )
        raise Unacceptable(f"signature: it was signed for another {', '.join(differing) or 'entry'}", "untrusted")
    if (offer.namespace, offer.interface) != (wanted.namespace, wanted.interface):
        raise Unacceptable("signature: it is for another namespace or interface than the task's", "untrusted")


def is_vouched(program: Program, entry: str, tenant: str, trusted: Mapping[str, bytes]) -> bool:
    """Whether a trusted key signed the statement about this published program."""
    offer = program.offer
    if offer is None:
        return False
    wanted = Wanted(tenant=tenant, namespace=offer.namespace, interface=offer.interface, tools={})
    try:
        check_signature(program, offer, entry, wanted, trusted)
    except Unacceptable:
        return False
    return True


def check_bytes(offer: Offer, data: bytes) -> None:
    """5 and 6. Raises ``Unacceptable``."""
    if (actual := digest_bytes(data)) != offer.module:
        raise Unacceptable(f"bytes: their digest is {actual}, not {offer.module}", "damaged")
    try:
        parts = load(data).parts
    except (ModuleInvalid, ValueNotDecodable) as error:
        raise Unacceptable(f"bytecode: {error}", "damaged") from error
    if interface_hash(dict(parts.parameters), parts.output) != offer.interface:
        raise Unacceptable("bytecode: its interface is not the one that was signed for", "damaged")
    if _effects(parts) != sorted((effect.name, effect.version, effect.mode) for effect in offer.effects):
        raise Unacceptable("bytecode: it may call other tools than those that were signed for", "damaged")


def _effects(parts: ModuleParts) -> list[tuple[str, str, str]]:
    return sorted((effect.name, effect.version, effect.mode) for effect in parts.effects)


def check_rights(offer: Offer, wanted: Wanted, policy: Policy) -> None:
    """7. Raises ``Unacceptable``."""
    for effect in offer.effects:
        here = wanted.tools.get(effect.name)
        if here is None:
            raise Unacceptable(f"rights: it calls {effect.name}, which is not among the task's tools", "rights")
        if here != effect.version:
            raise Unacceptable(
                f"rights: it calls version {effect.version} of {effect.name}; version {here} is here", "rights"
            )
    if wide := policy.wider(tuple(effect.mode for effect in offer.effects)):
        raise Unacceptable(f"rights: it has effects ({', '.join(wide)}) beyond {policy.effects!r}", "rights")
