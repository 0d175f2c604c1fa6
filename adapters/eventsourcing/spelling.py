"""How the library's events are spelled in our log: one stream an originator, one event a stored event."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any, Final
from uuid import UUID

from eventsourcing.persistence import Notification, StoredEvent, Tracking

from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import StreamId, event_id
from domain.kernel.values import bytes_of_text, text_of_bytes

RECORDED: Final = "precedent.eventsourcing.EventRecorded.v1"
TRACKED: Final = "precedent.eventsourcing.NotificationTracked.v1"

_LONGEST: Final = 40
"""Characters of an application's name that stand in a category as they are."""


def category(application: str, purpose: str) -> str:
    """Category of an application's streams: ``es-<application>``, and the purpose where it is not ``events``."""
    name = re.sub(r"[^A-Za-z0-9_-]", "-", application)[:_LONGEST] or "application"
    if name != application:
        name = f"{name[:31]}-{hashlib.sha256(application.encode()).hexdigest()[:8]}"
    return f"es-{name}" if purpose == "events" else f"es-{name}-{purpose}"[:64]


def stream_of(tenant: str, category: str, originator: UUID | str) -> StreamId:
    """Stream of an originator; a text becomes Base64, or its digest where that is too long."""
    if isinstance(originator, UUID):
        return StreamId(tenant, category, originator.hex)
    encoded = base64.urlsafe_b64encode(originator.encode()).decode().rstrip("=")
    short = f"s-{encoded}" if len(encoded) <= 62 else f"d-{hashlib.sha256(originator.encode()).hexdigest()[:60]}"
    return StreamId(tenant, category, short)


def draft_of(stream: StreamId, stored: StoredEvent, time: str) -> Draft:
    """A stored event about to be appended. The same one again has the same id."""
    cause = f"{stream} {stored.originator_version}"
    originator = stored.originator_id
    data = {
        "originator": originator.hex if isinstance(originator, UUID) else originator,
        "kind": "uuid" if isinstance(originator, UUID) else "text",
        "version": stored.originator_version,
        "topic": stored.topic,
        "state": text_of_bytes(stored.state),
    }
    return _draft(RECORDED, event_id(f"{cause} {hashlib.sha256(stored.state).hexdigest()}", 0), stream, time, data)


def tracking_draft(stream: StreamId, tracking: Tracking, time: str) -> Draft:
    """A tracked notification about to be appended."""
    data = {"application": tracking.application_name, "notification": tracking.notification_id}
    return _draft(TRACKED, event_id(f"{stream} {tracking.notification_id}", 0), stream, time, data)


def _draft(kind: str, identity: str, stream: StreamId, time: str, data: dict[str, Any]) -> Draft:
    return Draft(
        id=identity,
        type=kind,
        time=time,
        correlation=stream.id,
        causation=identity,
        actor="application:eventsourcing",
        data=data,
    )


def stored_of(event: Recorded) -> StoredEvent:
    """The library's event out of ours."""
    return StoredEvent(**_fields(event))


def notification_of(event: Recorded) -> Notification:
    """The same with its place in the log, which is its id: ids grow, and need not follow one another."""
    return Notification(id=event.position.sequence, **_fields(event))


def _fields(event: Recorded) -> dict[str, Any]:
    data = event.data
    return {
        "originator_id": UUID(data["originator"]) if data["kind"] == "uuid" else data["originator"],
        "originator_version": data["version"],
        "topic": data["topic"],
        "state": bytes_of_text(data["state"]),
    }
