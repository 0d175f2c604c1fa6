"""``audit``: verify that the record is whole, and give auditors what they need to do so without us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from adapters.memory.ledger import MemoryCheckpointLog
from adapters.nats.checkpoints import JetStreamCheckpoints
from commands.archive import ArchivedLog, Damages
from commands.audits import Audits, Exports, Trust, rotations_in, rotations_of
from domain.kernel.errors import NotFound
from domain.kernel.values import format_time
from domain.ledger import bundle as bundles
from domain.ledger.notes import VerifierKey
from domain.runs.replay import Replay
from infra.bootstrap.content import content_store
from infra.bootstrap.ledger import (
    LEDGER_FOLDER,
    SHARD,
    digesting,
    earlier_keys,
    segment_store,
    stored_log,
    tile_store,
)
from infra.cli.audit_keys import keys, rotate_key
from infra.cli.bundles import replayed
from infra.cli.documents import DocumentInvalid, text_of, write_document
from infra.cli.exits import DONE, TAMPERED
from infra.cli.findings import finding_document, show_findings, show_report
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.naming import run_named
from infra.cli.output import counted
from infra.cli.publishing import published
from infra.cli.repair import repair
from infra.cli.session import session
from infra.cli.trust import key_of, keys_option, own_key, required_option, witness_option
from infra.settings import Settings


@click.group(
    epilog=examples(
        "precedent audit verify",
        "precedent audit verify --key log.key --checkpoint kept.txt",
        "precedent audit export RUN -o run.jsonl",
        "precedent audit verify --bundle run.jsonl --key log.key",
    )
)
def audit() -> None:
    """Verify that nothing in the record was edited, removed, inserted or reordered."""


@audit.command(
    short_help="Recompute the Merkle tree; compare it with what was signed.",
    epilog=examples(
        "precedent audit verify",
        "precedent audit verify --key log.example.org+1f0c…+AQ… --checkpoint kept.txt",
        "precedent audit verify --bundle run.jsonl --key log.key --json",
        "precedent audit verify --archive",
    ),
)
@click.option(
    "--bundle", "file", type=click.Path(path_type=Path), metavar="FILE", help="Verify this bundle; needs no server."
)
@click.option("--archive", is_flag=True, help="Verify the ledger's own copy of the log; needs no server.")
@keys_option
@click.option(
    "--checkpoint",
    "held",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A checkpoint that you kept: shows whether the log was cut or forked since. May be repeated.",
)
@witness_option
@required_option
@invoked
def verify(
    cli: Invocation,
    file: Path | None,
    key: str | None,
    held: tuple[Path, ...],
    witnesses: tuple[str, ...],
    required: int | None,
    *,
    archive: bool,
) -> int:
    """Recompute the Merkle tree of the log, of its archive, or of a bundle; compare it with the signed checkpoints.

    Exit code 0: whole. 4: tampering was found, and the findings say what and where.
    """
    seen = [key_of(each) for each in witnesses]
    wanted = len(seen) if required is None else required
    if file is not None:
        if key is None:
            raise click.UsageError("--bundle goes with --key: a key that came with the bundle would prove nothing")
        if held:
            raise click.UsageError("--checkpoint goes with the log; a bundle has the checkpoint it is proven under")
        if archive:
            raise click.UsageError("--bundle or --archive, not both")
        return _verify_bundle(cli, file, key_of(key), seen, wanted)
    kept = [text_of(str(each)) for each in held]

    def trust(settings: Settings) -> Trust:
        """By the own key only once there must be one: looking for it makes it."""
        if key is not None:
            return Trust(key=key_of(key), witnesses=seen, required=wanted, held=kept)
        earlier = earlier_keys(settings)
        return Trust(key=own_key(settings), witnesses=seen, required=wanted, held=kept, earlier=earlier)

    return complete(_verify_archive(cli, trust, held=bool(held)) if archive else _verify_log(cli, trust))


@audit.command(
    short_help="Write a run and all that proves it to one file.",
    epilog=examples("precedent audit export RUN -o run.jsonl", "precedent audit export RUN -o -"),
)
@click.argument("run")
@click.option(
    "-o", "output", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Write there; - for stdout."
)
@invoked
def export(cli: Invocation, run: str, output: Path) -> int:
    """Write RUN with its content, its proofs and a signed checkpoint to one file.

    Whoever has the log's key verifies it offline: `precedent audit verify --bundle FILE --key KEY`.
    """
    return complete(_export(cli, run, output))


@audit.command(epilog=examples("precedent audit checkpoint -o kept.txt"))
@click.option(
    "-o", "output", type=click.Path(path_type=Path), metavar="FILE", help="Write it there instead of printing it."
)
@invoked
def checkpoint(cli: Invocation, output: Path | None) -> int:
    """Print the newest signed checkpoint. Keep it elsewhere: with it you can tell later whether the log was cut."""
    return complete(_checkpoint(cli, output))


async def _verify_log(cli: Invocation, trusted: Callable[[Settings], Trust]) -> int:
    async with session(cli, services=False, whole=False) as connected:
        trust = trusted(connected.settings)
        own = own_key(connected.settings)
        content, damaged = connected.endpoints.content_directory, Damages(SHARD)
        audits = Audits(
            stored_log(connected.connection, content, damaged.add),
            JetStreamCheckpoints(connected.connection),
            tile_store(content),
        )
        rotations = await rotations_of(connected.store, connected.settings.tenant)
        with cli.output.progress("audit") as bar:
            report = await audits.verify(SHARD, trust, rotations, now=datetime.now(UTC), progress=bar)
    report.findings[:0] = damaged.findings()
    show_report(cli.output, report)
    if report.sound and not trust.held and not trust.witnesses and trust.key == own:
        cli.output.warn(
            "verified with this deployment's own key and its own checkpoints: a checkpoint kept elsewhere "
            "(--checkpoint) or a witness would also show whether the log was cut or rewritten by its owner"
        )
    return DONE if report.sound else TAMPERED


async def _verify_archive(cli: Invocation, trusted: Callable[[Settings], Trust], *, held: bool) -> int:
    settings = cli.settings()
    content, damaged = settings.content_directory, Damages(SHARD)
    log, tiles, checkpoints = (
        ArchivedLog(segment_store(content), damaged.add),
        tile_store(content),
        MemoryCheckpointLog(),
    )
    newest = await tiles.checkpoint(SHARD)
    if newest is not None:
        await checkpoints.publish(SHARD, newest, 0)
    elif not held:
        raise NotFound(
            f"there is no checkpoint in {content / LEDGER_FOLDER}, and so nothing to compare an archive with; name one "
            "that you kept with --checkpoint"
        )
    trust = trusted(settings)
    rotations = await rotations_in(ArchivedLog(segment_store(content), lambda _kept, _problem: None), SHARD)
    with cli.output.progress("audit") as bar, digesting(content, log) as processes:
        audits = Audits(log, checkpoints, tiles)
        report = await audits.verify(SHARD, trust, rotations, progress=bar, digesting=processes)
    report.findings[:0] = damaged.findings()
    show_report(cli.output, report)
    return DONE if report.sound else TAMPERED


def _verify_bundle(
    cli: Invocation, file: Path, key: VerifierKey, witnesses: Sequence[VerifierKey], required: int
) -> int:
    try:
        with file.open("rb") as opened:
            # Never more of a line than is looked at, whatever the file holds.
            read = bundles.read(iter(lambda: opened.readline(bundles.MAX_LINE + 1), b""))
    except OSError as error:
        raise DocumentInvalid(f"{file}: {error.strerror}; name a file that can be read") from None
    verified = bundles.verify(read, key, witnesses, required)
    replay = asyncio.run(replayed(read)) if verified.sound else None
    document: dict[str, Any] = {
        "bundle": str(file),
        "source": read.source,
        "events": len(read.events),
        "content": len(read.content),
        "sound": verified.sound,
        "findings": [finding_document(each) for each in verified.findings],
    }
    if verified.signed is not None:
        signed = verified.signed.checkpoint
        document["checkpoint"] = {"origin": signed.origin, "size": signed.size, "time": format_time(signed.time)}
        document["witnesses"] = [each.name for each in verified.signed.witnesses]
    if replay is not None:
        document["replay"] = {"effects": replay.effects, "status": replay.ended, "output_digest": replay.output_digest}
    cli.output.document(document)
    if verified.signed is None or not verified.sound:
        show_findings(cli.output, verified.findings, 0)
        return TAMPERED
    signed = verified.signed.checkpoint
    cli.output.show(
        Text.assemble(
            ("whole", "bold green"),
            f"  {counted(len(read.events), 'event')} of {read.source}, each proven in {signed.origin} as signed at "
            f"{format_time(signed.time)} over {counted(signed.size, 'event')}",
        ),
        Text(_replay_words(replay)),
    )
    if not verified.signed.witnesses:
        cli.output.show(Text("no witness was asked for; the key's owner alone vouches for the log", style="dim"))
    return DONE


def _replay_words(replay: Replay | None) -> str:
    if replay is None:
        return "an agent pursued the run, so that `precedent replay`, where the agent is, tells whether it replays"
    return f"the run replays identically: {counted(replay.effects, 'effect')} answered from its journal"


async def _export(cli: Invocation, name: str, output: Path) -> int:
    async with session(cli, services=False, whole=False, keeping=True) as connected:
        name = await run_named(connected, name)
        with content_store(connected.endpoints.content) as content:
            exports = Exports(
                connected.store,
                content,
                JetStreamCheckpoints(connected.connection),
                tile_store(connected.endpoints.content_directory),
            )
            loaded = await connected.store.load(connected.run(name))
            if loaded.events:
                await published(connected, loaded.events[-1].position)
            rotations = await rotations_of(connected.store, connected.settings.tenant)
            bundle = await exports.bundle(SHARD, connected.run(name), rotations)
        key = own_key(connected.settings)
    lines = b"".join(bundles.written(bundle))
    write_document(output, lines)
    if str(output) == "-":
        return DONE
    cli.output.document({"run": name, "file": str(output), "events": len(bundle.events), "bytes": len(lines)})
    cli.output.show(
        Text(f"{output}: {counted(len(bundle.events), 'event')}, {counted(len(bundle.content), 'content')}, proven"),
    )
    cli.output.show_line(f"precedent audit verify --bundle {output} --key {key}", "dim")
    return DONE


async def _checkpoint(cli: Invocation, output: Path | None) -> int:
    async with session(cli, services=False, whole=False) as connected:
        newest = await JetStreamCheckpoints(connected.connection).newest(SHARD)
    if newest is None:
        raise NotFound("there is no checkpoint yet; the ledger makes one within a second of the first event")
    note = newest[1]
    cli.output.document({"checkpoint": note, "file": None if output is None else str(output)})
    if output is None:
        cli.output.show_line(note.removesuffix("\n"))
        return DONE
    write_document(output, note.encode())
    cli.output.show(Text(f"{output}: the newest checkpoint"))
    return DONE


for each in (keys, rotate_key, repair):
    audit.add_command(each)
