"""What a process says with its exit code, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DONE: Final = 0
NO: Final = 1
"""The run failed, or the answer is no."""
INVALID: Final = 2
"""Wrong usage or invalid input; nothing has happened."""
DIVERGED: Final = 3
TAMPERED: Final = 4
UNREACHABLE: Final = 5
"""A service that is needed does not answer."""
DENIED: Final = 6
INTERRUPTED: Final = 130
TERMINATED: Final = 143
READER_GONE: Final = 141
"""Whoever read the output has closed it, as in ``precedent events | head``."""

OF_CODE: Final[Mapping[str, int]] = {
    "access": DENIED,
    "agent": NO,
    "agent.module-unusable": INVALID,
    "agent.not-declarable": INVALID,
    "agent.unavailable": UNREACHABLE,
    "append": NO,
    "backup": INVALID,
    "backup.damaged": TAMPERED,
    "bench": NO,
    "bench.corpus-missing": UNREACHABLE,
    "bench.data-invalid": INVALID,
    "bench.data-missing": INVALID,
    "bench.numpy-missing": UNREACHABLE,
    "cache": NO,
    "cache.key-invalid": INVALID,
    "command": INVALID,
    "command.answer-overdue": UNREACHABLE,
    "command.answer-unreadable": UNREACHABLE,
    "command.expired": NO,
    "command.id-reused": INVALID,
    "command.queue-full": UNREACHABLE,
    "command.unhandled": NO,
    "configuration": INVALID,
    "content.credentials-refused": INVALID,
    "dead-letter": NO,
    "database": UNREACHABLE,
    "epoch": NO,
    "embedder": INVALID,
    "embedder.unavailable": UNREACHABLE,
    "event": NO,
    "input": INVALID,
    "interrupted": INTERRUPTED,
    "ledger": TAMPERED,
    "ledger.bundle-invalid": INVALID,
    "ledger.key-invalid": INVALID,
    "ledger.not-restored": UNREACHABLE,
    "ledger.not-witnessed": UNREACHABLE,
    "ledger.signer-key-missing": INVALID,
    "ledger.signing-key-refused": INVALID,
    "message": INVALID,
    "model": INVALID,
    "model.unavailable": UNREACHABLE,
    "name": INVALID,
    "not-found": NO,
    "output": READER_GONE,
    "precedent": NO,
    "program": NO,
    "program.envelope-invalid": TAMPERED,
    "projection": UNREACHABLE,
    "replay": DIVERGED,
    "replay.no-upcast": NO,
    "replay.process-lost": UNREACHABLE,
    "replay.tools-differ": NO,
    "rtfs": INVALID,
    "run": NO,
    "sandbox": UNREACHABLE,
    "service": UNREACHABLE,
    "service.not-permitted": INVALID,
    "stack": INVALID,
    "stack.component-failed": UNREACHABLE,
    "stack.no-worker": UNREACHABLE,
    "stored": TAMPERED,
    "stream": NO,
    "stream.settings-differ": INVALID,
    "task": INVALID,
    "timer": INVALID,
    "tool": NO,
    "tool.arguments": INVALID,
    "tool.module-unusable": INVALID,
    "tool.not-declarable": INVALID,
    "usage": INVALID,
    "value": INVALID,
}
"""Exit code by error code. The longest entry that begins the code at a dot decides: ``rtfs`` covers ``rtfs.read``."""

OF_OUTCOME: Final[Mapping[str, int]] = {
    "accepted": DONE,
    "rejected": NO,
    "conflict": NO,
    "expired": NO,
    "invalid": INVALID,
    "denied": DENIED,
}
"""Exit code by outcome of a command."""


class Terminated(Exception):
    """SIGTERM came, and the work has been ended in order."""


class ReaderGone(Exception):
    """Whoever read the output has closed it."""


def entry_of(code: str) -> str | None:
    """The entry of ``OF_CODE`` that decides about an error code; None where the table does not know it."""
    parts = code.split(".")
    names = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((name for name in names if name in OF_CODE), None)


def exit_code(code: str) -> int:
    """Exit code for an error code."""
    entry = entry_of(code)
    return NO if entry is None else OF_CODE[entry]
