"""Every way to tamper with a log is found, and told where and as what."""

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.ids import Position, StreamId
from domain.kernel.merkle import Tree, leaf_hash
from domain.ledger.auditing import Audit, Kind, Known
from tests.domain.ledger.logs import (
    BEGINNING,
    FIRST,
    checkpoint,
    known,
    leaf_of_event,
    ledger,
    log,
    message,
    renumbered,
    stored,
)

EVENTS = log(600)
CHECKPOINTS, HASHES, ENTRIES = ledger(EVENTS)


def audit(events, checkpoints=CHECKPOINTS, hashes=HASHES, entries=ENTRIES, held=(), **finish):
    running = Audit(FIRST, known(checkpoints, held), hashes, entries)
    for start in range(0, len(events), 97):
        running.feed(events[start : start + 97])
    return running.finish(**finish)


def told(report):
    return [
        (each.kind, each.first and each.first.sequence, each.last and each.last.sequence) for each in report.findings
    ]


def without_rules(report):
    return [each for each in told(report) if each[0] is not Kind.RULE]


def edited(events, place, **changes):
    changed = list(events)
    changed[place] = changed[place]._replace(**changes)
    return changed


@pytest.mark.parametrize("tiles", [True, False])
@pytest.mark.parametrize("count", [0, 1, 49, 50, 51, 255, 256, 257, 600])
def test_a_genuine_log_is_sound(count, tiles):
    events = EVENTS[:count]
    checkpoints, hashes, entries = ledger(events)
    report = audit(events, checkpoints, *((hashes, entries) if tiles else (lambda _: None, lambda _: None)))
    assert report.sound, report.findings
    assert (report.events, report.covered, report.uncovered) == (count, count, 0)
    assert report.checkpoints == len(checkpoints)


def test_one_flipped_bit_in_a_body():
    body = EVENTS[123].body.replace(b"planner", b"pmanner")
    report = audit(edited(EVENTS, 123, body=body))
    assert told(report) == [(Kind.EDITED, 124, 124)]
    assert "its body had the digest sha256:" in report.findings[0].message
    assert report.covered == 600


def test_an_edit_is_bracketed_by_checkpoints_where_tiles_are_gone():
    body = EVENTS[123].body.replace(b"planner", b"pmanner")
    report = audit(edited(EVENTS, 123, body=body), hashes=lambda _: None, entries=lambda _: None)
    assert told(report)[0] == (Kind.REWRITTEN, 101, 150)
    assert {each[0] for each in told(report)} == {Kind.REWRITTEN}


def test_a_changed_subject():
    subject = EVENTS[10].subject.replace("RunThought", "RunFailed")
    report = audit(edited(EVENTS, 10, subject=subject))
    assert (Kind.EDITED, 11, 11) in told(report)
    assert any("its subject was evt.0.acme.run.r3.2.RunThought" in each.message for each in report.findings)


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (b"content-type: application/cloudevents+json", b"content-type: text/plain", "the header content-type is"),
        (b"\r\n\r\n", b"\r\nX-Note: hidden\r\n\r\n", "the header 'X-Note' was added"),
        (b"Sequence: 94\r\n", b"Sequence: 93\r\n", "the header Nats-Expected-Last-Subject-Sequence is '93'"),
        (b"Nats-Msg-Id: ", b"Nats-Msg-Id: x", "the header Nats-Msg-Id is 'x"),
        (b"NATS/1.0\r\n", b"", "not as the broker writes them"),
        (b"content-type: application/cloudevents+json\r\n", b"", "the header content-type is missing"),
        (b"Nats-Expected-Last-Subject-Sequence: 94\r\n", b"", "Nats-Expected-Last-Subject-Sequence is missing"),
        (
            b"\r\n\r\n",
            b"\r\nNats-Batch-Id: x\r\nNats-Batch-Sequence: 7\r\n\r\n",
            "the header Nats-Batch-Sequence is '7'",
        ),
        (b"\r\n\r\n", b"\r\ncontent-type: application/cloudevents+json\r\n\r\n", "is there twice"),
    ],
)
def test_headers_may_only_say_what_follows_from_the_event(before, after, says):
    headers = EVENTS[100].headers.replace(before, after)
    assert headers != EVENTS[100].headers
    report = audit(edited(EVENTS, 100, headers=headers))
    assert told(report) == [(Kind.RULE, 101, 101)]
    assert says in report.findings[0].message


