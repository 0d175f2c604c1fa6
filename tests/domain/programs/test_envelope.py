"""An envelope opens only with a trusted key, and only as it was sealed."""

from __future__ import annotations

from base64 import b64encode

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.programs.envelope import (
    LARGEST_ENVELOPE,
    PAYLOAD_TYPE,
    EnvelopeInvalid,
    opened,
    pre_authentication_encoding,
    sealed,
)
from tests.domain.programs.offers import KEY, KEYID, TRUSTED, published

PROGRAM = published()
ENVELOPE = PROGRAM.envelope
assert ENVELOPE is not None
DOCUMENT = orjson.loads(ENVELOPE)


def text(**changes: object) -> str:
    return orjson.dumps(DOCUMENT | changes).decode()


def signed(payload: bytes) -> str:
    signature = KEY.sign(pre_authentication_encoding(PAYLOAD_TYPE, payload))
    each = {"keyid": KEYID, "sig": b64encode(signature).decode()}
    return text(payload=b64encode(payload).decode(), signatures=[each])


def test_the_encoding_is_that_of_the_protocol() -> None:
    # The example of the DSSE protocol's own document.
    expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert pre_authentication_encoding("http://example.com/HelloWorld", b"hello world") == expected


def test_it_opens_with_the_key_that_sealed_it() -> None:
    statement = opened(ENVELOPE, TRUSTED)
    assert statement.module == PROGRAM.offer.module
    assert (
        opened(
            sealed(statement, KEYID, KEY.sign(pre_authentication_encoding(PAYLOAD_TYPE, statement.payload()))), TRUSTED
        )
        == statement
    )


@given(st.integers(0, len(ENVELOPE) - 1), st.integers(0, 7))
def test_no_flipped_bit_goes_unseen(place: int, bit: int) -> None:
    data = bytearray(ENVELOPE.encode())
    data[place] ^= 1 << bit
    try:
        changed = data.decode()
    except UnicodeDecodeError:
        return
    try:
        statement = opened(changed, TRUSTED)
    except EnvelopeInvalid:
        return
    assert statement == opened(ENVELOPE, TRUSTED), "what opens says what was signed"


@given(st.text(max_size=200))
def test_any_text_is_refused(garbage: str) -> None:
    with pytest.raises(EnvelopeInvalid):
        opened(garbage, TRUSTED)


@given(st.integers(0, len(ENVELOPE) - 1))
def test_a_truncated_one_is_refused(length: int) -> None:
    with pytest.raises(EnvelopeInvalid):
        opened(ENVELOPE[:length], TRUSTED)


STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32))


@pytest.mark.parametrize(
    ("envelope", "trusted", "said"),
    [
        (ENVELOPE, {}, "none of these keys is trusted"),
        (ENVELOPE, {"other": TRUSTED[KEYID]}, "none of these keys is trusted"),
        (ENVELOPE, {KEYID: STRANGER.public_key().public_bytes_raw()}, "not that of the trusted key"),
        (ENVELOPE, {KEYID: b"short"}, "not that of the trusted key"),
        (text(signatures=[]), TRUSTED, "signed by nobody"),
        (text(signatures=DOCUMENT["signatures"] * 17), TRUSTED, "17 signatures"),
        (text(signatures=[{"keyid": KEYID, "sig": ""}]), TRUSTED, "not that of the trusted key"),
        (text(signatures=[{"keyid": KEYID}]), TRUSTED, "no DSSE envelope: KeyError"),
        (text(signatures={"keyid": 1}), TRUSTED, "no DSSE envelope"),
        (text(payloadType="application/vnd.in-toto+json"), TRUSTED, "is of type"),
        (text(payload="!!"), TRUSTED, "no DSSE envelope"),
        ("[" * 100_000, TRUSTED, "no DSSE envelope"),
        ("null", TRUSTED, "no DSSE envelope"),
        (" " * (LARGEST_ENVELOPE + 1), TRUSTED, "characters"),
        (signed(b"{}"), TRUSTED, "no statement"),
        (signed(b"\xff"), TRUSTED, "no statement"),
        (signed(b" " + opened(ENVELOPE, TRUSTED).payload()), TRUSTED, "canonical"),
    ],
    ids=range(17),
)
def test_what_is_wrong_is_named(envelope: str, trusted: dict[str, bytes], said: str) -> None:
    with pytest.raises(EnvelopeInvalid, match=said):
        opened(envelope, trusted)


def test_one_trusted_signature_among_others_is_enough() -> None:
    other = {"keyid": "other+1", "sig": "AAAA"}
    assert opened(text(signatures=[other, *DOCUMENT["signatures"]]), TRUSTED).module == PROGRAM.offer.module
