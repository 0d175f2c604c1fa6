"""What a fork inherits: answers that the first events of its parent hold, to requests that are the same.

The first request that differs ends it: from there on the world may be another one, and everything is done anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, TypeAlias

from domain.agents.context import PATCHED
from domain.kernel.values import digest_bytes, digest_json
from domain.runs.events import ModelCallAnswered, ToolCallCompleted, ToolCallFailed, ValueRecorded
from domain.runs.execution import is_own
from domain.runs.guard import Asked
from domain.runs.parts import RunEvent
from domain.runs.planning import AgentPinned, ProgramCompiled
from domain.runs.replay import fold
from domain.runs.state import Entry, Run, Settlement

SETTLED: Final = frozenset({Settlement.COMPLETED, Settlement.FAILED, Settlement.DENIED})


def history_digest(bodies: Iterable[bytes]) -> str:
    """Digest of a run's first events: SHA-256 over the SHA-256 of each stored body, in order."""
    return digest_bytes(b"".join([hashlib.sha256(body).digest() for body in bodies]))


Inherited: TypeAlias = ToolCallCompleted | ToolCallFailed | ValueRecorded


class Inheritance:
    """The answers of a parent as of the event at which its fork leaves it."""

    def __init__(self, events: Sequence[RunEvent]) -> None:
        """Take the parent's first events. Raises ``HistoryInvalid``."""
        self._parent: Run = fold(events)

    def answer(
        self, asked: Asked, pinned: ProgramCompiled | AgentPinned, keys: Collection[str] = ()
    ) -> Inherited | None:
        """The parent's answer to this very request at this very place; None where it has none.

        ``keys``: all effects that the fork has asked for so far. Where the parent has further ones, it went past a
        patch of its agent that it never asked about, and so does its fork.
        """
        entry = self._parent.journal.get(asked.key)
        if entry is None and asked.tool == PATCHED and not self._parent.journal.keys() <= set(keys):
            return _value(asked, result=False)
        if entry is None or entry.settlement not in SETTLED or entry.request_digest != asked.digest:
            return None
        return _inherited(entry, asked, pinned)

    def model_answer(self, key: str, request_digest: str) -> ModelCallAnswered | None:
        """The model's answer to this very question; it costs nothing again."""
        answer = self._parent.answers.get(key)
        if answer is None or self._parent.asked.get(key) != request_digest:
            return None
        nothing = {"prompt_tokens": 0, "completion_tokens": 0, "usd": 0.0, "duration": 0.0}
        return answer.model_copy(update={**nothing, "source": "inherited"})


def _inherited(entry: Entry, asked: Asked, pinned: ProgramCompiled | AgentPinned) -> Inherited:
    if is_own(asked.tool):
        return _value(asked, entry.result)
    version = pinned.version_of(asked.tool) or ""
    if entry.error is not None:
        return ToolCallFailed(
            effect=asked.key,
            tool=asked.tool,
            version=version,
            arguments=asked.arguments,
            request_digest=asked.digest,
            error=entry.error,
            duration=0.0,
            source="inherited",
        )
    return ToolCallCompleted(
        effect=asked.key,
        tool=asked.tool,
        version=version,
        arguments=asked.arguments,
        request_digest=asked.digest,
        result=entry.result,
        result_digest=digest_json(entry.result),
        duration=0.0,
        source="inherited",
    )


def _value(asked: Asked, result: Any) -> ValueRecorded:
    return ValueRecorded(
        effect=asked.key,
        kind=asked.tool,
        arguments=asked.arguments,
        request_digest=asked.digest,
        result=result,
        source="inherited",
    )
