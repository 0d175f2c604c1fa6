"""Runs of a log that are looked at by themselves come to what an audit of the whole comes to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.ids import Position
from domain.ledger.auditing import Audit
from domain.ledger.digesting import digest
from domain.ledger.stored import Stored
from tests.domain.ledger.logs import FIRST, known, ledger, log
from tests.domain.ledger.test_epochs import gone_on

COUNT = 600
EVENTS = log(COUNT, streams=9)
CHECKPOINTS, HASHES, ENTRIES = ledger(EVENTS)
PARTS = known(CHECKPOINTS), HASHES, ENTRIES


def in_batches(events: list[Stored], starts: set[int]) -> list[Stored]:
    """The same events as they would lie there had those from each start on been one batch."""
    found, batch, number, seen = [], 0, 0, set()
    for place, event in enumerate(events):
        if place in starts or number:
            if place in starts:
                batch, number, seen = place, 0, set()
            number += 1
            stream = event.subject.rsplit(".", 2)[0]
            lines = event.headers.decode().split("\r\n")
            kept = [line for line in lines[:-2] if stream not in seen or not line.startswith("Nats-Expected")]
            seen.add(stream)
            is_last = place + 1 in starts or place + 1 == len(events) or number == 40
            more = [f"Nats-Batch-Id: b{batch}", f"Nats-Batch-Sequence: {number}"]
            more += ["Nats-Batch-Commit: 1"] if is_last else []
            headers = "\r\n".join([*kept, *more, "", ""]).encode()
            number = 0 if is_last else number
            found.append(event._replace(headers=headers))
        else:
            found.append(event)
    return found


def fed(events: list[Stored], checkpoints, tiles, entries):
    audit = Audit(FIRST, checkpoints, tiles, entries)
    audit.feed(events)
    return audit.finish()


def digested(events: list[Stored], cuts: list[int], checkpoints, tiles, entries):
    """Audit runs between these places; give the report, and how many events were adopted."""
    audit, adopted = Audit(FIRST, checkpoints, tiles, entries), 0
    for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        run = digest(events[start:end])
        if run is None:
            audit.feed(events[start:end])
            continue
        audit.feed(run.ahead)
        middle = events[start + len(run.ahead) : end - len(run.behind)]
        assert len(run.leaves) == 32 * len(middle)
        if audit.adopt(run):
            adopted += len(middle)
        else:
            audit.feed(middle)
        audit.feed(run.behind)
    return audit.finish(), adopted


def taken(events: list[Stored], cuts: list[int], checkpoints, tiles, entries):
    """Audit what lies between these places, whether or not something is missing in it."""
    audit = Audit(FIRST, checkpoints, tiles, entries)
    for start, end in zip([0, *cuts], [*cuts, len(events)], strict=True):
        audit.take(events[start:end])
    return audit.finish()


CUTS = st.sets(st.integers(1, COUNT - 1), max_size=12).map(sorted)


@given(CUTS, st.sets(st.integers(0, COUNT - 1), max_size=20))
def test_a_genuine_log_is_adopted_whole(cuts, starts) -> None:
    events = in_batches(EVENTS, starts)
    report, adopted = digested(events, cuts, *PARTS)
    assert report == fed(events, *PARTS)
    assert report.sound
    if not starts:
        assert adopted == COUNT


@given(
    CUTS, st.integers(0, COUNT - 2), st.sampled_from(["body", "header", "swap", "delete", "move", "rename", "stream"])
)
def test_what_was_tampered_with_is_told_alike(cuts, at, change) -> None:
    events = list(EVENTS)
    one, two = events[at], events[at + 1]
    match change:
        case "body":
            events[at] = one._replace(body=one.body.replace(b'"n":', b'"m":'))
        case "header":
            events[at] = one._replace(headers=one.headers.replace(b"cloudevents", b"Cloudevents"))
        case "swap":
            events[at] = two._replace(position=one.position)
            events[at + 1] = one._replace(position=two.position)
        case "delete":
            del events[at]
            cuts = [cut - (cut > at) for cut in cuts]
            cuts = sorted({cut for cut in cuts if 0 < cut < len(events)})
        case "move":
            events[at] = one._replace(headers=one.headers.replace(b"Sequence: ", b"Sequence: 1"))
        case "rename":
            events[at] = one._replace(subject=one.subject.replace(".run.", ".ran."))
        case "stream":
            events[at] = one._replace(subject=one.subject.replace("RunThought", "StreamCarried"))
    if change == "delete":
        # A run has no gaps: it ends where a message is missing.
        cuts = sorted({*cuts, at} - {0, len(events)})
    report, _ = digested(events, cuts, *PARTS)
    assert report == fed(events, *PARTS) == taken(events, cuts, *PARTS)
    assert not report.sound


@pytest.mark.parametrize("cuts", [[], [30], [31], [10, 30, 31, 33], [5, 20, 32]])
def test_epochs_are_told_alike(cuts) -> None:
    events, _ = gone_on()
    assert digest(events[25:35]) is None, "a run is of one epoch"
    assert taken(events, cuts, [], lambda _: None, lambda _: None).sound
    cuts = sorted({*cuts, 30})
    report, adopted = digested(events, cuts, [], lambda _: None, lambda _: None)
    assert report == fed(events, [], lambda _: None, lambda _: None)
    assert report.sound
    assert adopted >= 30


def test_what_is_not_in_order_is_left_to_the_audit() -> None:
    twice = [EVENTS[0], EVENTS[1], EVENTS[1]._replace(subject=EVENTS[2].subject), EVENTS[3]]
    for wrong in (twice, EVENTS[:3] + EVENTS[4:6], EVENTS[1::-1]):
        assert digest(wrong) is None


@pytest.mark.parametrize(
    "message",
    [
        Stored(Position(0, 0, 1), "", b"", b""),
        Stored(Position(0, 0, 1), "evt.0.a.run.r.1.X", b"", b"{}"),
        Stored(Position(0, 0, 1), "evt.0.a.run.r.x.X", b"NATS/1.0\r\n\r\n", b"{}"),
        Stored(Position(0, 0, 1), "a.b.c", b"\xff", b"\xff"),
        EVENTS[0]._replace(subject="x" * 70_000 + ".1.RunThought"),
        EVENTS[0]._replace(headers=EVENTS[0].headers.replace(b"Sequence: 0", b"Sequence: " + b"9" * 5000)),
        EVENTS[0]._replace(body=b"[" * 100_000),
    ],
)
def test_what_is_no_event_is_left_to_the_audit(message) -> None:
    assert digest([message]) is None
    assert digest([]) is None
