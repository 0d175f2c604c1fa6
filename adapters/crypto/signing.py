"""The ledger's signing key in a file: a development key, since whoever owns the machine owns the key.

The file holds one line, as other tools of signed notes write it:
``PRIVATE+KEY+<name>+<hash>+<base64 of type and seed>``.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.system.folders import flush_folder
from adapters.system.private_files import ReadableByOthers, read_private
from adapters.system.whole_files import appearing
from domain.kernel.errors import InvalidInput
from domain.ledger.notes import ED25519, VerifierKey

PREFIX = "PRIVATE+KEY+"


class SigningKeyRefused(InvalidInput):
    """The key file cannot be used: give it back its bytes and a mode that only its owner can read, or name another."""

    code = "ledger.signing-key-refused"


def private_text(path: Path, what: str, way_out: str) -> str:
    """Read a secret. Raises ``SigningKeyRefused``."""
    try:
        return read_private(path, way_out).decode()
    except ReadableByOthers as problem:
        raise SigningKeyRefused(f"{what} {problem}") from None
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is no text"
        raise SigningKeyRefused(f"{what} {path} cannot be read: {reason}") from None


class FileSigner:
    """The ``Signer`` port with a key in a file of mode 0600."""

    def __init__(self, key: VerifierKey, private: Ed25519PrivateKey) -> None:
        self._key = key
        self._private = private

    @property
    def key(self) -> VerifierKey:
        """As the port says."""
        return self._key

    async def sign(self, message: bytes) -> bytes:
        """As the port says."""
        return self._private.sign(message)

    @classmethod
    def generated(cls, name: str) -> Self:
        """A new key under this name."""
        return cls._of(name, secrets.token_bytes(32))

    @classmethod
    def _of(cls, name: str, seed: bytes) -> Self:
        private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(VerifierKey(name, ED25519, private.public_key().public_bytes_raw()), private)

    def save(self, path: Path) -> None:
        """Write the key to a new file that only its owner can read, whole or not at all. Raises ``FileExistsError``."""
        encoded = base64.b64encode(bytes([ED25519]) + self._private.private_bytes_raw()).decode()
        line = f"{PREFIX}{self._key.name}+{self._key.hash.hex()}+{encoded}\n"
        with appearing(path, replacing=False) as file:
            file.write(line.encode())
        flush_folder(path.parent)

    @classmethod
    def kept(cls, path: Path, name: str) -> Self:
        """The key of this file; where there is none, a new one under this name. Raises ``SigningKeyRefused``."""
        if not path.exists():
            try:
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                with suppress(FileExistsError):  # another process made it in between
                    cls.generated(name).save(path)
            except OSError as problem:
                raise SigningKeyRefused(
                    f"the signing key {path} is not there and cannot be made: {problem.strerror}; name a place that "
                    "can be written to, or put a key there"
                ) from None
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a key file. Raises ``SigningKeyRefused``."""
        line = private_text(path, "the signing key", "rotate the key").strip()
        try:
            return cls._parsed(line)
        except (ValueError, binascii.Error, InvalidInput):
            raise SigningKeyRefused(f"{path} holds no signing key: it is one line that begins with {PREFIX}") from None

    @classmethod
    def _parsed(cls, line: str) -> Self:
        if not line.startswith(PREFIX):
            raise ValueError("no key")
        name, written, encoded = line.removeprefix(PREFIX).split("+", 2)
        data = base64.b64decode(encoded, validate=True)
        if len(data) != 33 or data[0] != ED25519:
            raise ValueError("no Ed25519 key")
        signer = cls._of(name, data[1:])
        if signer.key.hash.hex() != written:
            raise ValueError("the hash is of another key")
        return signer
