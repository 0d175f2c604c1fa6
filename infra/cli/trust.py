"""Whose signatures count: keys on the command line, and this deployment's own."""

from __future__ import annotations

from pathlib import Path

import click

from commands.audits import is_key
from domain.ledger.notes import VerifierKey
from infra.bootstrap.ledger import log_key
from infra.cli.documents import DocumentInvalid, text_of
from infra.settings import Settings

keys_option = click.option(
    "--key",
    metavar="KEY|FILE",
    help="The log's verifier key, or a file that holds it. Default: this deployment's own key.",
)
witness_option = click.option(
    "--witness", "witnesses", metavar="KEY|FILE", multiple=True, help="A witness's verifier key; may be repeated."
)
required_option = click.option(
    "--witnesses-required",
    "required",
    type=click.IntRange(min=0),
    metavar="N",
    help="Witnesses that must have signed a checkpoint. Default: all that are given.",
)


def key_of(text: str) -> VerifierKey:
    """A key, spelled out or in a file. Raises ``KeyInvalid``, ``DocumentInvalid``."""
    if is_key(text):
        return VerifierKey.parse(text)
    if text != "-" and not Path(text).exists():
        raise DocumentInvalid(f"{text[:80]} is no verifier key (name+hash+key), and no file of this name holds one")
    return VerifierKey.parse(text_of(text).strip())


def own_key(settings: Settings) -> VerifierKey:
    """This deployment's key. Raises ``SigningKeyRefused``, ``SignerKeyMissing``."""
    return log_key(settings)
