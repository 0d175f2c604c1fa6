"""``backup``: all that cannot be made again, in one file."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson
import yaml
from rich import filesize
from rich.text import Text

from adapters.content.backup_file import BackupWriter
from adapters.content.segments import LEVEL
from adapters.nats.checkpoints import JetStreamCheckpoints
from commands.archive import ArchivedLog, JoinedLog
from commands.audits import Trust, checkpoint_of, keys_of, rotations_of
from commands.backups import segments_of
from domain.kernel.errors import InvalidInput, NotFound, PrecedentError
from domain.kernel.values import format_time
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from infra.bootstrap.content import content_store
from infra.bootstrap.ledger import SHARD, earlier_keys, key_file, segment_store, stored_log
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.output import counted
from infra.cli.publishing import published
from infra.cli.session import Session, session
from infra.cli.trust import own_key
from infra.settings import Settings
from infra.settings.show import without_password


@click.command(epilog=examples("precedent backup -o precedent.tar", "precedent backup -o precedent.tar --with-key"))
@click.option("-o", "output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Write there.")
@click.option("--with-key", is_flag=True, help="Also the private key that signs checkpoints: keep such a file safe.")
@invoked
def backup(cli: Invocation, output: Path, *, with_key: bool) -> int:
    """Write the log, all checkpoints, and all content to FILE, while all runs or nothing.

    The read side is not in it: it is made again. Nor are secrets, and the signing key only with --with-key.
    What is written has the signed root, or nothing is written.
    """
    return complete(_backup(cli, output, with_key=with_key))


async def _backup(cli: Invocation, output: Path, *, with_key: bool) -> int:
    async with session(cli, services=False, whole=False, keeping=True) as connected:
        settings = connected.settings
        key = _private_key(settings) if with_key else None
        log = _log(connected)
        _, end = await log.extent(SHARD)
        try:
            await published(connected, end)
        except PrecedentError as problem:  # what stands under the newest checkpoint can be kept all the same
            cli.output.note(f"no checkpoint over the newest events: {problem}")
        checkpoint, note, rotations = await _newest(connected)
        with BackupWriter.writing(output) as writer, cli.output.progress("backup") as bar:
            async for kept, data in segments_of(log, checkpoint, bar):
                name = f"segments/{SHARD}/{kept.first:020}-{kept.last:020}.segment.gz"
                writer.add(name, await asyncio.to_thread(gzip.compress, data, LEVEL, mtime=0))
            count = 0
            with content_store(connected.endpoints.content) as blobs:
                async for tenant, digest in blobs.listed():
                    writer.add(_name(tenant, digest.removeprefix("sha256:")), await blobs.get(tenant, digest))
                    count += 1
            writer.add("checkpoints.jsonl", b"".join([line async for line in _checkpoints(connected, checkpoint)]))
            writer.add("configuration.yaml", yaml.safe_dump(configuration(settings), sort_keys=False).encode())
            if key is not None:
                writer.add("ledger.key", key)
            created = format_time(datetime.now(UTC))
            about = {"created": created, "checkpoint": note, "rotations": rotations, "events": checkpoint.size}
            writer.finish({**about, "key": str(own_key(settings))})
    size, left = _size(output), max(0, end.sequence - checkpoint.position(checkpoint.size - 1).sequence)
    cli.output.document(
        {
            "file": str(output),
            "events": checkpoint.size,
            "left": left,
            "content": count,
            "bytes": size,
            "key": with_key,
        }
    )
    cli.output.show(
        Text(
            f"{output}: {counted(checkpoint.size, 'event')}, {counted(count, 'content')}, {filesize.decimal(size)}, as "
            f"signed at {format_time(checkpoint.time)}"
        ),
        Text(f"precedent restore {output} --data DIR --key {own_key(settings)}", style="dim"),
    )
    if left:
        cli.output.note(
            f"{counted(left, 'event')} under no checkpoint yet {'is' if left == 1 else 'are'} not in it: see with "
            "`precedent status` that the ledger runs, and back up again"
        )
    if key is None:
        cli.output.note("the signing key is not in it: keep a copy elsewhere, or a restored log signs with a new one")
    return DONE


def _log(connected: Session) -> JoinedLog:
    content = connected.endpoints.content_directory
    return JoinedLog(ArchivedLog(segment_store(content)), stored_log(connected.connection, content))


async def _newest(connected: Session) -> tuple[Checkpoint, str, list[str]]:
    newest = await JetStreamCheckpoints(connected.connection).newest(SHARD)
    if newest is None:
        raise NotFound("there is no checkpoint yet, so nothing to back up; the ledger makes one with the first event")
    rotations = await rotations_of(connected.store, connected.settings.tenant)
    settings = connected.settings
    trust = Trust(key=own_key(settings), earlier=earlier_keys(settings))
    return checkpoint_of(newest[1], keys_of(trust, rotations)), newest[1], rotations


async def _checkpoints(connected: Session, newest: Checkpoint) -> AsyncIterator[bytes]:
    async for note in JetStreamCheckpoints(connected.connection).all(SHARD):
        if Checkpoint.parse(Note.parse(note).text).size <= newest.size:
            yield orjson.dumps({"shard": SHARD, "note": note}) + b"\n"


def _name(tenant: str, digits: str) -> str:
    return f"content/{tenant}/{digits[:2]}/{digits}"


def _size(path: Path) -> int:
    return path.stat().st_size


def _private_key(settings: Settings) -> bytes:
    if settings.ledger.is_key_elsewhere:
        raise InvalidInput("--with-key: the key is kept elsewhere (ledger.signer, ledger.pkcs11), and in no file here")
    return key_file(settings).read_bytes()


def configuration(settings: Settings) -> dict[str, Any]:
    """What was configured, without secrets and without what belongs to this machine's folders."""
    given: dict[str, Any] = settings.model_dump(mode="json", exclude_defaults=True, exclude={"data", "content"})
    given.get("nats", {}).pop("password", None)
    database = given.get("database", {})
    if "url" in database:
        database["url"] = without_password(database["url"])
    return given
