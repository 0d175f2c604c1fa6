"""Sealed values: they come back as they were, and never for the wrong key, tenant or edited bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.crypto.sealing import seal, unseal
from adapters.system.clock import SystemRandomness
from domain.kernel.errors import PrecedentError
from domain.kernel.sealed import SealBroken, Sealed, ValueErased, is_sealed, keyed_digest
from domain.kernel.values import Keyword, ValueNotDecodable, decode

KEY = bytes(range(32))
SECRET = {Keyword("name"): "Ada", Keyword("born"): 1815, Keyword("rate"): 1.0}


def sealed(value: object = SECRET) -> Sealed:
    return seal(value, tenant="acme", kid="subject-1", key=KEY, randomness=SystemRandomness())


def test_a_sealed_value_comes_back_as_it_was() -> None:
    opened = unseal(Sealed.of_json(sealed().to_json()), tenant="acme", key=KEY)
    assert opened == SECRET
    assert type(opened[Keyword("rate")]) is float


def test_nothing_of_the_value_shows() -> None:
    form = sealed("a very secret sentence").to_json()
    assert is_sealed(form)
    assert "secret" not in repr(form)
    assert sealed() != sealed(), "a nonce is never used twice"


def test_without_its_key_a_value_is_erased() -> None:
    with pytest.raises(ValueErased, match="subject-1"):
        unseal(sealed(), tenant="acme", key=None)


def test_it_opens_for_its_own_tenant_and_key_id_only() -> None:
    with pytest.raises(SealBroken):
        unseal(sealed(), tenant="other", key=KEY)
    moved = Sealed("subject-2", sealed().nonce, sealed().ciphertext)
    with pytest.raises(SealBroken):
        unseal(moved, tenant="acme", key=KEY)
    with pytest.raises(SealBroken):
        unseal(sealed(), tenant="acme", key=bytes(32))
    with pytest.raises(SealBroken, match="32 bytes"):
        unseal(sealed(), tenant="acme", key=b"short")


@given(st.integers(min_value=0), st.integers(min_value=0, max_value=7))
def test_every_flipped_bit_is_noticed(place: int, bit: int) -> None:
    whole = sealed()
    body = bytearray(whole.nonce + whole.ciphertext)
    body[place % len(body)] ^= 1 << bit
    edited = Sealed(whole.kid, bytes(body[:12]), bytes(body[12:]))
    with pytest.raises(SealBroken):
        unseal(edited, tenant="acme", key=KEY)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"$sealed": {}},
        {"$sealed": "x"},
        {"$sealed": {"kid": "a", "nonce": "AAAA", "ct": "AAAA"}},
        {"$sealed": {"kid": "*", "nonce": "AAAAAAAAAAAAAAAA", "ct": "AAAAAAAAAAAAAAAAAAAAAAAA"}},
        {"$sealed": {"kid": "a", "nonce": "!", "ct": "AAAAAAAAAAAAAAAAAAAAAAAA"}},
        {"$sealed": {"kid": "a", "nonce": 1, "ct": "AAAAAAAAAAAAAAAAAAAAAAAA"}},
        {"$sealed": {"kid": "a", "nonce": "AAAAAAAAAAAAAAAA", "ct": "AAAAAAAAAAAAAAAAAAAAAAAA", "x": ""}},
    ],
)
def test_malformed_forms_are_refused(form: dict[str, object]) -> None:
    with pytest.raises(PrecedentError) as raised:
        Sealed.of_json(form)
    assert raised.value.code in ("value.not-decodable", "name.invalid")


def test_a_sealed_value_is_never_taken_for_a_plain_one() -> None:
    with pytest.raises(ValueNotDecodable, match="resolved"):
        decode(sealed().to_json())


def test_digests_of_sealed_values_are_keyed() -> None:
    assert keyed_digest("x", KEY) == keyed_digest("x", KEY)
    assert keyed_digest("x", KEY) != keyed_digest("x", bytes(32))
    assert keyed_digest("x", KEY).startswith("hmac-sha256:")
