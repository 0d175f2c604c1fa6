"""A signing key in a hardware security module or smart card, by way of its PKCS#11 module (CKM_EDDSA).

The module runs in a process of its own (``token_process``), which is started when a signature is first wanted. One that
does not answer is ended and started anew the next time, so that a token that was taken out and put back signs again. A
PIN that was refused once is not tried again by this process: tokens lock themselves after a few.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from adapters.crypto.signing import SigningKeyRefused, private_text
from domain.kernel.errors import ServiceUnreachable
from domain.ledger.notes import VerifierKey

OPENS_WITHIN: Final = 30.0
"""Seconds for a module to load, log in and find its key; those behind a network take some."""

SIGNS_WITHIN: Final = 10.0
"""Seconds for a signature."""

TRIES_EVERY: Final = 2.0
"""Seconds between two starts of a module that fails."""

MAX_PIN: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A key in a token, and where its PIN is."""

    module: Path
    """The shared library that the token's maker gives."""
    token: str
    """Label of the token."""
    key: str
    """Label of the private key (CKA_LABEL)."""
    pin_env: str | None = None
    pin_file: Path | None = None

    def pin(self) -> str:
        """Read the PIN. Raises ``SigningKeyRefused``."""
        if self.pin_file is not None:
            where = str(self.pin_file)
            pin = private_text(self.pin_file, "the PIN file", "change the PIN").rstrip("\r\n")
        else:
            where = f"the environment variable {self.pin_env}"
            pin = os.environ.get(self.pin_env or "", "")
        if not 0 < len(pin.encode()) <= MAX_PIN or not pin.isprintable():
            raise SigningKeyRefused(f"{where} holds no PIN for the token {self.token!r}: it is one line, and not empty")
        return pin


class TokenSigner:
    """The ``Signer`` port with a key in a token."""

    def __init__(
        self, token: Token, key: VerifierKey, opens_within: float = OPENS_WITHIN, signs_within: float = SIGNS_WITHIN
    ) -> None:
        """``key`` is what the token's key must be: whoever exchanges the token signs nothing in its name."""
        self._token = token
        self._key = key
        self._module = _Module(token, opens_within, signs_within)

    @property
    def key(self) -> VerifierKey:
        """As the port says."""
        return self._key

    async def connect(self) -> None:
        """Log in now, to know that it goes. Raises ``SigningKeyRefused``, ``ServiceUnreachable``."""
        public = await self._module.public()
        if public is not None and public != self._key.public:
            found = VerifierKey(self._key.name, self._key.kind, public)
            raise SigningKeyRefused(
                f"the key {self._token.key!r} in the token {self._token.token!r} is {found}, not {self._key}: name it "
                "as signer_key if that is meant, and the one before it among the earlier keys"
            )

    async def sign(self, message: bytes) -> bytes:
        """As the port says. A signature that does not verify is none. Raises also ``SigningKeyRefused``."""
        signature = await self._module.sign(message)
        try:
            Ed25519PublicKey.from_public_bytes(self._key.public).verify(signature, message)
        except InvalidSignature:
            raise SigningKeyRefused(
                f"the key {self._token.key!r} in the token {self._token.token!r} is another than {self._key}: name the "
                "right one, by its label"
            ) from None
        return signature

    async def close(self) -> None:
        """End the module's process."""
        await self._module.end()


async def public_key(token: Token) -> bytes:
    """Give the public key that the token shows, 32 bytes. Raises ``SigningKeyRefused``, ``ServiceUnreachable``."""
    module = _Module(token, OPENS_WITHIN, SIGNS_WITHIN)
    try:
        public = await module.public()
    finally:
        await module.end()
    if public is None:
        raise SigningKeyRefused(
            f"the token {token.token!r} does not show the public key of {token.key!r}: take it from where the key was "
            "made, or store the public key with the same label"
        )
    return public


class _Module:
    """The process with the module, while it answers."""

    def __init__(self, token: Token, opens_within: float, signs_within: float) -> None:
        self._token = token
        self._opens_within = opens_within
        self._signs_within = signs_within
        self._process: asyncio.subprocess.Process | None = None
        self._public: bytes | None = None
        self._turn = asyncio.Lock()
        self._refused = ""
        """Why nobody need try again."""
        self._failed = 0.0, ""
        """Until when not to try again, and why."""

    async def public(self) -> bytes | None:
        """The public key; None where the token does not show it."""
        async with self._turn:
            await self._started()
            return self._public

    async def sign(self, message: bytes) -> bytes:
        """A signature, or whatever the module gives for one."""
        async with self._turn:
            process = await self._started()
            request = {"message": base64.b64encode(message).decode()}
            return _bytes((await self._answer(process, request, self._signs_within))["signature"])

    async def _started(self) -> asyncio.subprocess.Process:
        if self._refused:
            raise SigningKeyRefused(self._refused)
        if self._process is not None:
            return self._process
        until, why = self._failed
        if asyncio.get_running_loop().time() < until:
            raise ServiceUnreachable(why)
        token, pin = self._token, self._token.pin()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adapters.crypto.token_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name != token.pin_env},
        )
        request = {"module": str(token.module), "token": token.token, "key": token.key, "pin": pin}
        public = (await self._answer(self._process, request, self._opens_within))["public"]
        self._public = None if public is None else _bytes(public)
        return self._process

    async def _answer(
        self, process: asyncio.subprocess.Process, request: dict[str, str], within: float
    ) -> dict[str, Any]:
        """One answer. Whatever else comes ends the process: nobody knows then what it would answer next."""
        assert process.stdin is not None
        assert process.stdout is not None
        where = f"the PKCS#11 module {self._token.module}"
        try:
            async with asyncio.timeout(within):
                process.stdin.write(orjson.dumps(request) + b"\n")
                await process.stdin.drain()
                answer = orjson.loads(await process.stdout.readline() or b"{}")
        except TimeoutError:
            raise await self._ended(f"{where} does not answer within {within:g} s: it was ended") from None
        except (OSError, ValueError):
            raise await self._ended(f"{where} broke down") from None
        except asyncio.CancelledError:
            await self.end()
            raise
        if "refused" in answer:
            await self.end()
            self._refused = answer["refused"]
            raise SigningKeyRefused(self._refused)
        if "failed" in answer or not answer:
            raise await self._ended(answer.get("failed") or f"{where} broke down")
        return dict(answer)

    async def _ended(self, why: str) -> ServiceUnreachable:
        await self.end()
        self._failed = asyncio.get_running_loop().time() + TRIES_EVERY, why
        return ServiceUnreachable(why)

    async def end(self) -> None:
        """End the process, hung or not."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _bytes(text: object) -> bytes:
    try:
        return base64.b64decode(str(text), validate=True)
    except binascii.Error:
        return b""
