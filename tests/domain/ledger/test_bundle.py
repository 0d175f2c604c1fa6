"""Bundles: what was exported verifies with nothing but a key, and everything changed in one is found."""

import base64
import re

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.ids import StreamId
from domain.kernel.merkle import inclusion_proof, leaf_hash, root_of
from domain.kernel.values import digest_bytes
from domain.ledger.auditing import Kind
from domain.ledger.bundle import Bundle, BundleInvalid, Proven, read, verify, written
from domain.ledger.notes import ED25519, KeyInvalid, Note, NoteInvalid, Signature, VerifierKey
from domain.ledger.rotation import predecessors, rotation_text, successors
from domain.ledger.tiles import bundle as entry_bundle
from tests.domain.ledger.logs import checkpoint, leaf_of_event, log, stored

BLOB = b'"' + b"x" * 70_000 + b'"'


def key_pair(seed, name="precedent.test"):
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return private, VerifierKey(name, ED25519, private.public_key().public_bytes_raw())


PRIVATE, KEY = key_pair(1)
NEXT_PRIVATE, NEXT_KEY = key_pair(2)


def note(text, private=PRIVATE, key=KEY):
    return str(Note(text, (Signature(key.name, key.hash, private.sign(text.encode())),)))


class _Tree:
    def __init__(self, leaves):
        self.size, self._root, self.leaves = len(leaves), root_of(leaves), leaves

    def root(self):
        return self._root

    def node(self, level, index):
        return root_of(self.leaves[index << level : (index + 1) << level])


def exported(private=PRIVATE, key=KEY, rotations=()):
    events = log(60)
    run = StreamId("acme", "run", "r3")
    last = max(each.position.sequence for each in events if ".r3." in each.subject)
    reference = {"$content": digest_bytes(BLOB), "size": len(BLOB), "mediatype": "application/json"}
    events.append(stored(run, 10, last, 61, {"result": reference}))
    tree = _Tree([leaf_hash(leaf_of_event(each)) for each in events])
    proven = tuple(
        Proven(
            each.position.sequence - 1,
            each.subject,
            each.body,
            tuple(inclusion_proof(each.position.sequence - 1, tree.size, tree.node)),
        )
        for each in events
        if ".run.r3." in each.subject
    )
    signed = note(checkpoint(tree).text(), private, key)
    return Bundle("/acme/run/r3", signed, tuple(rotations), proven, {digest_bytes(BLOB): BLOB})


LINES = list(written(exported()))


def kinds(lines, key=KEY):
    return [(each.kind, each.first and each.first.sequence) for each in verify(read(lines), key).findings]


def changed(number, **fields):
    lines = list(LINES)
    lines[number] = orjson.dumps({**orjson.loads(lines[number]), **fields}) + b"\n"
    return lines


def test_a_bundle_comes_back_and_verifies():
    bundle = read(LINES)
    assert bundle == exported()
    verified = verify(bundle, KEY)
    assert verified.sound, verified.findings
    assert verified.signed.checkpoint.size == 61
    assert len(bundle.events) == 10


def test_a_key_that_did_not_sign():
    assert kinds(LINES, NEXT_KEY) == [(Kind.SIGNATURE, None)]
    assert kinds(LINES, key_pair(1, "other.test")[1]) == [(Kind.SIGNATURE, None)]


def test_a_key_that_followed_the_trusted_one():
    rotation = note(rotation_text(KEY, NEXT_KEY))
    lines = list(written(exported(NEXT_PRIVATE, NEXT_KEY, [rotation])))
    assert kinds(lines) == []
    assert kinds(lines, NEXT_KEY) == []
    assert kinds(list(written(exported(NEXT_PRIVATE, NEXT_KEY)))) == [(Kind.SIGNATURE, None)]
    forged = note(rotation_text(KEY, NEXT_KEY), NEXT_PRIVATE, NEXT_KEY)
    assert kinds(list(written(exported(NEXT_PRIVATE, NEXT_KEY, [forged])))) == [(Kind.SIGNATURE, None)]


CHANGES = [
    (changed(3, body=orjson.loads(LINES[3])["body"].replace("planner", "pmanner")), Kind.EDITED, 18),
    (changed(3, body="{}"), Kind.RULE, 18),
    (changed(3, index=16), Kind.EDITED, 17),
    (changed(3, index=98), Kind.EDITED, 99),
    (changed(3, subject="evt.0.acme.run.r3.3.RunFailed"), Kind.RULE, 18),
    (changed(3, subject="evt.0.acme.run.r4.3.RunThought"), Kind.RULE, 18),
    (changed(3, proof=[]), Kind.EDITED, 18),
    (changed(11, data=base64.b64encode(b"other").decode()), Kind.EDITED, None),
    (changed(11, content="sha256:" + "0" * 64), Kind.DELETED, None),
    (changed(0, source="/acme/run/r4"), Kind.INSERTED, 4),
    ([orjson.dumps({**orjson.loads(LINES[0]), "events": 9}) + b"\n", *LINES[1:4], *LINES[5:]], Kind.DELETED, 32),
    ([LINES[0], LINES[2], LINES[1], *LINES[3:]], Kind.SWAPPED, 4),
    ([orjson.dumps({**orjson.loads(LINES[0]), "events": 0}) + b"\n", LINES[-1]], Kind.DELETED, None),
]
WHAT_WAS_CHANGED = [lines for lines, _, _ in CHANGES]


