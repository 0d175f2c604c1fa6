"""Rotation of the ledger's key, on the record."""

from __future__ import annotations

from commands.ledger_ports import Signer
from commands.ports import Clock, EventStore
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId, event_id
from domain.kernel.values import format_time
from domain.ledger.events import KeyRotated
from domain.ledger.notes import Note, Signature, VerifierKey, ed25519_message
from domain.ledger.rotation import rotation_text


async def record_rotation(
    events: EventStore, clock: Clock, tenant: str, shard: int, old: Signer, new: VerifierKey, actor: str
) -> None:
    """Let the old key say, in an event of the log, that the new one follows it. Doing it twice records it once.

    Raises ``KeyInvalid`` for a key of another name, ``VersionConflict`` when another rotation came in between.
    """
    text = rotation_text(old.key, new)
    note = Note(text, (Signature(old.key.name, old.key.hash, await old.sign(ed25519_message(text))),))
    stream = StreamId(tenant, "ledger", str(shard))
    loaded = await events.load(stream)
    if any(event.data.get("note") == str(note) for event in loaded.events):
        return
    cause = f"rotation {new}"
    draft = Draft(
        id=event_id(cause, 0),
        type=KeyRotated.TYPE,
        time=format_time(clock.now()),
        correlation=stream.id,
        causation=event_id(cause, 1),
        actor=actor,
        data=KeyRotated(note=str(note)).model_dump(),
    )
    await events.append(stream, [draft], loaded.head)
