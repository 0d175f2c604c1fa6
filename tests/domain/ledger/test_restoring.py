"""What is published again, so that a broker's log is what its archive has."""

import pytest

from domain.kernel.ids import StreamId
from domain.ledger.restoring import Restoring
from domain.ledger.stored import Rules
from tests.domain.ledger.logs import log, message, stored


def batch(first, name, streams=3, versions=2):
    """One atomic batch: several events of several new streams; of each stream only the first names its head."""
    events = []
    for stream in (StreamId("acme", "run", f"{name}{number}") for number in range(streams)):
        for version in range(1, versions + 1):
            events.append(stored(stream, version, 0, first + len(events), {}))
    total = len(events)
    found = []
    for number, event in enumerate(events, start=1):
        lines = f"Nats-Batch-Id: {name}\r\nNats-Batch-Sequence: {number}\r\n"
        lines += "Nats-Batch-Commit: 1\r\n" if number == total else ""
        _, _, tenant, category, stream, version, _ = event.subject.split(".")
        identity = event.headers.split(b"Nats-Msg-Id: ")[1][:36].decode()
        made = message(
            StreamId(tenant, category, stream), int(version), 0, event.position.sequence, identity, b"", lines
        )
        headers = made.headers
        if version != "1":
            headers = b"NATS/1.0\r\n" + headers[headers.index(b"Nats-Msg-Id") :]
        found.append(event._replace(headers=headers))
    return found


LOG = log(10)
LOG += batch(11, "one")
LOG += batch(17, "two", streams=4)
LOG += [stored(StreamId("acme", "run", "last"), 1, 0, 25, {})]


def fed(messages, after, step=4):
    restoring, groups = Restoring(after), []
    for start in range(0, len(messages), step):
        groups.extend(restoring.feed(messages[start : start + step]))
    return [*groups, *restoring.finish()]


def problems(messages):
    rules = Rules()
    return [problem for each in messages for problem in rules.check(each)[1]]


def test_the_log_keeps_its_rules():
    assert problems(LOG) == []


@pytest.mark.parametrize("step", [1, 4, 100])
def test_batches_go_as_they_came(step):
    groups = fed(LOG, 0, step)
    assert [len(group) for group in groups] == [1] * 10 + [6, 8, 1]
    assert [each for group in groups for each in group] == LOG


@pytest.mark.parametrize("after", range(26))
def test_what_is_there_already_is_left_out_and_the_rules_hold_again(after):
    groups = fed(LOG, after)
    restored = [each for group in groups for each in group]
    assert [each.position.sequence for each in restored] == list(range(after + 1, 26))
    assert [(each.subject, each.body) for each in restored] == [(each.subject, each.body) for each in LOG[after:]]
    assert problems(LOG[:after] + restored) == []


@pytest.mark.parametrize("end", range(11, 24))
def test_a_batch_without_its_end_goes_singly(end):
    groups = fed(LOG[:end], 0)
    torn = end - 10 if end < 16 else end - 16 if end > 16 else 0
    assert sum(len(group) for group in groups) == end
    assert all(b"Nats-Batch" not in each.headers for group in groups[len(groups) - torn :] for each in group if torn)
    assert problems([each for group in groups for each in group]) == []
