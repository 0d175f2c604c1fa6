"""``audit keys`` and ``audit rotate-key``: which key signs the log, and which is to follow it."""

from __future__ import annotations

import asyncio

import click
from rich.text import Text

from adapters.system.clock import SystemClock
from commands.keys import record_rotation
from domain.kernel.errors import InvalidInput
from domain.ledger.notes import Note, VerifierKey
from infra.bootstrap.ledger import SHARD, file_signer, key_file, next_key, take_next_key, tile_store
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.session import principal, session


@click.command(epilog=examples("precedent audit keys", "precedent audit keys --json"))
@invoked
def keys(cli: Invocation) -> int:
    """Print the public key that auditors verify this log with."""
    settings = cli.settings()
    remote = settings.ledger.signer_key
    key = VerifierKey.parse(remote) if remote is not None else file_signer(settings).key
    kept = "a signer elsewhere" if remote is not None else str(key_file(settings))
    newest = asyncio.run(tile_store(settings.content_directory).checkpoint(SHARD))
    signed = None if newest is None else Note.parse(newest)
    cli.output.document({"key": str(key), "name": key.name, "private_key": kept, "development": remote is None})
    cli.output.show_line(str(key))
    if remote is None:
        cli.output.warn(
            f"the private key lies on this machine ({kept}): it proves nothing against whoever owns the machine, "
            "unless checkpoints are kept or witnessed elsewhere"
        )
    if signed is not None and not signed.signers([key]):
        cli.output.warn(
            "no checkpoint is signed with this key yet: the ledger takes it at its next start (precedent down, "
            "precedent up); until then the log verifies with the key before it"
        )
    return DONE


@click.command(
    name="rotate-key",
    short_help="Let a new key sign from the ledger's next start on.",
    epilog=examples("precedent audit rotate-key && precedent down && precedent up --detach"),
)
@invoked
def rotate_key(cli: Invocation) -> int:
    """Let a new key sign from the ledger's next start on; the old key says so in an event of the log.

    Whoever trusts the old key follows that event to the new one. It may be repeated until it is done.
    """
    return complete(_rotate_key(cli))


async def _rotate_key(cli: Invocation) -> int:
    async with session(cli, services=False) as connected:
        settings = connected.settings
        if settings.ledger.signer is not None:
            raise InvalidInput(
                "ledger.signer: the key is kept elsewhere; rotate it there, then name the new one as ledger.signer_key "
                "and the old one in ledger.earlier_keys"
            )
        old, new = file_signer(settings), next_key(settings)
        actor = f"operator:{principal()}"
        await record_rotation(connected.store, SystemClock(), settings.tenant, SHARD, old, new.key, actor)
        retired = take_next_key(settings)
    cli.output.document({"old": str(old.key), "new": str(new.key), "retired": str(retired)})
    cli.output.show_line(str(new.key))
    cli.output.show(
        Text(f"follows {old.key}; its private key is kept as {retired}: destroy it once the ledger runs again"),
        Text("the ledger takes the new key at its next start: precedent down, precedent up", style="dim"),
    )
    return DONE