def test_headers_of_a_batch_are_right_as_they_are():
    stream, other = StreamId("acme", "run", "a"), StreamId("acme", "run", "b")
    name = "Nats-Batch-Id: x-1\r\nNats-Batch-Sequence: "
    plain = [stored(stream, 1, 0, 1, {}), stored(stream, 2, 0, 2, {}), stored(other, 1, 0, 3, {})]
    identity = [orjson.loads(each.body)["id"] for each in plain]
    batch = [
        message(stream, 1, 0, 1, identity[0], plain[0].body, f"{name}1\r\n"),
        message(stream, 2, 1, 2, identity[1], plain[1].body, f"{name}2\r\n"),
        message(other, 1, 0, 3, identity[2], plain[2].body, f"{name}3\r\nNats-Batch-Commit: 1\r\n"),
    ]
    # only the first event of a stream has an expectation
    second = batch[1].headers.split(b"\r\n")
    batch[1] = batch[1]._replace(headers=b"\r\n".join([second[0], *second[3:]]))
    assert audit(batch, *ledger(batch)).sound
    batch[1], batch[2] = batch[1], batch[2]._replace(headers=batch[2].headers.replace(b"Sequence: 3", b"Sequence: 4"))
    assert not audit(batch, *ledger(batch)).sound


def test_a_deleted_event_leaves_a_gap():
    report = audit([*EVENTS[:200], *EVENTS[201:]])
    assert without_rules(report) == [(Kind.DELETED, 201, 201)]
    assert EVENTS[200].subject in report.findings[0].message
    assert report.covered == 600


def test_hundreds_of_lost_events():
    report = audit([*EVENTS[:100], *EVENTS[400:]])
    assert without_rules(report) == [(Kind.DELETED, 101, 400)]
    assert "300 events are missing" in report.findings[0].message


def test_a_deleted_event_in_a_stream_made_anew():
    report = audit(renumbered([*EVENTS[:200], *EVENTS[201:]]))
    assert without_rules(report) == [(Kind.DELETED, 201, 201)]
    assert "and what follows moved up" in next(each.message for each in report.findings if each.kind is Kind.DELETED)


def test_two_events_swapped():
    events = list(EVENTS)
    events[300], events[301] = events[301], events[300]
    report = audit(renumbered(events))
    assert without_rules(report) == [(Kind.SWAPPED, 301, 302)]


def test_events_swapped_far_apart():
    events = list(EVENTS)
    events[300], events[420] = events[420], events[300]
    assert without_rules(audit(renumbered(events))) == [(Kind.EDITED, 301, 301), (Kind.EDITED, 421, 421)]


def test_an_inserted_event():
    forged = stored(StreamId("acme", "run", "forged"), 1, 0, 1, {"n": 0})
    report = audit(renumbered([*EVENTS[:333], forged, *EVENTS[333:]]))
    assert without_rules(report) == [(Kind.INSERTED, 334, 334)]
    assert "evt.0.acme.run.forged.1.RunThought" in next(
        each.message for each in report.findings if each.kind is Kind.INSERTED
    )


def test_a_truncated_tail():
    report = audit(EVENTS[:550])
    assert without_rules(report) == [(Kind.TRUNCATED, 551, 600)]
    assert audit(EVENTS[:550], hashes=lambda _: None).findings[0].kind is Kind.TRUNCATED


def test_a_truncated_tail_and_ledger_against_a_held_checkpoint():
    checkpoints, hashes, entries = ledger(EVENTS[:550])
    assert audit(EVENTS[:550], checkpoints, hashes, entries).sound
    report = audit(EVENTS[:550], checkpoints, hashes, entries, held=[CHECKPOINTS[-1]])
    assert told(report) == [(Kind.TRUNCATED, 551, 600)]


def rewritten():
    """A history with one event exchanged and every hash made anew."""
    events = list(EVENTS)
    events[77] = stored(StreamId("acme", "run", "r0"), 12, 71, 78, {"n": "other"})
    return events


