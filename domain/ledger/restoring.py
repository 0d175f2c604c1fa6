"""What has to be published, and how, so that a broker's log is again what its archive has.

Every message goes out as it was, headers included, in the order of the log: so each expectation of a head holds again,
and the broker gives it the place that it had. What was one atomic batch goes as one. Of a batch whose beginning is
still in the broker, the rest can only go singly: without the batch's headers, each with the head that it was appended
to, which the rules of the log allow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from domain.ledger.stored import FILTER, HEAD, Stored, header_lines

LOOK_BACK: Final = 1_000
"""Messages of the largest batch: to restore from a place on, begin reading so many before it."""


class Restoring:
    """Cut a log into what is published together, from after a place on."""

    def __init__(self, after: int) -> None:
        """``after``: the last sequence that the broker still has."""
        self._after = after
        self._batch = ""
        self._members: list[Stored] = []

    def feed(self, messages: Iterable[Stored]) -> Iterator[list[Stored]]:
        """Take the next messages; give those that go together, batches with more than one."""
        for message in messages:
            lines, _ = header_lines(message.headers)
            batch = lines.get("Nats-Batch-Id", "")
            if batch != self._batch:
                yield from self.finish()
            if not batch:
                if message.position.sequence > self._after:
                    yield [message]
                continue
            self._batch = batch
            self._members.append(message)
            if "Nats-Batch-Commit" in lines:
                yield from self._ended(is_whole=lines.get("Nats-Batch-Sequence") == str(len(self._members)))

    def finish(self) -> Iterator[list[Stored]]:
        """Give what is left of a batch that has no end here."""
        yield from self._ended(is_whole=False)

    def _ended(self, *, is_whole: bool) -> Iterator[list[Stored]]:
        members, self._members, self._batch = self._members, [], ""
        if is_whole and members[0].position.sequence > self._after:
            yield members
            return
        for message in _alone(members):
            if message.position.sequence > self._after:
                yield [message]


def _alone(members: list[Stored]) -> Iterator[Stored]:
    """Members of a batch as they would have been appended one by one."""
    heads: dict[str, int] = {}
    for message in members:
        stream = message.subject.rsplit(".", 2)[0] + ".>"
        lines, _ = header_lines(message.headers)
        head = lines.get(HEAD, str(heads.get(stream, 0)))
        heads[stream] = message.position.sequence
        kept = {name: value for name, value in lines.items() if not name.startswith("Nats-Batch-")}
        ordered = {HEAD: head, FILTER: stream, **{name: kept[name] for name in kept if name not in (HEAD, FILTER)}}
        text = "".join(f"{name}: {value}\r\n" for name, value in ordered.items())
        yield message._replace(headers=f"NATS/1.0\r\n{text}\r\n".encode())
