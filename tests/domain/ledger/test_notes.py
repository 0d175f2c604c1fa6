"""Signed notes and checkpoints: what other implementations sign verifies, and everything changed does not."""

import base64
import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.ids import Position
from domain.ledger.checkpoint import Checkpoint, CheckpointInvalid, Signed
from domain.ledger.notes import (
    COSIGNATURE,
    ED25519,
    KeyInvalid,
    Note,
    NoteInvalid,
    Signature,
    VerifierKey,
    cosigned,
    ed25519_message,
)

# The example of Go's package golang.org/x/mod/sumdb/note (BSD-3-Clause), made by another implementation.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

KEY = Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\2" * 32)
LOG = VerifierKey("precedent.test", ED25519, KEY.public_key().public_bytes_raw())
WATCHER = VerifierKey("witness.test", COSIGNATURE, WITNESS.public_key().public_bytes_raw())
CHECKPOINT = Checkpoint(
    "precedent.test/0", 1234, b"\7" * 32, datetime(2026, 11, 21, 8, 0, 0, 123456, UTC), Position(0, 0, 1)
)


def signed(text):
    return Signature(LOG.name, LOG.hash, KEY.sign(ed25519_message(text)))


def witnessed(text, time=1_800_000_000):
    return Signature(WATCHER.name, WATCHER.hash, time.to_bytes(8, "big") + WITNESS.sign(cosigned(text, time)))


def note(checkpoint=CHECKPOINT):
    text = checkpoint.text()
    return Note(text, (signed(text), witnessed(text)))


def test_a_note_of_another_implementation():
    key = VerifierKey.parse(GO_KEY)
    assert str(key) == GO_KEY
    read = Note.parse(GO_NOTE)
    assert str(read) == GO_NOTE
    assert read.signers([key, LOG]) == [key]
    with pytest.raises(NoteInvalid, match="the signature of PeterNeumann does not fit the text"):
        Note.parse(GO_NOTE.replace("answer", "Answer")).signers([key])


def test_a_checkpoint_with_a_witness():
    text = str(note())
    assert text.startswith(
        "precedent.test/0\n1234\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n"
        "time 2026-11-21T08:00:00.123456Z\nfirst 0.0:1\n\n"
    )
    opened = Signed.open(text, LOG, [WATCHER], required=1)
    assert opened.checkpoint == CHECKPOINT
    assert opened.witnesses == (WATCHER,)
    assert CHECKPOINT.position(9) == Position(0, 0, 10)
    assert CHECKPOINT.index(Position(0, 0, 10)) == 9


def test_who_must_have_signed():
    only = str(Note(CHECKPOINT.text(), (signed(CHECKPOINT.text()),)))
    assert Signed.open(only, LOG, [WATCHER]).witnesses == ()
    with pytest.raises(CheckpointInvalid, match="0 of the known witnesses signed"):
        Signed.open(only, LOG, [WATCHER], required=1)
    stranger = VerifierKey("precedent.test", ED25519, WITNESS.public_key().public_bytes_raw())
    with pytest.raises(CheckpointInvalid, match=r"is not signed by precedent\.test"):
        Signed.open(only, stranger)
    text = replace(CHECKPOINT, origin="another.test/0").text()
    with pytest.raises(
        CheckpointInvalid, match=r"is of another\.test/0 from 0\.0:1 on, and precedent\.test signs other logs"
    ):
        Signed.open(str(Note(text, (signed(text),))), LOG)


@given(st.data())
def test_no_character_of_a_checkpoint_can_be_changed(data):
    text = str(note())
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="utf-8"))
    changed = text[:at] + other + text[at + 1 :]
    try:
        opened = Signed.open(changed, LOG, [WATCHER], required=1)
    except (NoteInvalid, CheckpointInvalid):
        assert changed != text
    else:
        assert changed == text
        assert opened.checkpoint == CHECKPOINT


@given(st.text(max_size=200) | st.text("\u2014 \nab+0=/1", max_size=80))
def test_any_text_is_a_note_or_refused(text):
    with contextlib.suppress(NoteInvalid):
        assert str(Note.parse(text)) == text
    with contextlib.suppress(CheckpointInvalid):
        assert Checkpoint.parse(text).text() == text
    with contextlib.suppress(KeyInvalid):
        assert str(VerifierKey.parse(text)) == text.strip()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("name", "is no verifier key"),
        ("name+00000000+AAAA", "is not 33 bytes in base64"),
        (GO_KEY.replace("c74f", "c74e"), "it was mistyped"),
        ("+".join(["x", "0" * 8, base64.b64encode(b"\7" + b"\0" * 32).decode()]), "neither an Ed25519 key"),
        ("a b+00000000+" + base64.b64encode(b"\1" + b"\0" * 32).decode(), "holds a space"),
    ],
)
def test_lines_that_are_no_keys(line, says):
    with pytest.raises(KeyInvalid, match=says):
        VerifierKey.parse(line)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "text\n",
        "text\n\n",
        "text\n\n\u2014 name AAAAAAAA",
        "text\n\n- name AAAAAAAA\n",
        "text\n\n\u2014 name AAA\n",
        "text\n\n\u2014 name !!!!\n",
        "text\n\n" + "\u2014 name AAAAAAAA\n" * 101,
        "x" * 1_000_001 + "\n\n\u2014 name AAAAAAAA\n",
    ],
)
def test_texts_that_are_no_notes(text):
    with pytest.raises(NoteInvalid):
        Note.parse(text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1234", "01234"),
        ("1234", "-1"),
        ("1234", "9" * 30),
        ("BwcH", "BwcI="),
        ("time ", "when "),
        ("first 0.0:1", "first 1"),
        ("first 0.0:1\n", "first 0.0:1\nmore\n"),
        ("08:00", "25:00"),
        ("precedent.test/0", ""),
    ],
)
def test_texts_that_are_no_checkpoints(before, after):
    text = CHECKPOINT.text().replace(before, after)
    assert text != CHECKPOINT.text()
    with pytest.raises(CheckpointInvalid):
        Checkpoint.parse(text)