@pytest.mark.parametrize(("lines", "kind", "place"), CHANGES)
def test_what_was_changed_is_found(lines, kind, place):
    assert (kind, place) in kinds(lines)


NO_BUNDLES = [
    ([], "line 1 does not say"),
    ([b"{}"], "line 1 does not say"),
    ([b"[]"], "line 1 is no JSON object"),
    ([b"{"], "line 1 is no JSON"),
    (LINES[:-1], "the bundle has 10 events and 0 contents; its first line says 10 and 1"),
    ([*LINES[:4], LINES[4][:-20], *LINES[5:]], "line 5 is no JSON"),
    (changed(2, proof="AAAA"), "line 3 is neither"),
    (changed(2, proof=["AAAA"]), "a hash of the proof has another length"),
    (changed(2, index="12"), "line 3 is neither"),
    (changed(2, index=-1), "is no place of a leaf"),
    (changed(2, index=True), "is no place of a leaf"),
    (changed(2, body=7), "7 is no text"),
    (changed(11, data="!"), "is no Base64"),
    (changed(0, checkpoint=None), "line 1 lacks something"),
    (changed(0, rotations=[1]), "line 1 lacks something"),
    (changed(0, format="precedent-bundle/2"), "precedent-bundle/2"),
]
ODD_SPELLINGS = [
    [line.replace(b'{"', b'{"index":5,"', 1) if number == 2 else line for number, line in enumerate(LINES)],
    [
        line.replace(b'{"', b'{"source":"/acme/run/X","', 1) if number == 0 else line
        for number, line in enumerate(LINES)
    ],
    changed(2, note="x"),
    changed(0, approved="yes"),
    [re.sub(rb'"index":(\d+)', rb'"index":\1.0', line) for line in LINES],
    [b"\xef\xbb\xbf" + LINES[0], *LINES[1:]],
    [line.replace(b"\n", b"\r\n") for line in LINES],
    [b" " + line for line in LINES],
    [line.replace(b'"subject"', b'"\\u0073ubject"') for line in LINES],
    [*LINES, LINES[-1]],
    [LINES[0], LINES[-1], *LINES[1:-1]],
    [*LINES, b""],
]
"""Bundles that say the same in other bytes, or more than is proven."""

FILES_THAT_ARE_NO_BUNDLES = [lines for lines, _ in NO_BUNDLES]


@pytest.mark.parametrize(("lines", "says"), NO_BUNDLES)
def test_files_that_are_no_bundles(lines, says):
    with pytest.raises(BundleInvalid, match=says):
        read(lines)


@pytest.mark.parametrize("lines", ODD_SPELLINGS)
def test_a_bundle_has_one_spelling(lines):
    with pytest.raises(BundleInvalid):
        read(lines)


def test_the_last_line_may_lack_its_end():
    assert read([*LINES[:-1], LINES[-1][:-1]]) == read(LINES)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_byte_of_a_bundle_can_be_changed(data):
    number = data.draw(st.integers(0, len(LINES) - 2))
    line = bytearray(LINES[number])
    line[data.draw(st.integers(0, len(line) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    lines = [*LINES[:number], bytes(line), *LINES[number + 1 :]]
    try:
        bundle = read(lines)
    except BundleInvalid:
        return
    assert not verify(bundle, KEY).sound or lines == LINES


def test_rotations_that_mean_something_else():
    assert successors(KEY, []) == [KEY]
    with pytest.raises(KeyInvalid, match="a log keeps its name"):
        rotation_text(KEY, key_pair(3, "other.test")[1])
    with pytest.raises(NoteInvalid, match="is no rotation of a key"):
        successors(KEY, [note("a checkpoint\n")])
    with pytest.raises(NoteInvalid, match="that is no rotation of itself"):
        successors(KEY, [note(rotation_text(NEXT_KEY, KEY))])
    with pytest.raises(NoteInvalid, match="names no key"):
        successors(KEY, [note(f"precedent key rotation\n{KEY}\nnothing\n")])
    with pytest.raises(NoteInvalid):
        successors(KEY, ["no note"])
    assert entry_bundle([]) == b""


def test_keys_that_led_to_the_current_one():
    last_private, last = key_pair(3)
    rotations = [note(rotation_text(KEY, NEXT_KEY)), note(rotation_text(NEXT_KEY, last), NEXT_PRIVATE, NEXT_KEY)]
    assert predecessors(last, rotations) == [NEXT_KEY, KEY]
    assert predecessors(NEXT_KEY, rotations) == [KEY]
    assert predecessors(KEY, rotations) == []
    assert successors(KEY, rotations) == [KEY, NEXT_KEY, last]
    forged = note(rotation_text(KEY, last), last_private, last)
    assert predecessors(last, [forged]) == []
