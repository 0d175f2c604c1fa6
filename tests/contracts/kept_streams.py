"""What every keeper of streams does. Subclass it and give a `streams` fixture."""

from __future__ import annotations

import pytest

from commands.heard import KeptStreams
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.ledger.epochs import CARRIED

ONE = StreamId("acme", "program", "one")


def event(version: int, stream: StreamId = ONE, body: bytes = b"{}", sequence: int = 0) -> Recorded:
    """One event, as the log has it."""
    where = f"evt.0.{stream.tenant}.{stream.category}.{stream.id}.{version}.Happened"
    return Recorded(Position(0, 0, sequence or version), where, body)


class KeptStreamsContract:
    def test_what_was_not_heard_of_has_no_events(self, streams: KeptStreams) -> None:
        assert streams.events(ONE) == ()

    def test_events_are_given_as_they_were_heard(self, streams: KeptStreams) -> None:
        heard = [event(1, body="é\0".encode()), event(2, body=b""), event(3, body=b"x" * 100_000, sequence=2**62)]
        for each in heard:
            streams.add(each)
        assert list(streams.events(ONE) or ()) == heard

    @pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 2**62])
    def test_events_are_given_above_a_version(self, streams: KeptStreams, after: int) -> None:
        for version in (1, 2, 3):
            streams.add(event(version))
        assert [each.version for each in streams.events(ONE, after) or ()] == list(range(1, 4))[after:]
        assert streams.events(ONE, after) is not None
        assert streams.events(StreamId("acme", "program", "unheard"), after) == ()

    def test_what_is_heard_again_changes_nothing(self, streams: KeptStreams) -> None:
        for version in (1, 2, 1, 2, 3, 3):
            streams.add(event(version))
        assert [each.version for each in streams.events(ONE) or ()] == [1, 2, 3]

    @pytest.mark.parametrize("versions", [[2], [1, 3], [1, 2, 4, 3], [1, 3, 2, 3]], ids=str)
    def test_a_stream_of_which_an_event_is_missing_is_not_known(
        self, streams: KeptStreams, versions: list[int]
    ) -> None:
        for version in versions:
            streams.add(event(version))
        assert streams.events(ONE) is None

    @pytest.mark.parametrize(
        "other",
        [event(2, sequence=19), event(2, body=b"other", sequence=20), event(1, sequence=20), event(3, sequence=20)],
        ids=["another place", "another body", "an earlier one later", "a later one not later"],
    )
    def test_a_stream_of_which_another_log_is_heard_is_not_known(self, streams: KeptStreams, other: Recorded) -> None:
        for each in (event(1, sequence=10), event(2, sequence=20), event(1, sequence=10), event(2, sequence=20)):
            streams.add(each)
        assert streams.events(ONE) is not None
        streams.add(other)
        streams.add(event(3, sequence=30))
        assert streams.events(ONE) is None

    def test_a_stream_goes_on_in_the_next_epoch(self, streams: KeptStreams) -> None:
        mark = Recorded(Position(1, 0, 30), f"evt.0.acme.program.one.2.{CARRIED}", b"{}")
        later = Recorded(Position(1, 0, 31), "evt.0.acme.program.one.3.Happened", b"{}")
        heard = [event(1, sequence=10), event(2, sequence=20), mark, mark, later]
        for each in heard * 2:
            streams.add(each)
        assert list(streams.events(ONE) or ()) == [*heard[:2], later]

    def test_streams_are_apart(self, streams: KeptStreams) -> None:
        others = [
            StreamId("rival", "program", "one"),
            StreamId("acme", "cache", "one"),
            StreamId("acme", "program", "o"),
        ]
        streams.add(event(1))
        streams.add(event(2, others[0]))
        streams.add(event(1, others[1], b"other"))
        assert [each.body for each in streams.events(ONE) or ()] == [b"{}"]
        assert streams.events(others[0]) is None
        assert [each.body for each in streams.events(others[1]) or ()] == [b"other"]
        assert streams.events(others[2]) == ()

    def test_many_streams_and_long_ones_are_kept(self, streams: KeptStreams) -> None:
        names = [StreamId("acme", "program", f"{number:064x}") for number in range(200)]
        for version in range(1, 6):
            for number, name in enumerate(names):
                streams.add(event(version, name, b"%d of %d" % (version, number)))
        for number, name in enumerate(names):
            expected = [b"%d of %d" % (version, number) for version in range(1, 6)]
            assert [each.body for each in streams.events(name) or ()] == expected
