"""``restore``: a deployment out of a backup, nothing of which is believed before it is verified."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import orjson
from rich.text import Text

from adapters.content.backup_file import BackupDamaged, BackupReader
from adapters.crypto.signing import FileSigner
from adapters.memory.ledger import MemoryCheckpointLog, MemoryTileStore
from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.log_writer import JetStreamLogWriter
from adapters.nats.stored_log import JetStreamStoredLog
from commands.archive import ArchivedLog, Damages
from commands.audits import Audits, Trust, rotations_in
from commands.backups import Progress, make_tiles, missing_content
from commands.epochs import recall
from commands.repairs import How, Repairs
from domain.kernel.errors import InvalidInput, PrecedentError
from domain.kernel.values import digest_bytes
from domain.ledger.auditing import Report
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note, VerifierKey
from infra.bootstrap.content import content_store
from infra.bootstrap.ledger import (
    LEDGER_FOLDER,
    SHARD,
    archived_epochs,
    earlier_keys_file,
    epoch_store,
    key_file,
    segment_store,
    stored_log,
    tile_store,
)
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import counted
from infra.cli.session import Session, session
from infra.cli.stack import data_option
from infra.cli.trust import key_of
from infra.settings import Settings
from infra.stack.directory import DataDirectory
from projections import builds
from projections.catalog import PROJECTIONS
from projections.runner import Runner
from projections.waiting import wait_for

PROJECTED_WITHIN: Final = 24 * 3600.0
"""Seconds for the read side to be made again."""


@click.command(epilog=examples("precedent restore precedent.tar --data /srv/restored --key log.key"))
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@data_option
@click.option(
    "--key",
    required=True,
    metavar="KEY|FILE",
    help="The log's verifier key, kept apart from the backup: one that came with it would prove nothing.",
)
@invoked
def restore(cli: Invocation, file: Path, data: Path | None, key: str) -> int:
    """Make a deployment out of the backup FILE, in an empty data directory.

    Every event gets the place and the bytes that it had, verified against the signed checkpoints before anything
    starts; the read side is made again. Exit code 4: the backup is damaged or not genuine; nothing is left behind.
    """
    return complete(_restore(cli, file, cli.settings(data=data), key_of(key)))


@dataclass(frozen=True, slots=True)
class _Found:
    """What a backup says."""

    notes: Sequence[str]
    report: Report

    @property
    def newest(self) -> str:
        return self.notes[-1]

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(Note.parse(self.newest).text)


async def _restore(cli: Invocation, file: Path, settings: Settings, key: VerifierKey) -> int:
    content = settings.content_directory
    with BackupReader.reading(file) as backup, _emptied_on_failure(settings.data, content):
        DataDirectory.prepare(settings.data)
        with cli.output.progress("unpack") as bar:
            names = backup.names()
            unpacked = [name for name in names if not name.startswith("content/")]
            for done, name in enumerate(unpacked, start=1):
                await asyncio.to_thread(_unpack, backup, name, settings)
                bar(done, len(unpacked))
        found = await _verified(cli, backup, content, key)
        if not found.report.sound:
            raise _NotGenuine(found.report)
        with cli.output.progress("content") as bar:
            await _put_content(backup, settings, bar)
        has_key = "ledger.key" in names
        if not has_key and not settings.ledger.is_key_elsewhere:
            _new_key(settings, key)
        await recall(segment_store(content), epoch_store(content), SHARD)
        async with session(cli, services=False, settings=settings, whole=False, keeping=True) as connected:
            report = await _put_back(cli, connected, found, Trust(key=key))
        if report.root != found.report.root:
            raise BackupDamaged(f"{file}: the restored log has another root than the backup")
    cli.output.document(
        {"data": str(settings.data), "events": report.events, "root": report.root.hex(), "sound": True, "key": has_key}
    )
    cli.output.show(
        Text.assemble(
            ("whole", "bold green"),
            f"  {counted(report.events, 'event')} in {settings.data}, with the root that was signed",
        ),
        Text(f"precedent up --detach --data {settings.data}", style="dim"),
    )
    if not has_key:
        cli.output.warn(
            f"the backup has no signing key: put it at {key_file(settings)} before you start, or a new key signs from "
            "here on, which `precedent audit keys` prints and auditors must be told of"
        )
    return DONE


class _NotGenuine(PrecedentError):
    code = "backup.damaged"

    def __init__(self, report: Report) -> None:
        first = report.findings[0]
        where = f" ({first.first})" if first.first else ""
        super().__init__(f"the backup is not what was signed: {first.message}{where}; nothing was restored")
        self.report = report


@contextmanager
def _emptied_on_failure(*folders: Path) -> Iterator[None]:
    """Refuse folders that hold anything; whatever fails later leaves them as they were."""
    for folder in folders:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{folder}: this is not empty; a restore needs an empty data directory (--data DIR)")
    were = [folder for folder in folders if folder.exists()]
    try:
        yield
    except BaseException:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        for folder in were:
            folder.mkdir(parents=True, exist_ok=True)
        raise


def _unpack(backup: BackupReader, name: str, settings: Settings) -> None:
    if name.startswith("segments/"):
        _, shard, file = name.split("/")
        target = settings.content_directory / LEDGER_FOLDER / shard / "segments" / file
    elif name == "ledger.key":
        target = key_file(settings)
    else:
        target = settings.data / f"restored-{name}"
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.touch(mode=0o600, exist_ok=False)
        with target.open("wb") as stream:
            backup.copy(name, stream)
    except OSError as error:
        raise InvalidInput(f"{target}: {error.strerror or error}; free some space, or name another --data") from error


async def _verified(cli: Invocation, backup: BackupReader, content: Path, key: VerifierKey) -> _Found:
    """Compare events with every signed checkpoint, and content with its digests."""
    damaged, checkpoints = Damages(SHARD), MemoryCheckpointLog()
    log = ArchivedLog(segment_store(content), damaged.add)
    notes = _notes(backup)
    for place, note in enumerate(notes):
        await checkpoints.publish(SHARD, note, place)
    trust = Trust(key=key)
    with cli.output.progress("verify") as bar:
        rotations = await rotations_in(log, SHARD)
        report = await Audits(log, checkpoints, MemoryTileStore()).verify(SHARD, trust, rotations, progress=bar)
    report.findings[:0] = damaged.findings()
    contents = _contents(backup)
    for name, (_, digest) in contents.items():
        if digest_bytes(await asyncio.to_thread(backup.read, name)) != digest:
            raise BackupDamaged(f"{name} of the backup does not have the digest that is its name")
    present = set(contents.values())

    def is_there(tenant: str, digest: str) -> bool:
        return (tenant, digest) in present

    report.findings.extend(await missing_content(log, SHARD, is_there))
    return _Found(notes, report)


def _contents(backup: BackupReader) -> dict[str, tuple[str, str]]:
    """Tenant and digest of every content, by its name in the backup."""
    parts = {name: name.split("/") for name in backup.names() if name.startswith("content/")}
    return {name: (tenant, f"sha256:{digits}") for name, (_, tenant, _, digits) in parts.items()}


async def _put_content(backup: BackupReader, settings: Settings, bar: Progress) -> None:
    """Only after all of it was verified: a bucket may hold other content, and nothing is taken out of it again."""
    contents = _contents(backup)
    with content_store(settings.content) as store:
        for done, (name, (tenant, _)) in enumerate(contents.items(), start=1):
            await store.put(tenant, await asyncio.to_thread(backup.read, name), "application/octet-stream")
            bar(done, len(contents))


def _notes(backup: BackupReader) -> list[str]:
    if "checkpoints.jsonl" not in backup.names():
        raise BackupDamaged("the backup has no checkpoints: nothing says what its events must be")
    try:
        notes = [str(orjson.loads(line)["note"]) for line in backup.read("checkpoints.jsonl").splitlines()]
        assert notes[-1] == backup.about["checkpoint"]
    except (orjson.JSONDecodeError, KeyError, TypeError, IndexError, AssertionError):
        raise BackupDamaged("checkpoints.jsonl of the backup cannot be read, or does not end with its newest") from None
    return notes


def _new_key(settings: Settings, trusted: VerifierKey) -> None:
    """Without the key a new one of the same name signs from here on; what the old one signed still counts."""
    FileSigner.generated(trusted.name).save(key_file(settings))
    earlier_keys_file(settings).write_text(f"{trusted}\n", "utf-8")


async def _put_back(cli: Invocation, connected: Session, found: _Found, trust: Trust) -> Report:
    content = connected.endpoints.content_directory
    tiles, checkpoints = tile_store(content), JetStreamCheckpoints(connected.connection)
    archive, archived = segment_store(content), archived_epochs(content)
    log = stored_log(connected.connection, content)
    first, last = await JetStreamStoredLog(connected.connection).extent(SHARD)
    if last.sequence >= first.sequence or await checkpoints.newest(SHARD) is not None:
        raise InvalidInput("the broker that is configured holds a log already; a restore needs an empty one")
    place = 0
    for note in found.notes:
        place = await checkpoints.publish(SHARD, note, place)
    await make_tiles(ArchivedLog(archive), found.checkpoint, tiles)
    await tiles.put_checkpoint(SHARD, found.newest)
    repairs = Repairs(log, archive, checkpoints, tiles)
    plan = await repairs.plan(SHARD, trust)
    assert plan.how is How.APPEND or not plan.missing, "an empty broker is appended to"
    with cli.output.progress("restore") as bar:
        await repairs.carry_out(plan, JetStreamLogWriter(connected.connection, archived), progress=bar)
    with cli.output.working("making the read side again"):
        await _project(connected)
    return await Audits(log, checkpoints, tiles).verify(SHARD, trust, await rotations_in(log, SHARD))


async def _project(connected: Session) -> None:
    await builds.prepare(connected.database, PROJECTIONS.values())
    runner = asyncio.create_task(Runner(connected.store, connected.database, tuple(PROJECTIONS.values())).run())
    reached = asyncio.create_task(
        wait_for(connected.database, await connected.store.end(), PROJECTIONS, PROJECTED_WITHIN)
    )
    try:
        done, _ = await asyncio.wait((runner, reached), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in (runner, reached):
            task.cancel()
            with suppress(asyncio.CancelledError, PrecedentError):
                await task
