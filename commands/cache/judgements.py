"""What was said of a reused answer is kept, and an entry that was wrong is withdrawn."""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from commands.appends import append_one
from commands.cache.log import CATEGORY, folded
from commands.ports import NEW_STREAM, Head
from commands.services import Services
from domain.cache.commands import InvalidateEntry
from domain.cache.decide import EntryNotInUse, decide
from domain.cache.events import CacheEvent, ReuseJudged
from domain.kernel.errors import NotFound, VersionConflict
from domain.kernel.ids import StreamId

ATTEMPTS: Final = 5
"""How often an invalidation is decided anew when others append to the entry at the same time."""

LONGEST_REASON: Final = 1_000
"""Characters of a reason on the record."""


async def append_judgement(services: Services, tenant: str, judged: ReuseJudged, *, actor: str) -> None:
    """Each judgement has a stream of its own, so that nobody waits for another. The same again changes nothing."""
    name = sha256(f"{judged.run}/{judged.entry}/{judged.source}".encode()).hexdigest()
    try:
        await _append(services, StreamId(tenant, CATEGORY, name), NEW_STREAM, judged, "judged", judged.run, actor)
    except VersionConflict:
        return  # it was judged before


async def withdraw(services: Services, tenant: str, entry: str, reason: str, run: str) -> None:
    """Invalidate an entry that was wrong in a run. Doing it twice changes nothing. Raises ``ServiceUnreachable``."""
    stream = StreamId(tenant, CATEGORY, entry)
    for _ in range(ATTEMPTS):
        slice_ = await services.store.load(stream)
        try:
            (event,) = decide(folded(slice_.events), InvalidateEntry(entry=entry, reason=reason[:LONGEST_REASON]))
            return await _append(services, stream, slice_.head, event, f"{run}/wrong", run, "agent:critic")
        except (NotFound, EntryNotInUse):
            return None
        except VersionConflict:
            continue
    raise VersionConflict(f"{stream} changed {ATTEMPTS} times while it was withdrawn")


async def _append(
    services: Services, stream: StreamId, head: Head, event: CacheEvent, name: str, run: str, actor: str
) -> None:
    await append_one(
        services.store,
        services.clock,
        stream,
        head,
        event,
        named=f"{stream}/{name}",
        correlation=run,
        causation=run,
        actor=actor,
    )
