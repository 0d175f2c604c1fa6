"""Reads one stream of the open epoch straight from the broker's store, without a consumer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from adapters.nats.client import header, status
from adapters.nats.connection import Connection
from adapters.nats.direct import NONE, TOO_MANY, Direct
from adapters.nats.streams import events_name
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId

PAGE: Final = 1000
"""Versions named in one request; the broker answers at most 1,024 subjects."""

LARGEST_ANSWER: Final = 8 * 1024 * 1024
"""Bytes of one answer; the rest is asked for again."""


class Loader:
    """Direct reads in one shard's stream."""

    def __init__(self, connection: Connection, epoch: int, shard: int) -> None:
        self._direct = Direct(connection, events_name(epoch, shard))
        self._epoch = epoch
        self._shard = shard

    async def messages(self, stream: StreamId, after: int) -> tuple[list[Recorded], Recorded | None]:
        """Messages of a stream above a version, and its last one. Raises ``ServiceUnreachable``."""
        whole = f"evt.{self._shard}.{stream.tenant}.{stream.category}.{stream.id}"
        if after == 0:
            events = await self._all([f"{whole}.>"])
            if events is not None:
                return events, events[-1] if events else None
        last = await self._last(f"{whole}.>")
        events = []
        end = 0 if last is None else last.version
        for first in range(after + 1, end + 1, PAGE):
            versions = range(first, min(first + PAGE, end + 1))
            events += await self._all([f"{whole}.{version}.*" for version in versions]) or []
        return events, events[-1] if events else last

    async def _last(self, subjects: str) -> Recorded | None:
        answer = await self._direct.ask({"last_by_subj": subjects}, is_one=True)
        return self._event(*answer.messages[-1]) if answer.messages else None

    async def _all(self, subjects: Sequence[str]) -> list[Recorded] | None:
        """Last message of each of these subjects, in order; None when there are too many."""
        events: list[Recorded] = []
        request: dict[str, Any] = {"multi_last": subjects, "batch": 1024, "max_bytes": LARGEST_ANSWER}
        while True:
            answer = await self._direct.ask(request)
            ended = answer.end.result()
            if status(ended) == TOO_MANY:
                return None
            events += [self._event(*message) for message in answer.messages]
            if status(ended) == NONE or not int(header(ended, b"Nats-Num-Pending") or 0):
                return events
            request["seq"] = events[-1].position.sequence + 1
            request["up_to_seq"] = int(header(ended, b"Nats-UpTo-Sequence"))

    def _event(self, headers: bytes, body: bytes) -> Recorded:
        sequence = int(header(headers, b"Nats-Sequence"))
        address = header(headers, b"Nats-Subject").decode()
        return Recorded(Position(self._epoch, self._shard, sequence), address, body)
