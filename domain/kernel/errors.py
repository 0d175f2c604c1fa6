"""The one base of every error that Precedent raises on purpose."""

from __future__ import annotations

from typing import ClassVar


class PrecedentError(Exception):
    """Catch this to handle every error of ours; branch on ``code``, which never changes between releases.

    The message names the thing, the value and the way out. A subclass's docstring tells the caller what to do.
    """

    code: ClassVar[str] = "precedent.error"


class InvalidInput(PrecedentError):
    """Correct the input that the message names and send it again; nothing has happened."""

    code = "input.invalid"


class NotFound(PrecedentError):
    """Check the name or id in the message; list what exists with the command that it names."""

    code = "not-found"


class VersionConflict(PrecedentError):
    """Someone else appended to the stream first: load its tail, evolve, and decide anew."""

    code = "stream.conflict"


class ServiceUnreachable(PrecedentError):
    """A server that this needs does not answer: start it, or correct its address in the configuration."""

    code = "service.unreachable"


class StoredDataInvalid(PrecedentError):
    """Stored bytes cannot be what they claim: run ``precedent audit verify``; do not write to this log before."""

    code = "stored.invalid"


class UnknownEventType(PrecedentError):
    """A replay met an event that this release does not know: use a release at least as new as its writer."""

    code = "event.unknown-type"
