"""Signed notes (C2SP signed-note): a text and signatures below it, each by a named key.

::

    text, which ends in a newline
    <empty line>
    — <key name> <base64 of the key's hash and the signature>

A verifier key travels as one line, ``<name>+<hash>+<base64 of type and key>``; a signing key likewise, with
``PRIVATE+KEY+`` before it. Only Ed25519 is spoken: type 1 signs the text, type 4 signs it with the time at which a
witness saw it (C2SP tlog-cosignature, version 1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import ClassVar, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.kernel.errors import InvalidInput, PrecedentError
from domain.kernel.values import ValueNotDecodable, bytes_of_text, text_of_bytes

ED25519: Final = 1
COSIGNATURE: Final = 4

MAX_NOTE: Final = 1_000_000
"""Characters of a note that are looked at."""

MAX_SIGNATURES: Final = 100

_NAME = re.compile(r"[^\s+\ufeff]+\Z")
_LINE = re.compile("\u2014 ([^\\s+\ufeff]+) ([A-Za-z0-9+/=]+)\\Z")


class NoteInvalid(PrecedentError):
    """The text is no signed note: fetch it again from where it came."""

    code: ClassVar[str] = "ledger.note-invalid"


class KeyInvalid(InvalidInput):
    """The line is no key: copy it again, whole, from ``precedent audit keys``."""

    code = "ledger.key-invalid"


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name that it signs under."""

    name: str
    kind: int
    """``ED25519`` or ``COSIGNATURE``."""
    public: bytes
    """32 bytes."""

    def __post_init__(self) -> None:
        """Refuse what no note could name."""
        if not _NAME.match(self.name):
            raise KeyInvalid(f"key name {self.name[:80]!r} is empty or holds a space or a plus sign")
        if self.kind not in (ED25519, COSIGNATURE) or len(self.public) != 32:
            raise KeyInvalid(f"key {self.name} is neither an Ed25519 key (1) nor an Ed25519 witness key (4)")

    @property
    def hash(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def id(self) -> str:
        """``name+hash``: how a signature names the key."""
        return f"{self.name}+{self.hash.hex()}"

    def __str__(self) -> str:
        return f"{self.id}+{text_of_bytes(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read ``name+hash+key``. Raises ``KeyInvalid``."""
        name, plus, rest = line.strip().partition("+")
        written, also, encoded = rest.partition("+")
        if not (plus and also):
            raise KeyInvalid(f"{line[:80]!r} is no verifier key: it is <name>+<hash>+<key>")
        key = _bytes(encoded)
        if key is None or len(key) != 33:
            raise KeyInvalid(f"the key of {name[:80]!r} is not 33 bytes in base64")
        made = cls(name, key[0], key[1:])
        if made.hash.hex() != written:
            raise KeyInvalid(f"the key of {name} has the hash {made.hash.hex()}, not {written[:16]!r}: it was mistyped")
        return made

    def signed(self, text: str, signature: Signature) -> bool:
        """Tell whether this key made this signature over this text."""
        if signature.name != self.name or signature.key_hash != self.hash:
            return False
        if self.kind == ED25519:
            return _verifies(self.public, signature.data, text.encode())
        if len(signature.data) != 72:
            return False
        time = int.from_bytes(signature.data[:8], "big")
        return _verifies(self.public, signature.data[8:], cosigned(text, time))


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line."""

    name: str
    key_hash: bytes
    data: bytes
    """Of an Ed25519 key 64 bytes; of a witness 8 bytes of Unix time before them."""

    def __str__(self) -> str:
        return f"\u2014 {self.name} {text_of_bytes(self.key_hash + self.data)}"


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its signatures, none of them checked yet."""

    text: str
    """Ends in a newline."""
    signatures: tuple[Signature, ...] = ()

    def __str__(self) -> str:
        return self.text + "\n" + "".join(f"{each}\n" for each in self.signatures)

    @classmethod
    def parse(cls, note: str) -> Self:
        """Read a note. Raises ``NoteInvalid``."""
        if len(note) > MAX_NOTE:
            raise NoteInvalid(f"the note has {len(note)} characters; at most {MAX_NOTE} are read")
        cut = note.rfind("\n\n")
        if cut < 0 or not note.endswith("\n"):
            raise NoteInvalid("a signed note is a text, an empty line and signature lines that each end in a newline")
        lines = note[cut + 2 :].split("\n")[:-1]
        if not 0 < len(lines) <= MAX_SIGNATURES:
            raise NoteInvalid(f"the note has {len(lines)} signatures; 1 to {MAX_SIGNATURES} are read")
        return cls(note[: cut + 1], tuple(_signature(line) for line in lines))

    def with_signatures(self, signatures: Iterable[Signature]) -> Note:
        """Give the note with further signatures."""
        return Note(self.text, (*self.signatures, *signatures))

    def signers(self, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
        """Give those of the keys that really signed.

        A signature by a known key that does not verify spoils the note (raises ``NoteInvalid``); those of unknown
        keys say nothing.
        """
        found: list[VerifierKey] = []
        for key in keys:
            mine = [each for each in self.signatures if each.name == key.name and each.key_hash == key.hash]
            if not mine:
                continue
            if not all(key.signed(self.text, each) for each in mine):
                raise NoteInvalid(f"the signature of {key.name} does not fit the text: one of them was changed")
            found.append(key)
        return found


def ed25519_message(text: str) -> bytes:
    """Give what a key of type 1 signs."""
    return text.encode()


def cosigned(text: str, time: int) -> bytes:
    """Give what a witness signs: the text and the Unix time, in seconds, at which it saw it."""
    return b"cosignature/v1\ntime %d\n" % time + text.encode()


def _signature(line: str) -> Signature:
    found = _LINE.match(line)
    data = _bytes(found[2]) if found else None
    if found is None or data is None or len(data) < 5:
        raise NoteInvalid(f"{line[:80]!r} is no signature line: it is \u2014 <name> <base64>")
    return Signature(found[1], data[:4], data[4:])


def _verifies(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _bytes(text: str) -> bytes | None:
    try:
        return bytes_of_text(text)
    except ValueNotDecodable:
        return None
