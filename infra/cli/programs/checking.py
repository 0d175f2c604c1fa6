"""Whether a program is what was signed: each step of the way to its use that needs no task.

1. Signature: a trusted key signed the statement, and the statement is about this very entry.
2. Evidence: the proofs that it rests on are those that were signed for.
3. Bytes: the bytecode in the content store is the one that was signed for, loads, and has the interface and the effect
   row that were.
4. Index: its row says what the log says.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from commands.ports import ContentStore
from commands.programs.log import CATEGORY, folded
from domain.kernel.errors import InvalidInput, NotFound, StoredDataInvalid
from domain.kernel.ids import StreamId
from domain.kernel.values import digest_bytes
from domain.ledger.notes import VerifierKey
from domain.programs.acceptance import Unacceptable, Wanted, check_bytes, check_signature
from domain.programs.events import Offer, evidence_digest, module_stream
from domain.programs.state import Program
from infra.bootstrap.content import content_store
from infra.bootstrap.reuse import trusted_keys
from infra.cli.session import Session
from infra.cli.trust import key_of
from projections.program_rows import ProgramRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One program, as the log and the content store have it."""

    row: ProgramRow
    program: Program
    module: Program
    """The withdrawal of its module, if there is one."""
    wrong: Mapping[str, str]
    """What is wrong, by step; empty where nothing is, or where it was never published."""

    @property
    def published(self) -> bool:
        """Whether there is anything that was signed."""
        return self.program.envelope is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checking:
    """Checks programs of one tenant."""

    connected: Session
    content: ContentStore
    trusted: Mapping[str, bytes]

    async def check(self, row: ProgramRow) -> Checked:
        """Read a program from the log and take every step. Raises ``ServiceUnreachable``."""
        program, module = await self._load(row.id), await self._load(module_stream(row.module))
        wrong: dict[str, str] = {}
        if program.offer is not None and program.envelope is not None:
            wrong |= self._signature(program, program.offer, row)
            wrong |= await self._bytes(program.offer)
            wrong |= _index(program, program.offer, row)
        return Checked(row=row, program=program, module=module, wrong=wrong)

    async def _load(self, stream: str) -> Program:
        slice_ = await self.connected.store.load(StreamId(self.connected.settings.tenant, CATEGORY, stream))
        return folded(slice_.events)

    def _signature(self, program: Program, offer: Offer, row: ProgramRow) -> Iterator[tuple[str, str]]:
        wanted = Wanted(
            tenant=self.connected.settings.tenant,
            namespace=offer.namespace,
            interface=offer.interface,
            tools={effect.name: effect.version for effect in offer.effects},
        )
        try:
            check_signature(program, offer, row.id, wanted, self.trusted)
        except Unacceptable as error:
            yield "signature", str(error).removeprefix("signature: ")
        evidence = evidence_digest(program.proofs)
        if evidence != program.evidence:
            yield "evidence", f"the digest of its proofs is {evidence}, not {program.evidence}"

    async def _bytes(self, offer: Offer) -> dict[str, str]:
        try:
            check_bytes(offer, await self.content.get(self.connected.settings.tenant, offer.module))
        except (Unacceptable, NotFound, StoredDataInvalid, InvalidInput) as error:
            return {"bytes": str(error).removeprefix("bytes: ")}
        return {}


def _index(program: Program, offer: Offer, row: ProgramRow) -> dict[str, str]:
    says = {
        "namespace": (row.namespace, offer.namespace),
        "interface": (row.interface_hash, offer.interface),
        "module": (row.module, offer.module),
        "storage pointer": (row.storage_pointer, offer.module),
        "evidence": (row.evidence, program.evidence),
        "policy": (row.policy, program.policy),
        "plan": (row.plan, digest_bytes(offer.plan.encode())),
        "effects": (row.effects, [effect.model_dump() for effect in offer.effects]),
    }
    differing = [name for name, (here, there) in says.items() if here != there]
    if not differing:
        return {}
    named = ", ".join(differing)
    return {"index": f"its row has another {named} than the log; `precedent rebuild programs` corrects it"}


@asynccontextmanager
async def checking(connected: Session, keys: tuple[str, ...]) -> AsyncIterator[Checking]:
    """Check by these keys, or by those that the settings trust where none is given.

    Raises ``KeyInvalid``, ``SigningKeyRefused``.
    """
    given: list[VerifierKey] = [key_of(each) for each in keys]
    settings = connected.settings
    trusted = {key.id: key.public for key in given} or trusted_keys(settings).get(settings.tenant, {})
    with content_store(connected.endpoints.content) as content:
        yield Checking(connected=connected, content=content, trusted=trusted)
