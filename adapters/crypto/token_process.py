r"""``python -m adapters.crypto.token_process``: one PKCS#11 module in a process of its own, which signs with one key.

A module is its maker's machine code: here it may hang or break down without taking anyone along. JSON lines on standard
input and output, one answer for each:

1. ``{"module": "/….so", "token": "<label>", "key": "<label>", "pin": "…"}`` is answered ``{"public": "<base64>"}``,
   with null where the token shows no public key.
2. ``{"message": "<base64>"}`` is answered ``{"signature": "<base64>"}``.

Instead of either, ``{"refused": why}`` says what only a person can mend, and ``{"failed": why}`` what may pass.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

ED25519_BYTES: Final = 32

LAST_TRY: Final = "one try is left for its PIN, or it is locked: log in with the token's own tool first"


class Refused(Exception):
    """Only a person can mend this."""


class Failed(Exception):
    """This may pass: the token may come back."""


def raw_public(point: bytes) -> bytes | None:
    """Give the 32 bytes of an Ed25519 key as modules spell them: bare, in an OCTET STRING, in a BIT STRING."""
    for prefix in (b"", b"\x04\x20", b"\x03\x21\x00"):
        if len(point) == len(prefix) + ED25519_BYTES and point.startswith(prefix):
            return point[len(prefix) :]
    return None


class Key:
    """A private key in a token, to which we are logged in."""

    def __init__(self, module: str, token: str, label: str, pin: str) -> None:
        """Load the module, log in, find the key. Raises ``Refused``, ``Failed``."""
        try:
            import pkcs11  # noqa: PLC0415  # an extra
        except ImportError:
            raise Refused("PKCS#11 needs the extra pkcs11: pip install 'precedent[pkcs11]'") from None
        self._errors = pkcs11.exceptions
        self._mechanism = pkcs11.Mechanism.EDDSA
        if not Path(module).exists():
            raise Refused(f"there is no PKCS#11 module {module}")
        try:
            library = pkcs11.lib(module)
        except (self._errors.PKCS11Error, RuntimeError) as problem:
            raise Refused(f"{module} is no PKCS#11 module that can be loaded: {_words(problem)}") from None
        where = f"the token {token!r} of {module}"
        self._where = f"the key {label!r} in {where}"
        try:
            found = library.get_token(token_label=token)
        except self._errors.NoSuchToken:
            raise Failed(f"{module} has no token {token!r}: is it plugged in, and its label spelled so?") from None
        except self._errors.MultipleTokensReturned:
            raise Refused(f"{module} has several tokens {token!r}: give one of them another label") from None
        if found.flags & (pkcs11.TokenFlag.USER_PIN_FINAL_TRY | pkcs11.TokenFlag.USER_PIN_LOCKED):
            raise Refused(f"{where}: {LAST_TRY}")
        try:
            session = found.open(user_pin=pin)
        except (self._errors.PinIncorrect, self._errors.PinInvalid, self._errors.PinLenRange):
            raise Refused(f"{where} refuses the PIN; it is not tried again, since tokens lock themselves") from None
        except (self._errors.PinLocked, self._errors.PinExpired) as problem:
            raise Refused(f"{where} is locked or its PIN has expired: {_words(problem)}") from None
        of_label = {pkcs11.Attribute.LABEL: label}
        private = session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PRIVATE_KEY, **of_label})
        self._private = _only(private, self._where)
        if self._private.key_type != pkcs11.KeyType.EC_EDWARDS:
            kind = getattr(self._private.key_type, "name", self._private.key_type)
            raise Refused(f"{self._where} is of the type {kind}: an Ed25519 key (EC_EDWARDS) is needed")
        self.public: bytes | None = None
        for each in session.get_objects({pkcs11.Attribute.CLASS: pkcs11.ObjectClass.PUBLIC_KEY, **of_label}):
            self.public = raw_public(each[pkcs11.Attribute.EC_POINT])
            if self.public is None:
                raise Refused(f"{self._where} is on another curve than Ed25519")

    def sign(self, message: bytes) -> bytes:
        """Give the signature, 64 bytes. Raises ``Failed``."""
        try:
            return bytes(self._private.sign(message, mechanism=self._mechanism))
        except self._errors.PKCS11Error as problem:
            raise Failed(f"{self._where} does not sign: {_words(problem)}; is the token still plugged in?") from None


def _only(found: Iterable[Any], what: str) -> Any:
    keys = list(found)
    if not keys:
        raise Refused(f"{what} is not there, or may not be seen: name a private key by its label (CKA_LABEL)")
    if len(keys) > 1:
        raise Refused(f"{what} is there {len(keys)} times: give one of them another label")
    return keys[0]


def _words(problem: BaseException) -> str:
    """An error in words: those of the standard have a name and no message."""
    return f"{type(problem).__name__} {problem}".strip()[:300]


def serve(asked: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the input ends, or something goes wrong."""
    key: Key | None = None
    for line in asked:
        try:
            request = orjson.loads(line)
            if key is None:
                key = Key(request["module"], request["token"], request["key"], request.pop("pin"))
                answer = {"public": None if key.public is None else base64.b64encode(key.public).decode()}
            else:
                signature = key.sign(base64.b64decode(request["message"]))
                answer = {"signature": base64.b64encode(signature).decode()}
        except Refused as problem:
            answer = {"refused": str(problem)}
        except Failed as problem:
            answer = {"failed": str(problem)}
        except Exception as problem:  # noqa: BLE001  # whatever a module comes up with
            answer = {"failed": f"the PKCS#11 module does not do it: {_words(problem)}"}
        answers.write(orjson.dumps(answer) + b"\n")
        answers.flush()


def main() -> None:
    """Serve on standard input and output, where a module that prints cannot come in between."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
