"""Answers to commands, one message a command id, kept for a day."""

from __future__ import annotations

from typing import Final

from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.publishing import publish
from domain.kernel.ids import token

SEQUENCE_MISMATCH: Final = frozenset({10071, 10164})


class JetStreamAnswers:
    """The ``AnswerStore`` port on the stream ANSWERS."""

    def __init__(self, connection: Connection) -> None:
        """Use this connection."""
        self._connection = connection

    async def get(self, tenant: str, command: str) -> bytes | None:
        """As the port says."""
        payload = await self._connection.request(f"$JS.API.DIRECT.GET.ANSWERS.{_subject(tenant, command)}", b"")
        return payload or None

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        """As the port says."""
        try:
            first = {"Nats-Expected-Last-Subject-Sequence": "0"}
            await publish(self._connection, _subject(tenant, command), answer, first)
        except ApiRefused as refusal:
            if refusal.number not in SEQUENCE_MISMATCH:
                raise


def _subject(tenant: str, command: str) -> str:
    return f"ans.{token(tenant, 'tenant')}.{token(command, 'command id')}"
