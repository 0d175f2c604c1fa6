"""Answers to commands in memory."""

from __future__ import annotations

from domain.kernel.ids import token


class MemoryAnswers:
    """The ``AnswerStore`` port in a dict."""

    def __init__(self) -> None:
        """Start empty."""
        self._answers: dict[tuple[str, str], bytes] = {}

    async def get(self, tenant: str, command: str) -> bytes | None:
        """As the port says."""
        return self._answers.get(_key(tenant, command))

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        """As the port says."""
        self._answers.setdefault(_key(tenant, command), answer)


def _key(tenant: str, command: str) -> tuple[str, str]:
    return token(tenant, "tenant"), token(command, "command id")
