"""Segments come back as they were written; whatever was done to one is told, with its place."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.ids import Position
from domain.ledger.segments import (
    FULL_BYTES,
    FULL_COUNT,
    LARGEST_MESSAGE,
    SegmentInvalid,
    beginning,
    frame,
    is_full,
    read,
    read_open,
    sealed,
    written,
)
from domain.ledger.stored import Stored
from tests.domain.ledger.logs import log

MESSAGES = log(40)
FIRST = MESSAGES[0].position
OPEN = beginning(FIRST) + b"".join(map(frame, MESSAGES))
SEALED = sealed(OPEN, 40)

anything = st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.binary(), st.binary()))


@given(anything, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**62))
def test_messages_come_back_byte_for_byte(parts, epoch, shard, sequence):
    first = Position(epoch, shard, sequence)
    messages = [Stored(Position(epoch, shard, sequence + n), *part) for n, part in enumerate(parts)]
    segment = read(written(first, messages))
    assert segment == (first, messages)
    assert segment.last == sequence + len(messages) - 1


def test_an_open_segment_ends_with_its_last_whole_message():
    ends = [len(OPEN) - sum(len(frame(each)) for each in MESSAGES[count:]) for count in range(len(MESSAGES) + 1)]
    for cut in range(len(beginning(FIRST)), len(OPEN) + 1):
        whole = sum(end <= cut for end in ends) - 1
        assert read_open(OPEN[:cut]).messages == MESSAGES[:whole]
    assert read(sealed(OPEN[: ends[7]], 7)).messages == MESSAGES[:7]
    for wrong in (sealed(OPEN[: ends[7] + 5], 7), sealed(OPEN[: ends[7]], 6), sealed(OPEN[: ends[7]], 8)):
        with pytest.raises(SegmentInvalid):
            read(wrong)
    assert read_open(SEALED).messages == MESSAGES


def test_every_cut_is_told():
    for cut in random.Random(1).sample(range(len(SEALED)), 300):
        with pytest.raises(SegmentInvalid):
            read(SEALED[:cut])


def test_every_flipped_bit_is_told():
    for place in random.Random(2).sample(range(len(SEALED)), 600):
        damaged = bytearray(SEALED)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(SegmentInvalid):
            read(bytes(damaged))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"precedent-segment-1\n",
        b"precedent-segment-2\n" + bytes(100),
        SEALED + b"\0",
        SEALED + SEALED,
        OPEN,
        OPEN + b"\xff" * 40,
        beginning(FIRST) + b"\xff\xff\xff\xfe" * 3 + bytes(64),
        beginning(FIRST) + b"\0\0\0\1" + bytes(8) + b"\xff" + bytes(64),
    ],
)
def test_what_is_no_segment(data):
    with pytest.raises(SegmentInvalid):
        read(data)


def test_a_message_that_is_too_large():
    huge = MESSAGES[0]._replace(body=bytes(LARGEST_MESSAGE))
    with pytest.raises(SegmentInvalid, match=r"the message at 0\.0:1 has 67\d+ bytes; 67108864 is the most"):
        frame(huge)


def test_when_a_segment_is_full():
    assert not is_full(FULL_COUNT - 1, FULL_BYTES - 1)
    assert is_full(FULL_COUNT, 1)
    assert is_full(1, FULL_BYTES)
