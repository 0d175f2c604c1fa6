"""Streams that go on in a new epoch, and the index of a closed one."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.kernel.values import digest_bytes
from domain.ledger.auditing import Audit, Kind
from domain.ledger.epochs import Closed, carried_from, carrying, check_index, entry_of, index_of, sequences_in
from domain.ledger.stored import Rules, Stored
from tests.domain.ledger.logs import FIRST, log, message, stored

NAMES = st.text("abcdefghijklmnop", min_size=1, max_size=4)


def mark(
    last: Stored, stream: StreamId, sequence: int, epoch: int = 1, version: int | None = None, **data: str
) -> Stored:
    """The mark by which a stream goes on, as the event store writes it; ``data`` replaces what it says."""
    draft = carrying(Recorded(last.position, last.subject, last.body), epoch)
    draft = type(draft)(
        **{**{name: getattr(draft, name) for name in draft.__dataclass_fields__}, "data": draft.data | data}
    )
    number = int(last.subject.split(".")[5]) if version is None else version
    extra = f"Nats-Expected-Stream: EVENTS_{epoch}_0\r\n"
    made = message(stream, number, 0, sequence, draft.id, draft.body(stream, number), extra)
    return moved(made._replace(subject=made.subject.replace("RunThought", "StreamCarried")), epoch)


def moved(event: Stored, epoch: int) -> Stored:
    return event._replace(position=Position(epoch, 0, event.position.sequence))


def gone_on() -> tuple[list[Stored], StreamId]:
    """Thirty events, and in the next epoch one stream that goes on with a mark and two events, and a new one."""
    events = log(30)
    stream = StreamId("acme", "run", "r1")
    last = events[29]
    assert last.subject.startswith("evt.0.acme.run.r1.5.")
    new = StreamId("acme", "run", "new")
    begun = stored(new, 1, 0, 34, {})
    named = begun.headers.removesuffix(b"\r\n") + b"Nats-Expected-Stream: EVENTS_1_0\r\n\r\n"
    return [
        *events,
        mark(last, stream, 31),
        moved(stored(stream, 6, 31, 32, {}), 1),
        moved(stored(stream, 7, 32, 33, {}), 1),
        moved(begun._replace(headers=named), 1),
    ], stream


def audited(events: list[Stored]) -> list[tuple[Kind, str, str]]:
    audit = Audit(FIRST, [])
    audit.feed(events)
    return [(each.kind, str(each.first), each.message) for each in audit.finish().findings]


def test_a_stream_that_goes_on_with_a_mark_keeps_the_rules() -> None:
    assert audited(gone_on()[0]) == []


def test_a_mark_may_follow_a_mark() -> None:
    events, stream = gone_on()
    last = events[29]
    again = mark(last, stream, 32, epoch=2)
    assert audited([*events[:31], again, moved(stored(stream, 6, 32, 33, {}), 2)]) == []


@pytest.mark.parametrize(
    ("change", "at", "says"),
    [
        (lambda e, s: [*e[:30], e[31]._replace(position=Position(1, 0, 31))], "1.0:31", "without a mark first"),
        (lambda e, s: [*e[:31], mark(e[29], s, 32)], "1.0:32", "already has events in this epoch"),
        (lambda e, s: [*e[:30], mark(e[29], s, 31, position="0.0:29")], "1.0:31", "lies at 0.0:30"),
        (lambda e, s: [*e[:30], mark(e[29], s, 31, digest="sha256:" + "0" * 64)], "1.0:31", "another digest"),
        (lambda e, s: [*e[:30], mark(e[29], s, 31, version=6)], "1.0:31", "version 6 of its stream follows version 5"),
        (lambda e, s: [*e[:30], mark(e[22], s, 31)], "1.0:31", "version 4 of its stream follows version 5"),
        (lambda e, s: [*e[:30], mark(e[28], StreamId("acme", "run", "other"), 31)], "1.0:31", "no event before"),
        (
            lambda e, s: [*e[:30], e[30]._replace(headers=e[30].headers.replace(b"EVENTS_1", b"EVENTS_7"))],
            "1.0:31",
            "Nats-Expected-Stream is 'EVENTS_7_0', not 'EVENTS_1_0'",
        ),
        (
            lambda e, s: (
                [*e[:32], e[32]._replace(headers=e[32].headers[:-2] + b"Nats-Expected-Stream: EVENTS_1_0\r\n\r\n")]
            ),
            "1.0:33",
            "'Nats-Expected-Stream' was added",
        ),
    ],
)
def test_what_breaks_them_is_told_with_its_place(change, at, says) -> None:
    found = audited(change(*gone_on()))
    assert [(kind, where) for kind, where, text in found if says in text] == [(Kind.RULE, at)], found


def test_findings_name_the_epoch_of_their_place() -> None:
    events, _ = gone_on()
    del events[31]
    assert ("deleted", "1.0:32") in [(kind.value, where) for kind, where, _ in audited(events)]


def test_marks_are_of_no_use_to_rules_that_know_no_digests() -> None:
    """The digest is compared where it is known; the place always."""
    rules = Rules()
    events, stream = gone_on()
    for event in events[:30]:
        assert not rules.check(event)[1]
    assert list(rules.check(mark(events[29], stream, 31, digest="sha256:other"))[1]) == []


@pytest.mark.parametrize("data", [{}, {"position": 3}, {"position": "0.0"}, {"position": ""}])
def test_a_mark_that_does_not_say_what_it_carries(data) -> None:
    body = orjson.dumps({"specversion": "1.0", "type": "t", "id": "i", "data": data})
    with pytest.raises(StoredDataInvalid, match=r"1\.0:3"):
        carried_from(Recorded(Position(1, 0, 3), "evt.0.a.run.r.1.StreamCarried", body))


@given(st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=60), st.tuples(NAMES, NAMES, NAMES))
def test_an_index_tells_where_each_stream_s_messages_lie(names, other) -> None:
    messages = [
        Stored(Position(0, 0, place), f"evt.0.{'.'.join(name)}.{place}.Happened", b"", b"")
        for place, name in enumerate(names, start=1)
    ]
    index = index_of(entry_of(message) for message in reversed(messages))
    for name in [*names, other]:
        wanted = [place for place, each in enumerate(names, start=1) if each == name]
        assert list(sequences_in(index, StreamId(*name))) == wanted


@given(st.binary(max_size=64), st.integers(1, 5))
def test_an_index_that_is_another_is_refused(data, count) -> None:
    index = index_of(bytes([place]) * 16 for place in range(count))
    closed = Closed(epoch=0, shard=0, first=1, last=count, index=digest_bytes(index))
    check_index(closed, index)
    for wrong in (data, index + data, index[:-16]):
        if wrong != index:
            with pytest.raises(StoredDataInvalid, match="damaged"):
                check_index(closed, wrong)


@given(st.binary() | st.dictionaries(st.text(), st.integers(-9, 9) | st.text()).map(orjson.dumps))
def test_what_says_nothing_of_a_closed_epoch_is_refused(data) -> None:
    with pytest.raises(StoredDataInvalid, match=r"x\.json"):
        Closed.read(data, "x.json")


@pytest.mark.parametrize(
    "change",
    [
        {"first": 0},
        {"last": 3},
        {"first": 9.0},
        {"has_left": 1},
        {"epoch": -1},
        {"index": 3},
        {"more": 1},
        {"shard": True},
    ],
)
def test_a_closed_epoch_that_cannot_be_is_refused(change) -> None:
    right = {"epoch": 0, "shard": 0, "first": 4, "last": 9, "index": "x", "has_left": False}
    assert Closed.read(orjson.dumps(right), "x.json") == Closed(**right)
    with pytest.raises(StoredDataInvalid):
        Closed.read(orjson.dumps({**right, **change}), "x.json")
