"""Seals and opens values with AES-256-GCM. The form is in domain/kernel/sealed.py."""

from __future__ import annotations

from typing import Final

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from commands.ports import Randomness
from domain.kernel.sealed import NONCE_BYTES, SealBroken, Sealed, ValueErased, associated_data
from domain.kernel.values import Value, canonical, decode

KEY_BYTES: Final = 32


def seal(value: Value, *, tenant: str, kid: str, key: bytes, randomness: Randomness) -> Sealed:
    """Seal a value under a data subject's key of 32 bytes."""
    nonce = randomness.bytes(NONCE_BYTES)
    ciphertext = AESGCM(_checked(key)).encrypt(nonce, canonical(value), associated_data(tenant, kid))
    return Sealed(kid, nonce, ciphertext)


def unseal(sealed: Sealed, *, tenant: str, key: bytes | None) -> Value:
    """Open a sealed value. Raises ``ValueErased`` when its key is gone, ``SealBroken`` when it does not open."""
    if key is None:
        raise ValueErased(f"the key {sealed.kid} was destroyed, and what was sealed with it is erased")
    try:
        data = AESGCM(_checked(key)).decrypt(sealed.nonce, sealed.ciphertext, associated_data(tenant, sealed.kid))
    except InvalidTag as error:
        raise SealBroken(f"a value sealed with key {sealed.kid} does not open for tenant {tenant}") from error
    return decode(orjson.loads(data))


def _checked(key: bytes) -> bytes:
    if len(key) != KEY_BYTES:
        raise SealBroken(f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
    return key
