"""What a forger might hand to an auditor: both verifiers refuse it, and neither is more lenient than the other."""

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.kernel.ids import StreamId
from domain.kernel.merkle import inclusion_proof, leaf_hash, root_of
from domain.ledger.auditing import Audit, Kind
from domain.ledger.bundle import Bundle, Proven, verify, written
from domain.ledger.checkpoint import Checkpoint, CheckpointInvalid, Signed
from domain.ledger.notes import COSIGNATURE, KeyInvalid, Note, Signature, VerifierKey, cosigned
from domain.ledger.rotation import TITLE, rotation_text
from domain.ledger.stored import Stored
from tests.domain.ledger.logs import BEGINNING, FIRST, ORIGIN, known, leaf_of_event, ledger, log, stored
from tests.domain.ledger.test_bundle import KEY, LINES, NEXT_KEY, NEXT_PRIVATE, PRIVATE, exported, note
from tests.domain.ledger.test_epochs import gone_on, moved
from tests.domain.ledger.test_second_verifier import NODE, ours, theirs

WITNESS = Ed25519PrivateKey.from_private_bytes(b"\3" * 32)
WITNESS_KEY = VerifierKey("witness.test", COSIGNATURE, WITNESS.public_key().public_bytes_raw())
HEAD = orjson.loads(LINES[0])
TEXT = Note.parse(HEAD["checkpoint"]).text
LINE = HEAD["checkpoint"].split("\n\n")[1].rstrip("\n")


def bundled(events, chosen, source, text=None, signer=note):
    """A bundle of these of a log's events, each truly proven under a checkpoint over all of them."""
    leaves = [leaf_hash(leaf_of_event(each)) for each in events]

    def node(level, index):
        return root_of(leaves[index << level : (index + 1) << level])

    checkpoint = Checkpoint(ORIGIN, len(leaves), root_of(leaves), BEGINNING, FIRST).text()
    proven = [
        Proven(place, events[place].subject, events[place].body, tuple(inclusion_proof(place, len(leaves), node)))
        for place in chosen
    ]
    return list(written(Bundle(source, signer(text(checkpoint) if text else checkpoint), (), tuple(proven))))


def of_stream(events, name):
    return [place for place, event in enumerate(events) if f".run.{name}." in event.subject]


def signed_with(*signatures, text=TEXT):
    head = {**HEAD, "checkpoint": text + "\n" + "".join(f"{each}\n" for each in signatures)}
    return [orjson.dumps(head) + b"\n", *LINES[1:]]


def hidden_behind_a_mark():
    """The mark that carries a stream into the next epoch has the version of the event before it."""
    events, stream = gone_on()
    chosen = of_stream(events, stream.id)
    mark = next(place for place in chosen if events[place].subject.endswith(".StreamCarried"))
    return bundled(events, [place for place in chosen if place != chosen[chosen.index(mark) - 1]], str(stream))


def of_another_shard():
    events = log(20)
    return bundled(
        events, of_stream(events, "r3"), "/acme/run/r3", lambda text: text.replace(ORIGIN, "precedent.test/1")
    )


def with_half_a_character():
    run = StreamId("acme", "run", "r9")
    event = stored(run, 1, 0, 1, {"n": "here"})
    event = Stored(*event[:3], event.body.replace(b"here", b"\\ud800"))
    leaf = leaf_hash(b"whatever it is")
    text = Checkpoint(ORIGIN, 1, leaf, BEGINNING, FIRST).text()
    return list(written(Bundle("/acme/run/r9", note(text), (), (Proven(0, event.subject, event.body, ()),))))


def spoilt(key):
    return Signature(key.name, key.hash, b"\0" * 64)


def rotated(*signatures, new=NEXT_KEY):
    text = f"{TITLE}\n{KEY}\n{new}\n"
    bundle = exported(NEXT_PRIVATE, NEXT_KEY, [note(text)])
    text = Note.parse(bundle.checkpoint).text
    return list(written(Bundle(**{**{name: getattr(bundle, name) for name in bundle.__slots__},
                                  "checkpoint": text + "\n" + "".join(f"{each(text)}\n" for each in signatures)})))  # fmt: skip


def by(private, key):
    return lambda text: Signature(key.name, key.hash, private.sign(text.encode()))


FORGED = {
    "an event hidden behind a mark": hidden_behind_a_mark(),
    "a checkpoint of another shard": of_another_shard(),
    "half a character": with_half_a_character(),
    "the older key signed, the newer one's signature is spoilt": rotated(by(PRIVATE, KEY), lambda _: spoilt(NEXT_KEY)),
    "the newer key signed, the older one's signature is spoilt": rotated(
        by(NEXT_PRIVATE, NEXT_KEY), lambda _: spoilt(KEY)
    ),
    "twice by one key, once spoilt": signed_with(LINE, spoilt(KEY)),
    "a key that is a witness's follows": rotated(by(NEXT_PRIVATE, NEXT_KEY), new=WITNESS_KEY),
    "base64 without its padding": signed_with(LINE.rstrip("=")),
    "base64 with more at its end": signed_with(LINE, "\u2014 other.test AAAAAAB="),
    "a signature of nothing": signed_with(LINE, "\u2014 other.test AAAA"),
    "a name with a blank in it": signed_with(LINE, "\u2014 other\x1ctest AAAAAAAA"),
    "a name with a mark of byte order": signed_with(LINE, "\u2014 other\ufefftest AAAAAAAA"),
    "a hundred and one signatures": signed_with(
        LINE, *[f"\u2014 other{number}.test AAAAAAAA" for number in range(100)]
    ),
    "a note of a million characters": signed_with(LINE, f"\u2014 {'x' * 1_000_000} AAAAAAAA"),
    "a line that is no signature": signed_with(LINE, "other.test AAAAAAAA"),
    "no line end": [orjson.dumps({**HEAD, "checkpoint": HEAD["checkpoint"].rstrip("\n")}) + b"\n", *LINES[1:]],
}


