"""What can go wrong with the embedded stack."""

from __future__ import annotations

from typing import ClassVar

from domain.kernel.errors import PrecedentError
from infra.settings import ConfigurationError


class StackAlreadyRunning(PrecedentError):
    """Use the stack that runs, stop it with ``precedent down``, or name another data directory."""

    code: ClassVar[str] = "stack.already-running"


class DataDirectoryRefused(ConfigurationError):
    """Choose a data directory that the message allows; nothing was written."""

    code: ClassVar[str] = "stack.data-refused"


class ComponentFailed(PrecedentError):
    """Read the log lines in the message, correct their cause, and start the stack again; the data is kept."""

    code: ClassVar[str] = "stack.component-failed"