def test_a_rewritten_history_with_recomputed_hashes_does_not_have_the_signed_roots():
    _, hashes, entries = ledger(rewritten())
    report = audit(rewritten(), CHECKPOINTS, hashes, entries)
    assert told(report)[0] == (Kind.REWRITTEN, 51, 100)


def test_a_fork_signed_by_the_owner_is_seen_by_who_holds_a_checkpoint():
    checkpoints, hashes, entries = ledger(rewritten())
    assert audit(rewritten(), checkpoints, hashes, entries).sound
    report = audit(rewritten(), checkpoints, hashes, entries, held=[CHECKPOINTS[3]])
    assert told(report) == [(Kind.FORKED, 151, 200)] or told(report)[0][0] is Kind.FORKED


def test_damaged_tiles_are_told_as_such():
    damaged = [*(HASHES(0) or ())]
    damaged[17] = leaf_hash(b"damaged")
    report = audit(EVENTS, hashes=lambda number: damaged if number == 0 else HASHES(number))
    assert {each[0] for each in told(report)} == {Kind.EDITED, Kind.TILES}


def test_events_nobody_signed_are_counted_and_after_a_while_a_finding():
    checkpoints, hashes, entries = ledger(EVENTS[:550])
    report = audit(EVENTS, checkpoints, hashes, entries)
    assert report.sound
    assert report.uncovered == 50
    late = audit(
        EVENTS, checkpoints, hashes, entries, now=BEGINNING + timedelta(hours=2), stale_after=timedelta(minutes=1)
    )
    assert told(late) == [(Kind.STALE, 551, 600)]


def test_a_log_that_nobody_ever_signed():
    report = audit(EVENTS, [], lambda _: None, lambda _: None)
    assert report.sound
    assert report.uncovered == 600
    assert report.root == CHECKPOINTS[-1].root


def test_bodies_that_are_no_events():
    for body in (b"", b"{", b"[]", b"null", b'{"id": 1}', b"\xff"):
        report = audit(edited(EVENTS, 5, body=body))
        assert (Kind.RULE, 6, 6) in told(report)
        assert (Kind.EDITED, 6, 6) in told(report)


def test_findings_are_kept_within_bounds():
    noise = [each._replace(headers=b"") for each in log(1500)]
    report = audit(noise, [], lambda _: None)
    assert len(report.findings) == 1000
    assert report.more == 500


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_tampering_is_found(data):
    count = data.draw(st.integers(5, 300))
    events = EVENTS[:count]
    checkpoints, hashes, entries = ledger(events, every=data.draw(st.integers(1, 80)))
    forged = list(events)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(forged) - 1))
        match data.draw(st.sampled_from(["delete", "double", "swap", "flip", "cut"])):
            case "delete":
                del forged[place]
            case "double":
                forged.insert(data.draw(st.integers(0, len(forged))), forged[place])
            case "swap":
                other = data.draw(st.integers(0, len(forged) - 1))
                forged[place], forged[other] = forged[other], forged[place]
            case "flip":
                body = bytearray(forged[place].body)
                body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
                forged[place] = forged[place]._replace(body=bytes(body))
            case _:
                del forged[max(1, place) :]
        if not forged:
            return
    forged = renumbered(forged) if data.draw(st.booleans()) else forged
    tiles = (hashes, entries) if data.draw(st.booleans()) else (lambda _: None, lambda _: None)
    report = audit(forged, checkpoints, *tiles)
    assert report.sound == ([tuple(each) for each in forged] == [tuple(each) for each in events])


def test_a_checkpoint_of_an_empty_log_and_equal_sizes():
    tree = Tree()
    empty = checkpoint(tree)
    assert audit([], [empty], lambda _: None).sound
    twice = [CHECKPOINTS[0], CHECKPOINTS[0], replace(CHECKPOINTS[1], root=b"\1" * 32)]
    assert without_rules(audit(EVENTS, twice, lambda _: None)) == [(Kind.REWRITTEN, 51, 100)]
    assert Known(empty).held is False
    assert leaf_of_event(EVENTS[0]) == (ENTRIES(0) or [b""])[0]
    assert Position(0, 0, 1) == FIRST
