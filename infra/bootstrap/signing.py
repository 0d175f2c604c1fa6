"""Signing keys that lie in tokens."""

from __future__ import annotations

from adapters.crypto.token_signer import Token, TokenSigner
from domain.kernel.errors import InvalidInput
from domain.ledger.notes import VerifierKey
from infra.settings.token import TokenSettings


class SignerKeyMissing(InvalidInput):
    """Set the key that the message names: ``precedent audit keys`` prints it, with ``--programs`` that for programs."""

    code = "ledger.signer-key-missing"


def token_of(chosen: TokenSettings) -> Token:
    """A key in a token, as it is configured."""
    return Token(
        module=chosen.module,
        token=chosen.token,
        key=chosen.key,
        pin_env=chosen.pin_env,
        pin_file=chosen.pin_file,
    )


def pinned_key(line: str | None, setting: str, command: str) -> VerifierKey:
    """The public key that a token must sign with. Raises ``SignerKeyMissing``."""
    if line is None:
        raise SignerKeyMissing(
            f"{setting} is not set: a token signs only with the key that is named there; `{command}` prints it"
        )
    return VerifierKey.parse(line)


def token_signer(chosen: TokenSettings, key: VerifierKey) -> TokenSigner:
    """A signer with a key in a token; nothing is started before it signs."""
    return TokenSigner(token_of(chosen), key)
