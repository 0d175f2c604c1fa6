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
from domain.kernel.merkle import leaf_hash
from domain.ledger.leaf import leaf_of
from domain.ledger.stored import Rules, Standing, Stored

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
    start, end = _between_batches(messages)
    before, leaves = list[Standing](), list[bytes]()
    rules = Rules(before)
    if start == end:
        return None
    first = messages[start].position
    try:
        for sequence, message in enumerate(messages[start:end], start=first.sequence):
            if message.position.sequence != sequence:
                return None
            body = sha256(message.body).digest()
            identity, problems = rules.check(message, body)
            if problems:
                return None
            leaves.append(leaf_hash(leaf_of(message.subject.encode(), identity.encode(), body)))
    except PrecedentError:
        return None
    if len(rules.epochs) > 1:
        return None
    after = rules.standing()
    return Digested(first, b"".join(leaves), before, after, messages[:start], messages[end:])


def _between_batches(messages: Sequence[Stored]) -> tuple[int, int]:
    """Where the first batch that began before ends, and where the last one begins that ends after."""
    start, end = 0, len(messages)
    while start < end and _BATCH in messages[start].headers and _BEGINS not in messages[start].headers:
        start += 1
    if start < end and _BATCH in messages[end - 1].headers and _ENDS not in messages[end - 1].headers:
        end -= 1
        while end > start and _BEGINS not in messages[end].headers:
            end -= 1
    return start, end
