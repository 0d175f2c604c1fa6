"""Sealed values: personal or secret data inside events, readable only while its key exists.

The form is ``{"$sealed": {"kid": key id, "nonce": Base64, "ct": Base64}}``: AES-256-GCM (NIST SP 800-38D) over the
canonical bytes of the encoded value, under a key of the data subject, with the key id and the tenant as associated
data. Content addresses hash the ciphertext, and digests of such values are HMACs under the same key, so that nothing
guessable stays when the key is destroyed. This module is the form and the digest; adapters/crypto opens and closes it.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final, Self

from domain.kernel.errors import PrecedentError
from domain.kernel.ids import token
from domain.kernel.values import Json, Value, ValueNotDecodable, bytes_of_text, canonical, text_of_bytes

NONCE_BYTES: Final = 12
"""As SP 800-38D recommends; random, never used twice under one key."""

TAG_BYTES: Final = 16

_DIGEST_CONTEXT: Final = b"precedent value digest v1\x00"


class ValueErased(PrecedentError):
    """The key of a sealed value was destroyed; the value cannot be read again, while every proof of it holds."""

    code = "value.erased"


class SealBroken(PrecedentError):
    """A sealed value does not open with its key: it was edited, or belongs to another tenant. Audit the log."""

    code = "value.seal-broken"


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value that only the holder of its key can read."""

    kid: str
    """Id of the data subject's key."""
    nonce: bytes
    ciphertext: bytes
    """With the authentication tag at its end."""

    def to_json(self) -> dict[str, Any]:
        """Give the form that stands in an event."""
        return {"$sealed": {"kid": self.kid, "nonce": text_of_bytes(self.nonce), "ct": text_of_bytes(self.ciphertext)}}

    @classmethod
    def of_json(cls, tree: Json) -> Self:
        """Read that form. Raises ``ValueNotDecodable``."""
        body = tree.get("$sealed") if isinstance(tree, dict) and len(tree) == 1 else None
        if not isinstance(body, dict) or set(body) != {"kid", "nonce", "ct"}:
            raise ValueNotDecodable("a sealed value has kid, nonce and ct, and nothing else")
        if not all(isinstance(part, str) for part in body.values()):
            raise ValueNotDecodable("kid, nonce and ct of a sealed value are strings")
        sealed = cls(token(body["kid"], "key id"), bytes_of_text(body["nonce"]), bytes_of_text(body["ct"]))
        if len(sealed.nonce) != NONCE_BYTES or len(sealed.ciphertext) < TAG_BYTES:
            raise ValueNotDecodable(f"a sealed value has a nonce of {NONCE_BYTES} bytes and at least a tag")
        return sealed


def is_sealed(tree: Json) -> bool:
    """Whether a data field holds a sealed value."""
    return isinstance(tree, dict) and "$sealed" in tree


def associated_data(tenant: str, kid: str) -> bytes:
    """What the seal also covers: moving a sealed value to another tenant or key id breaks it."""
    return f"{tenant}\x00{kid}".encode()


def keyed_digest(value: Value, key: bytes) -> str:
    """``hmac-sha256:<hex>`` of a value to be sealed: comparable while the key exists, meaningless after."""
    return "hmac-sha256:" + hmac.new(key, _DIGEST_CONTEXT + canonical(value), hashlib.sha256).hexdigest()
