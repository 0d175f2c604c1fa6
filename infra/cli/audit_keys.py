"""``audit keys`` and ``audit rotate-key``: which key signs the log, and which is to follow it."""

from __future__ import annotations

import asyncio

import click
from rich.text import Text

from adapters.crypto.token_signer import public_key
from adapters.system.clock import SystemClock
from commands.keys import record_rotation
from domain.kernel.errors import InvalidInput
from domain.ledger.notes import ED25519, Note, VerifierKey
from infra.bootstrap.ledger import SHARD, file_signer, key_file, log_key, next_key, take_next_key, tile_store
from infra.bootstrap.reuse import program_key, program_key_file
from infra.bootstrap.signing import token_of
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, complete, examples, invoked
from infra.cli.session import principal, session
from infra.settings import Settings
from infra.settings.token import TokenSettings


@click.command(epilog=examples("precedent audit keys", "precedent audit keys --json"))
@click.option("--programs", "is_of_programs", is_flag=True, help="The key that signs programs instead.")
@invoked
def keys(cli: Invocation, *, is_of_programs: bool) -> int:
    """Print the public key that auditors verify this log with.

    While a token is configured and no signer_key, it is the token's own: name it in the configuration.
    """
    settings = cli.settings()
    if is_of_programs:
        return _program_keys(cli, settings)
    chosen = settings.ledger
    key = _shown(chosen.pkcs11, chosen.signer_key, "ledger.signer_key", settings) or log_key(settings)
    kept = _place(chosen.pkcs11) or ("a signer elsewhere" if chosen.is_key_elsewhere else str(key_file(settings)))
    newest = asyncio.run(tile_store(settings.content_directory).checkpoint(SHARD))
    signed = None if newest is None else Note.parse(newest)
    cli.output.document(
        {"key": str(key), "name": key.name, "private_key": kept, "development": not chosen.is_key_elsewhere}
    )
    cli.output.show_line(str(key))
    if not chosen.is_key_elsewhere:
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


def _program_keys(cli: Invocation, settings: Settings) -> int:
    chosen = settings.programs
    key = _shown(chosen.pkcs11, chosen.signer_key, "programs.signer_key", settings) or program_key(settings)
    kept = _place(chosen.pkcs11) or str(program_key_file(settings))
    cli.output.document({"key": str(key), "name": key.name, "private_key": kept, "development": chosen.pkcs11 is None})
    cli.output.show_line(str(key))
    return DONE


def _place(token: TokenSettings | None) -> str:
    return "" if token is None else f"key {token.key!r} in the token {token.token!r}"


def _shown(token: TokenSettings | None, line: str | None, setting: str, settings: Settings) -> VerifierKey | None:
    """A token's own key while none is named; None where one is, or there is no token."""
    if token is None or line is not None:
        return None
    if settings.ledger.name is None:
        raise InvalidInput(f"ledger.name is not set: give the log a name, which is part of {setting}")
    name = settings.ledger.name if setting.startswith("ledger") else f"{settings.ledger.name}/programs"
    return VerifierKey(name, ED25519, asyncio.run(public_key(token_of(token))))


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
        if settings.ledger.is_key_elsewhere:
            raise InvalidInput(
                "ledger.signer, ledger.pkcs11: the key is kept elsewhere; rotate it there, then name the new one as "
                "ledger.signer_key and the old one in ledger.earlier_keys"
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
