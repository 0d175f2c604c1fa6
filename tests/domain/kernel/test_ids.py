from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel.errors import InvalidInput
from domain.kernel.ids import START, HostileName, Position, Positions, StreamId, event_id, token, ulid

tokens = st.text("abcXYZ019_-", min_size=1, max_size=64)
positions = st.builds(Position, st.integers(0, 5), st.integers(0, 5), st.integers(0, 10**18 - 1))


@given(tokens)
def test_a_token_is_returned_as_it_is(text: str) -> None:
    assert token(text, "tenant") is text


@given(st.text())
def test_a_token_is_one_token_of_a_subject_and_nothing_else(text: str) -> None:
    try:
        token(text, "tenant")
    except HostileName:
        assert not (1 <= len(text) <= 64) or set(text) - set(
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
        )
    else:
        assert text.isascii()
        assert not set(text) & set(".*> \t\r\n\x00")


@pytest.mark.parametrize("text", ["a\n", "*", ">", "a.b", "", "x" * 65, "é", "a b", None, 5, b"a"], ids=repr)
def test_hostile_names_are_refused_with_their_name_and_the_way_out(text: Any) -> None:
    with pytest.raises(HostileName, match=r"tenant .*use 1 to 64 letters"):
        token(text, "tenant")


def test_a_huge_name_does_not_fill_the_message() -> None:
    with pytest.raises(HostileName) as refused:
        token("*" * 1_000_000, "tenant")
    assert len(str(refused.value)) < 200


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_ulids_sort_by_time(milliseconds: int, randomness: bytes) -> None:
    one = ulid(milliseconds, randomness)
    assert len(one) == 26
    assert token(one, "id") == one
    if milliseconds < 2**48 - 1:
        assert one < ulid(milliseconds + 1, b"\x00" * 10)


def test_a_known_ulid() -> None:
    assert ulid(1469918176385, b"\x00" * 10) == "01ARYZ6S410000000000000000"
    assert ulid(2**48 - 1, b"\xff" * 10) == "7" + "Z" * 25


@given(st.text(), st.integers(0, 1000))
def test_the_same_cause_and_index_make_the_same_event_id(cause: str, index: int) -> None:
    made = event_id(cause, index)
    assert made == event_id(cause, index)
    assert made != event_id(cause, index + 1)
    assert UUID(made).version == 5
    assert token(made, "event id") == made


def test_event_ids_never_change_between_releases() -> None:
    assert event_id("01JX", 0) == "45fe9c55-f1a0-553b-bdaf-38b283986add"


@given(st.builds(StreamId, tokens, tokens, tokens))
def test_a_stream_is_read_back_from_its_source(stream: StreamId) -> None:
    assert StreamId.parse(str(stream)) == stream


@pytest.mark.parametrize("source", ["", "/", "/a/b", "a/b/c", "/a/b/c/d", "/a//c", "/a/*/c", "x" * 10_000])
def test_what_is_no_source_is_refused(source: str) -> None:
    with pytest.raises(HostileName):
        StreamId.parse(source)


@given(st.builds(StreamId, tokens, tokens, tokens), st.integers(1, 64))
def test_a_stream_has_one_shard(stream: StreamId, shards: int) -> None:
    assert 0 <= stream.shard(shards) < shards
    assert stream.shard(shards) == StreamId.parse(str(stream)).shard(shards)
    assert stream.subjects(shards).split(".")[:2] == ["evt", str(stream.shard(shards))]


def test_shards_never_change_between_releases() -> None:
    shards = [StreamId("acme", "run", f"r{number}").shard(8) for number in range(16)]
    assert shards == [3, 5, 4, 2, 1, 5, 6, 1, 3, 6, 5, 3, 4, 1, 4, 1]
    assert len({StreamId("acme", "run", f"r{number}").shard(8) for number in range(200)}) == 8


@given(positions)
def test_a_position_is_read_back(position: Position) -> None:
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text", ["", "0.0", "0:1", "a.b:c", "0.0:1 ", "0.0:1\n", "-1.0:1", "0.0:-1", "٠.0:1", "0.0:" + "9" * 19]
)
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"like 0\.0:123"):
        Position.parse(text)


@given(st.lists(positions))
def test_positions_only_grow(seen: list[Position]) -> None:
    reached = START
    for position in seen:
        before, reached = reached, reached.advanced(position)
        assert reached.covers(before)
        assert reached.sequence(position.epoch, position.shard) >= position.sequence
    assert Positions.parse(str(reached)).reached == reached.reached
    assert reached.covers(START)
    assert START.covers(reached) == (not any(reached.reached.values()))


def test_covering_is_per_shard() -> None:
    one = Positions.parse("0.0:5,0.1:2")
    assert one.covers(Positions.parse("0.0:5"))
    assert not one.covers(Positions.parse("0.1:3"))
    assert not one.covers(Positions.parse("1.0:1"))
    assert str(one) == "0.0:5,0.1:2"
    assert str(START) == "start"
    with pytest.raises(InvalidInput):
        Positions.parse("0.0:5,")
