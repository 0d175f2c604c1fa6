"""The ledger: its key, its witnesses, its stores, and the check that the log is as long as it says."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

import httpx

from adapters.content.epochs import FileEpochStore
from adapters.content.segments import FileSegmentStore
from adapters.content.tiles import FileTileStore
from adapters.crypto.signing import FileSigner
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from adapters.nats.stored_log import JetStreamStoredLog
from adapters.remote.signer import RemoteSigner
from adapters.remote.witness import HttpWitness
from adapters.system.clock import SystemClock
from commands.archive import ArchivedLog, Copy, Damaged
from commands.audits import rotations_of
from commands.digests import Digesting
from commands.epochs import ArchivedEpochs
from commands.ledger import Identity, Ledger, check_length
from commands.ledger_ports import Signer
from commands.ports import EventStore
from domain.kernel.ids import Position
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note, VerifierKey
from domain.ledger.rotation import predecessors
from infra.bootstrap.processes import processes, processor_count
from infra.bootstrap.signing import pinned_key, token_signer
from infra.settings import Settings
from infra.stack.endpoints import Endpoints

SHARD = 0
"""One shard an epoch on one machine."""

FIRST = Position(0, SHARD, 1)
"""Where its log begins."""

WORTH_PROCESSES = 8
"""Segments from which on they are worth their start of a second."""

LEDGER_FOLDER = ".ledger"
"""In the content store's folder."""


def key_file(settings: Settings) -> Path:
    """Where the signing key is, or will be."""
    return settings.ledger.key or settings.data / "ledger.key"


def file_signer(settings: Settings) -> FileSigner:
    """The signer of the key file, which is made where there is none. Raises ``SigningKeyRefused``."""
    return FileSigner.kept(key_file(settings), settings.ledger.name or f"precedent.local/{secrets.token_hex(4)}")


def log_key(settings: Settings) -> VerifierKey:
    """The public key of this log; made where none is configured. Raises ``SigningKeyRefused``, ``SignerKeyMissing``."""
    if not settings.ledger.is_key_elsewhere:
        return file_signer(settings).key
    return pinned_key(settings.ledger.signer_key, "ledger.signer_key", "precedent audit keys")


def tile_store(content: Path) -> FileTileStore:
    """The tiles, beside the content; no tenant can have this name."""
    return FileTileStore(content / LEDGER_FOLDER)


def segment_store(content: Path) -> FileSegmentStore:
    """The archive, beside the tiles."""
    return FileSegmentStore(content / LEDGER_FOLDER)


def epoch_store(content: Path) -> FileEpochStore:
    """What is known of closed epochs, beside their segments."""
    return FileEpochStore(content / LEDGER_FOLDER)


def archived_epochs(content: Path, on_damaged: Damaged | None = None) -> ArchivedEpochs:
    """Epochs that the archive has. Damage is raised, or told to ``on_damaged``."""
    return ArchivedEpochs(segment_store(content), epoch_store(content), on_damaged)


def stored_log(connection: Connection, content: Path, on_damaged: Damaged | None = None) -> JetStreamStoredLog:
    """The log as it lies there, what has left the broker included."""
    return JetStreamStoredLog(connection, archived_epochs(content, on_damaged))


@contextmanager
def digesting(content: Path, log: ArchivedLog) -> Iterator[Digesting]:
    """What audits an archive, on all processors where there are several and it is worth their start."""
    segments = segment_store(content)
    count = processor_count()
    if count < 2 or len(segments.listed(SHARD)) < WORTH_PROCESSES:
        yield Digesting(log, segments, None, 1)
        return
    with processes(count, now=False) as several:
        yield Digesting(log, segments, several.executor, 2 * count)


def earlier_keys(settings: Settings) -> list[VerifierKey]:
    """Keys of this log before its present one, which did not say who follows: configured, or noted by a restore."""
    file = earlier_keys_file(settings)
    noted = file.read_text("utf-8").split() if file.exists() else []
    return [VerifierKey.parse(each) for each in (*settings.ledger.earlier_keys, *noted)]


def earlier_keys_file(settings: Settings) -> Path:
    """Where a restore without the signing key notes which key it trusted."""
    path = key_file(settings)
    return path.with_name(f"{path.name}.earlier")


@asynccontextmanager
async def identity(settings: Settings, store: EventStore) -> AsyncIterator[Identity]:
    """Who signs, and who must have seen it; the log tells which keys signed before."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=10.0, follow_redirects=False))
        signer = await _signer(settings, client, stack)
        earlier = earlier_keys(settings)
        yield Identity(
            signer,
            trusted=[*earlier, *predecessors(signer.key, await rotations_of(store, settings.tenant))],
            witnesses=[
                HttpWitness(client, each.url, VerifierKey.parse(each.key)) for each in settings.ledger.witnesses
            ],
            required=settings.ledger.witnesses_required,
        )


async def _signer(settings: Settings, client: httpx.AsyncClient, stack: AsyncExitStack) -> Signer:
    if not settings.ledger.is_key_elsewhere:
        return file_signer(settings)
    if settings.ledger.signer is not None:
        return RemoteSigner(client, settings.ledger.signer, log_key(settings))
    assert settings.ledger.pkcs11 is not None
    signer = token_signer(settings.ledger.pkcs11, log_key(settings))
    stack.push_async_callback(signer.close)
    await signer.connect()  # what is wrong with it is told at once, and not with the first checkpoint
    return signer


def ledger(connection: Connection, endpoints: Endpoints, known: Identity, *, archive: bool) -> Ledger:
    """The ledger of this machine's shard; with ``archive`` it keeps a copy of what it integrates."""
    return Ledger(
        SHARD,
        known,
        log=stored_log(connection, endpoints.content_directory),
        tiles=tile_store(endpoints.content_directory),
        checkpoints=JetStreamCheckpoints(connection),
        clock=SystemClock(),
        copy=Copy(segment_store(endpoints.content_directory), FIRST) if archive else None,
    )


async def check_whole(connection: Connection, endpoints: Endpoints) -> None:
    """Refuse to write to a log that is shorter than its newest checkpoint, on the broker or beside the tiles.

    Signatures are the ledger's and the auditor's to check: here a forged checkpoint can only keep us from writing.
    Raises ``LogTruncated``.
    """
    newest = await JetStreamCheckpoints(connection).newest(SHARD)
    log = stored_log(connection, endpoints.content_directory)
    beside = await tile_store(endpoints.content_directory).checkpoint(SHARD)
    for note in (newest[1] if newest else None, beside):
        if note is not None:
            await check_length(log, Checkpoint.parse(Note.parse(note).text), SHARD)


def next_key(settings: Settings) -> FileSigner:
    """The key that is to follow, kept beside the key file until ``take_next_key``; made once."""
    path = _next_file(settings)
    if not path.exists():
        with suppress(FileExistsError):
            FileSigner.generated(file_signer(settings).key.name).save(path)
    return FileSigner.load(path)


def take_next_key(settings: Settings) -> Path:
    """Let the next key be the key, and give where the old one is kept."""
    path = key_file(settings)
    retired = path.with_name(f"{path.name}.{FileSigner.load(path).key.hash.hex()}.retired")
    retired.unlink(missing_ok=True)
    retired.hardlink_to(path)  # so that there is a key at every moment
    _next_file(settings).replace(path)
    return retired


def _next_file(settings: Settings) -> Path:
    path = key_file(settings)
    return path.with_name(f"{path.name}.next")
