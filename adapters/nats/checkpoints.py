"""Signed checkpoints on the stream LEDGER: one subject a shard, nothing ever removed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

from adapters.nats.appender import WRONG_SEQUENCE
from adapters.nats.client import header
from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.direct import Direct
from adapters.nats.publishing import publish
from domain.kernel.errors import StoredDataInvalid, VersionConflict

PAGE: Final = 500
"""Checkpoints of one request."""


class JetStreamCheckpoints:
    """The ``CheckpointLog`` port; a place is a sequence of the stream."""

    def __init__(self, connection: Connection) -> None:
        """Use this connection."""
        self._connection = connection
        self._direct = Direct(connection, "LEDGER")

    async def publish(self, shard: int, note: str, after: int) -> int:
        """As the port says."""
        expected = {"Nats-Expected-Last-Subject-Sequence": str(after)}
        try:
            return await publish(self._connection, _subject(shard), note.encode(), expected)
        except ApiRefused as refusal:
            if refusal.number not in WRONG_SEQUENCE:
                raise
            raise VersionConflict(f"the newest checkpoint of shard {shard} is no longer the one at {after}") from None

    async def newest(self, shard: int) -> tuple[int, str] | None:
        """As the port says."""
        answer = await self._direct.ask({"last_by_subj": _subject(shard)}, is_one=True)
        return _checkpoint(*answer.messages[0]) if answer.messages else None

    async def all(self, shard: int) -> AsyncIterator[str]:
        """As the port says."""
        request: dict[str, Any] = {"seq": 1, "next_by_subj": _subject(shard), "batch": PAGE}
        while True:
            answer = await self._direct.ask(request)
            for message in answer.messages:
                place, note = _checkpoint(*message)
                yield note
                request["seq"] = place + 1
            if len(answer.messages) < PAGE:
                return


def _checkpoint(headers: bytes, note: bytes) -> tuple[int, str]:
    place = int(header(headers, b"Nats-Sequence"))
    try:
        return place, note.decode()
    except UnicodeDecodeError:
        raise StoredDataInvalid(f"checkpoint {place} of the stream LEDGER is no text") from None


def _subject(shard: int) -> str:
    return f"ledger.{shard}.checkpoint"
