"""Signed statements about programs: DSSE envelopes (github.com/secure-systems-lab/dsse), signed with Ed25519.

::

    {"payloadType": "...", "payload": "<base64>", "signatures": [{"keyid": "<name+hash>", "sig": "<base64>"}]}

What is signed is ``PAE(type, payload)``, so that no signature of ours can be taken for one over something else.
Keys are named as in signed notes (C2SP signed-note). Trusted keys never come from the envelope.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Final, Literal

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.kernel.errors import PrecedentError
from domain.kernel.values import canonical_json

PAYLOAD_TYPE: Final = "application/vnd.precedent.program.v1+json"

LARGEST_ENVELOPE: Final = 200_000
"""Characters of an envelope that is looked at."""

MOST_SIGNATURES: Final = 16


class EnvelopeInvalid(PrecedentError):
    """Do not run it: publish the program again with a key that is trusted here."""

    code = "program.envelope-invalid"


class StatedEffect(BaseModel):
    """One capability that the program may call."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: str
    version: str
    mode: Literal["pure", "read", "write", "external"]


class Statement(BaseModel):
    """What the signer vouches for."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    tenant: str
    namespace: str
    entry: str
    goal: str
    """Digest of the text of the goal that it solves."""
    module: str
    """``sha256:…`` of the bytecode."""
    interface: str
    """Digest of the types that go in and come out."""
    effects: tuple[StatedEffect, ...]
    """Sorted by name; nothing else can happen when it runs."""
    evidence: str
    """Digest of the evidence with which it was published."""
    compiler: str
    policy: str
    """Digest of the policy under which it was published."""

    def payload(self) -> bytes:
        """Canonical JSON (RFC 8785): what is signed."""
        return canonical_json(self.model_dump(mode="json"))


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """``PAE`` of the DSSE protocol: lengths and contents, so that no two pairs give the same bytes."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def to_sign(statement: Statement) -> bytes:
    """The bytes over which a signer signs."""
    return pre_authentication_encoding(PAYLOAD_TYPE, statement.payload())


def sealed(statement: Statement, keyid: str, signature: bytes) -> str:
    """The envelope as text."""
    document = {
        "payloadType": PAYLOAD_TYPE,
        "payload": b64encode(statement.payload()).decode(),
        "signatures": [{"keyid": keyid, "sig": b64encode(signature).decode()}],
    }
    return orjson.dumps(document).decode()


def opened(envelope: str, trusted: Mapping[str, bytes]) -> Statement:
    """The statement, if a trusted key signed it. Raises ``EnvelopeInvalid``.

    ``trusted``: 32 bytes of the public key by key id.

    1. It is an envelope of this type, no larger than it may be.
    2. A signature names a trusted key, and is that key's over the bytes of the payload.
    3. Only then the payload is read, and it is the canonical form of a statement.
    """
    payload, signatures = _taken_apart(envelope)  # 1
    known = [(trusted[keyid], signature) for keyid, signature in signatures if keyid in trusted]
    if not known:
        named = ", ".join(keyid[:80] for keyid, _ in signatures) or "nobody"
        raise EnvelopeInvalid(f"it is signed by {named}; none of these keys is trusted here")
    if not any(_signed(key, payload, signature) for key, signature in known):  # 2
        raise EnvelopeInvalid(
            "its signature is not that of the trusted key it names: it was changed after it was signed"
        )
    try:
        statement = Statement.model_validate_json(payload)  # 3
    except ValidationError as error:
        raise EnvelopeInvalid(f"its payload is no statement about a program: {error.error_count()} fields") from None
    if statement.payload() != payload:
        raise EnvelopeInvalid("its payload is not in canonical form")
    return statement


def _taken_apart(envelope: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    if len(envelope) > LARGEST_ENVELOPE:
        raise EnvelopeInvalid(f"it has {len(envelope)} characters; at most {LARGEST_ENVELOPE} are read")
    try:
        document = orjson.loads(envelope)
        if document["payloadType"] != PAYLOAD_TYPE:
            raise EnvelopeInvalid(f"its payload is of type {str(document['payloadType'])[:80]!r}, not {PAYLOAD_TYPE}")
        signatures = document["signatures"]
        if len(signatures) > MOST_SIGNATURES:
            raise EnvelopeInvalid(f"it has {len(signatures)} signatures; at most {MOST_SIGNATURES} are read")
        payload = b64decode(document["payload"], validate=True)
        return payload, [(str(each["keyid"]), b64decode(each["sig"], validate=True)) for each in signatures]
    except (ValueError, binascii.Error, KeyError, TypeError, AttributeError) as error:
        raise EnvelopeInvalid(f"it is no DSSE envelope: {type(error).__name__}") from None


def _signed(key: bytes, payload: bytes, signature: bytes) -> bool:
    try:
        message = pre_authentication_encoding(PAYLOAD_TYPE, payload)
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
