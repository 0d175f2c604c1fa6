"""Logs to audit: genuine ones, and what a forger makes of them."""

from datetime import UTC, datetime, timedelta

import orjson

from domain.kernel.events import Draft
from domain.kernel.ids import Position, StreamId, event_id
from domain.kernel.merkle import Tree, leaf_hash
from domain.ledger.auditing import Known
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.leaf import leaf_data
from domain.ledger.stored import Stored

ORIGIN = "precedent.test/0"
FIRST = Position(0, 0, 1)
BEGINNING = datetime(2026, 11, 21, 8, tzinfo=UTC)


def log(count, streams=7):
    """A genuine log: events of several streams, all appended singly."""
    heads, events = {}, []
    for place in range(count):
        stream = StreamId("acme", "run", f"r{place % streams}")
        version, head = heads.get(stream, (0, 0))
        events.append(stored(stream, version + 1, head, place + 1, {"n": place}))
        heads[stream] = version + 1, place + 1
    return events


def stored(stream, version, head, sequence, data, cause="c"):
    draft = Draft(
        id=event_id(f"{cause}{stream}", version),
        type="precedent.run.RunThought.v1",
        time="2026-11-21T08:00:00.000000Z",
        correlation=stream.id,
        causation="c",
        actor="agent:planner",
        data=data,
    )
    return message(stream, version, head, sequence, draft.id, draft.body(stream, version))


def message(stream, version, head, sequence, identity, body, extra=""):
    name = "Nats-Expected-Last-Subject-Sequence"
    headers = (
        f"NATS/1.0\r\n{name}: {head}\r\n{name}-Subject: {stream.subjects(1)}\r\n"
        f"Nats-Msg-Id: {identity}\r\ncontent-type: application/cloudevents+json\r\n{extra}\r\n"
    )
    subject = f"evt.0.{stream.tenant}.{stream.category}.{stream.id}.{version}.RunThought"
    return Stored(Position(0, 0, sequence), subject, headers.encode(), body)


def leaf_of_event(event):
    return leaf_data(event.subject, orjson.loads(event.body)["id"], event.body)


def ledger(events, every=50):
    """What the ledger holds of a genuine log: checkpoints, tiles of leaf hashes, entry bundles."""
    leaves = [leaf_of_event(event) for event in events]
    tree, checkpoints = Tree(), []
    for size, leaf in enumerate(leaves, start=1):
        tree.append(leaf_hash(leaf))
        if size % every == 0 or size == len(leaves):
            checkpoints.append(checkpoint(tree))

    def part(what):
        return lambda number: what[number * 256 : number * 256 + 256] or None

    return checkpoints, part([leaf_hash(leaf) for leaf in leaves]), part(leaves)


def checkpoint(tree):
    return Checkpoint(ORIGIN, tree.size, tree.root(), BEGINNING + timedelta(seconds=tree.size), FIRST)


def known(checkpoints, held=()):
    return [*(Known(each) for each in checkpoints), *(Known(each, held=True) for each in held)]


def renumbered(events):
    """A stream made anew out of these events: the broker numbers them from 1."""
    return [
        Stored(Position(0, 0, place), event.subject, event.headers, event.body)
        for place, event in enumerate(events, start=1)
    ]
