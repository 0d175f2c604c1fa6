"""What is reused here: the embedder, the vector index, the keys and the terms."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from adapters.crypto.signing import FileSigner
from adapters.system.kept_streams import FileStreams
from commands.cache.semantic_hearing import Answers
from commands.evidence import EvidenceBook
from commands.feed import Feed
from commands.heard import Heard
from commands.ledger_ports import Signer
from commands.ports import Clock, EventStore
from commands.programs.hearing import Programs
from commands.reuse import Reuse
from domain.ledger.notes import VerifierKey
from infra.bootstrap.embedding import embedder
from infra.bootstrap.signing import pinned_key, token_signer
from infra.bootstrap.vectors import vector_index
from infra.settings import Settings


def program_key_file(settings: Settings) -> Path:
    """Where the key is that signs programs, or will be."""
    return settings.programs.key or settings.data / "programs.key"


def program_signer(settings: Settings) -> FileSigner:
    """The signer of programs; its key is made where there is none. Raises ``SigningKeyRefused``."""
    return FileSigner.kept(program_key_file(settings), f"precedent.local/programs/{secrets.token_hex(4)}")


def program_key(settings: Settings) -> VerifierKey:
    """The public key of what is published here. Raises ``SigningKeyRefused``, ``SignerKeyMissing``."""
    if settings.programs.pkcs11 is None:
        return program_signer(settings).key
    return pinned_key(settings.programs.signer_key, "programs.signer_key", "precedent audit keys --programs")


def trusted_keys(settings: Settings) -> dict[str, Mapping[str, bytes]]:
    """By tenant, the keys whose programs may run: those that are named, and our own for our own tenant.

    Makes no key: who only looks at programs leaves nothing behind, and where there is none nothing was signed by it.
    Raises ``SigningKeyRefused``, ``SignerKeyMissing``.
    """
    lines = {tenant: [VerifierKey.parse(line) for line in named] for tenant, named in settings.programs.trusted.items()}
    if settings.programs.pkcs11 is not None or program_key_file(settings).exists():
        lines.setdefault(settings.tenant, []).append(program_key(settings))
    return {tenant: {key.id: key.public for key in keys} for tenant, keys in lines.items()}


@asynccontextmanager
async def reuse(settings: Settings) -> AsyncIterator[Reuse]:
    """The ports of reuse. Nothing is loaded or started before it is asked for."""
    async with AsyncExitStack() as stack:
        points = await stack.enter_async_context(embedder(settings))
        index = await stack.enter_async_context(vector_index(settings, points, "reuse"))
        signer = _publisher(settings, stack) if settings.programs.publish else None  # before its key is trusted
        yield Reuse(
            embedder=points,
            vectors=index,
            signer=signer,
            trusted=trusted_keys(settings),
            policy=settings.programs.policy,
            evidence=EvidenceBook(policy=settings.cache.evidence.policy),
            heard=Heard(stack.enter_context(FileStreams(settings.data))),
        )


def _publisher(settings: Settings, stack: AsyncExitStack) -> Signer:
    if settings.programs.pkcs11 is None:
        return program_signer(settings)
    signer = token_signer(settings.programs.pkcs11, program_key(settings))
    stack.push_async_callback(signer.close)
    return signer


def feed_of(store: EventStore, clock: Clock, filled: Reuse) -> Feed:
    """What tells these ports of every event that concerns them."""
    process = secrets.token_hex(8)
    programs, answers = Programs(filled, process), Answers(filled, process)
    listeners = {
        "program": (filled.heard.hear, programs.hear),
        "cache": (filled.heard.hear, filled.evidence.hear, filled.delegations.hear, answers.hear),
    }
    feed = Feed(store, clock, listeners, [programs.flush, answers.flush])
    filled.revocations.silence = lambda: feed.silent_for("program")
    filled.heard.silent_for = feed.silent_for
    return feed