@pytest.mark.parametrize("lines", FORGED.values(), ids=FORGED)
def test_neither_verifier_takes_a_forged_bundle(lines, tmp_path):
    code, findings = ours(lines, KEY)
    assert code == 4, findings
    if NODE is not None:
        assert theirs(lines, KEY, tmp_path) == (code, findings)


def test_genuine_ones_that_look_alike_are_taken(tmp_path):
    """So what is refused above is refused for the reason that is named there."""
    events, stream = gone_on()
    whole = [place for place in of_stream(events, stream.id) if not events[place].subject.endswith(".StreamCarried")]
    unknown = "\u2014 other.test AAAAAAAA"
    for lines in (
        bundled(events, whole, str(stream)),
        rotated(by(NEXT_PRIVATE, NEXT_KEY)),
        rotated(by(PRIVATE, KEY), by(NEXT_PRIVATE, NEXT_KEY)),
        signed_with(LINE, unknown),
        signed_with(unknown, LINE, *[f"\u2014 other{number}.test AAAAAAAA" for number in range(98)]),
    ):
        assert ours(lines, KEY) == (0, None)
        if NODE is not None:
            assert theirs(lines, KEY, tmp_path) == (0, None)


def test_one_witness_counts_once_whatever_it_calls_itself():
    bundle = exported()
    text = Note.parse(bundle.checkpoint).text
    again = VerifierKey("also.test", COSIGNATURE, WITNESS_KEY.public)

    def cosignature(key):
        return Signature(key.name, key.hash, (7).to_bytes(8, "big") + WITNESS.sign(cosigned(text, 7)))

    cosignatures = [cosignature(WITNESS_KEY), cosignature(again), spoilt(VerifierKey("x.test", 4, b"\5" * 32))]
    signed = Note.parse(bundle.checkpoint).with_signatures(cosignatures)
    for witnesses in ([WITNESS_KEY, WITNESS_KEY], [WITNESS_KEY, again]):
        assert Signed.open(str(signed), KEY, witnesses, 1).witnesses == (WITNESS_KEY,)
        with pytest.raises(CheckpointInvalid, match="1 of the known witnesses signed"):
            Signed.open(str(signed), KEY, witnesses, 2)


def test_the_logs_own_key_is_no_witness_of_it_and_a_witness_no_log():
    bundle = exported()
    note_ = Note.parse(bundle.checkpoint)
    own = VerifierKey("witness.test", COSIGNATURE, KEY.public)
    mine = Signature(own.name, own.hash, (7).to_bytes(8, "big") + PRIVATE.sign(cosigned(note_.text, 7)))
    for witness in (KEY, own):
        with pytest.raises(CheckpointInvalid, match="0 of the known witnesses signed"):
            Signed.open(str(note_.with_signatures([mine])), KEY, [witness], 1)
    posing = VerifierKey(KEY.name, COSIGNATURE, WITNESS_KEY.public)
    line = Signature(posing.name, posing.hash, (7).to_bytes(8, "big") + WITNESS.sign(cosigned(note_.text, 7)))
    with pytest.raises(CheckpointInvalid, match="is a witness's key"):
        Signed.open(str(Note(note_.text, (line,))), posing)
    assert not verify(bundle, posing).sound
    with pytest.raises(KeyInvalid, match="only keys that sign logs follow one another"):
        rotation_text(KEY, posing)


@pytest.mark.parametrize(
    ("epochs", "at"),
    [((5, 5), 1), ((0, 2), 21), ((1, 2), 1), ((3, 0), 1)],
    ids=["another number", "one left out", "one later", "backwards"],
)
def test_a_log_whose_epochs_are_of_another_is_found(epochs, at):
    """Which epoch an event stands in is in no leaf: it follows from the checkpoints, and from the epochs before."""
    first, later = epochs
    events = [*(moved(each, first) for each in log(20, streams=20))]
    for number in range(21, 31):
        new = stored(StreamId("acme", "run", f"n{number}"), 1, 0, number, {})
        events.append(moved(new, later))
    checkpoints, hashes, entries = ledger(events)
    for feed in (Audit.feed, Audit.take):
        audit = Audit(FIRST, known(checkpoints), hashes, entries)
        feed(audit, events)
        findings = audit.finish().findings
        assert {each.kind for each in findings} == {Kind.RULE}
        assert findings[0].first.sequence == at
        assert "epoch" in findings[0].message


def test_epochs_that_follow_one_another_are_right_also_after_a_hole():
    events = [
        *log(20, streams=20),
        *(moved(stored(StreamId("acme", "run", f"n{n}"), 1, 0, n, {}), 1) for n in range(21, 31)),
    ]
    checkpoints, hashes, entries = ledger(events)
    audit = Audit(FIRST, known(checkpoints), hashes, entries)
    audit.take(events)
    assert audit.finish().sound
    audit = Audit(FIRST, known(checkpoints), hashes, entries)
    audit.take([moved(each, 2) for each in events[25:]])
    assert {each.kind for each in audit.finish().findings} == {Kind.DELETED}
