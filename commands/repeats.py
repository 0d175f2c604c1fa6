"""Telling a command that is sent again from another one under the same id.

What was asked is in the id of each event that a command causes, and beside each refusal that is kept. When it was sent,
until when it holds and its trace are no part of that: a repeated command may say otherwise.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar, Final

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import InvalidInput
from domain.kernel.events import Recorded
from domain.kernel.ids import event_id
from domain.kernel.values import digest_bytes

if TYPE_CHECKING:
    from commands.handle import CommandEnvelope

REUSED: Final = "command.id-reused"


class CommandIdReused(InvalidInput):
    """Send the command under an id of its own; the same id again is for the same command alone."""

    code: ClassVar[str] = REUSED


class Kept(BaseModel):
    """A refusal as it is kept: what was asked, and the answer as JSON text."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    request: str
    answer: str


def request_of(envelope: CommandEnvelope, principal: str) -> str:
    """Digest of what is asked, and by whom."""
    asked = [envelope.type, envelope.tenant, principal, envelope.expectedversion, envelope.data]
    # Not canonical JSON: data that no event could hold must be told apart as well.
    return digest_bytes(json.dumps(asked, sort_keys=True, separators=(",", ":")).encode())


def cause_of(envelope: CommandEnvelope, request: str) -> str:
    """What the ids of a command's events are made of."""
    return f"{envelope.tenant}/{envelope.id}#{request}"


def check_repeated(envelope: CommandEnvelope, request: str, first: Recorded) -> None:
    """Refuse a command under whose id another one caused this event, its first. Raises ``CommandIdReused``."""
    before_requests_were_told = f"{envelope.tenant}/{envelope.id}"
    if first.id not in (event_id(cause_of(envelope, request), 0), event_id(before_requests_were_told, 0)):
        raise reused(envelope, f"it caused {first.short_name}")


def check_kept(envelope: CommandEnvelope, request: str, kept: bytes) -> bytes:
    """Give the answer that is kept, as JSON. Raises ``CommandIdReused`` where it is another command's."""
    if not kept.startswith(b'{"request":'):
        return kept  # an answer alone, as they were kept before
    found = Kept.model_validate_json(kept)
    if found.request != request:
        raise reused(envelope, "it was refused")
    return found.answer.encode()


def reused(envelope: CommandEnvelope, what: str) -> CommandIdReused:
    """The refusal of a command whose id another has."""
    return CommandIdReused(
        f"the id {envelope.id} is that of another command, or of another sender's: {what}; send this one under a new id"
    )
