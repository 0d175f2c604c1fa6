"""Answers to commands in memory."""

from __future__ import annotations


class MemoryAnswers:
    """The ``AnswerStore`` port in a dict."""

    def __init__(self) -> None:
        """Start empty."""
        self._answers: dict[tuple[str, str], bytes] = {}

    async def get(self, tenant: str, command: str) -> bytes | None:
        """As the port says."""
        return self._answers.get((tenant, command))

    async def put(self, tenant: str, command: str, answer: bytes) -> None:
        """As the port says."""
        self._answers.setdefault((tenant, command), answer)
