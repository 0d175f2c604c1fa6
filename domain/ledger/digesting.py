"""A run of messages looked at by itself, so that several runs of a log can be looked at at once.

What can be told without the rest of the log is told here: leaf hashes, and the rules of ``stored`` within the run. The
rest is left to the audit, which gets it in few words: how each stream must have stood before, and how it stands after.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from domain.kernel.errors import PrecedentError
from domain.kernel.ids import Position
from domain.ledger.leaf import hashed
from domain.ledger.stored import Part, Rules, Standing, Stored, stored_of

_BATCH: Final = b"\r\nNats-Batch-Id: "
_BEGINS: Final = b"\r\nNats-Batch-Sequence: 1\r\n"
_ENDS: Final = b"\r\nNats-Batch-Commit: "


class Digested(NamedTuple):
    """What a run of messages comes to, where it keeps every rule by itself."""

    first: Position
    """Place of the first message that is in ``leaves``."""
    leaves: bytes
    """Their leaf hashes, joined."""
    before: Sequence[Standing]
    """How the streams stood before, by what their first messages here say."""
    after: Sequence[Standing]
    """How they stand after."""
    ahead: Sequence[Stored]
    """Messages before these: of an atomic batch that began before the run."""
    behind: Sequence[Stored]
    """Messages after these: of an atomic batch that ends after the run."""


def digest(messages: Sequence[Stored]) -> Digested | None:
    """Look at messages that follow one another; None where something in them needs a closer look."""
    if not messages:
        return None
    first = messages[0].position
    epoch, shard = first.epoch, first.shard
    for sequence, (place, _, _, _) in enumerate(messages, start=first.sequence):
        if place.sequence != sequence or place.epoch != epoch or place.shard != shard:
            return None
    return digest_parts(first, [(subject, headers, body) for _, subject, headers, body in messages])


def digest_parts(first: Position, parts: Sequence[Part]) -> Digested | None:
    """As ``digest``, of messages that follow one another from this place on, in one epoch."""
    start, end = _between_batches(parts)
    if start == end:
        return None
    before, leaves = list[Standing](), list[bytes]()
    rules = Rules(before)
    begins = Position(first.epoch, first.shard, first.sequence + start)
    sequence, short, add = begins.sequence, rules.short, leaves.append
    try:
        for subject, headers, body in parts[start:end]:
            body_digest = sha256(body).digest()
            identity = short(sequence, subject, headers, body, body_digest)
            if identity is None:
                place = Position(first.epoch, first.shard, sequence)
                identity, problems = rules.check(Stored(place, subject, headers, body), body_digest)
                if problems:
                    return None
            add(hashed(subject.encode(), identity.encode(), body_digest))
            sequence += 1
    except PrecedentError:
        return None
    after = Position(first.epoch, first.shard, first.sequence + end)
    ahead, behind = stored_of(first, parts[:start]), stored_of(after, parts[end:])
    return Digested(begins, b"".join(leaves), before, rules.standing(), ahead, behind)


def _between_batches(parts: Sequence[Part]) -> tuple[int, int]:
    """Where the first batch that began before ends, and where the last one begins that ends after."""
    start, end = 0, len(parts)
    while start < end and _BATCH in parts[start][1] and _BEGINS not in parts[start][1]:
        start += 1
    if start < end and _BATCH in parts[end - 1][1] and _ENDS not in parts[end - 1][1]:
        end -= 1
        while end > start and _BEGINS not in parts[end][1]:
            end -= 1
    return start, end
