"""L1: what answered a task is published, for tasks of the same shape."""

from __future__ import annotations

from commands.delegations import Target, key_of
from commands.evidence import CATALOG
from commands.ports import Head
from commands.services import Services
from domain.cache.events import CacheEntryPublished, Cost
from domain.kernel.errors import VersionConflict
from domain.kernel.events import Draft
from domain.kernel.ids import StreamId, event_id
from domain.kernel.values import format_time
from domain.runs.task import Task


async def remember(services: Services, tenant: str, task: Task, target: Target, run: str) -> None:
    """Publish which target answered. Raises ``ServiceUnreachable``."""
    key = key_of(task)
    stream = StreamId(tenant, "cache", key.id)
    stored = await services.store.load(stream)
    known = CATALOG.decode(stored.events[-1]) if stored.events else None
    if isinstance(known, CacheEntryPublished) and known.value == target:
        return
    event = CacheEntryPublished(
        namespace=key.namespace,
        level=key.level,
        kind=key.kind,
        version=key.version,
        digest=key.digest,
        value=target,
        volatility="slow",
        expires=None,
        depends=tuple(f"{target['target']}:{target[name]}" for name in ("entry", "name") if name in target),
        cost=Cost(),
        run=run,
        effect="route",
    )
    await _append(services, stream, stored.head, event)


async def _append(services: Services, stream: StreamId, head: Head, event: CacheEntryPublished) -> None:
    draft = Draft(
        id=event_id(f"{stream}/{event.run}", head.version),
        type=event.TYPE,
        time=format_time(services.clock.now()),
        correlation=event.run,
        causation=event.run,
        actor="agent:router",
        data=event.as_json(),
    )
    try:
        await services.store.append(stream, [draft], head)
    except VersionConflict:
        return  # another run of the same shape was first, and the next one will tell
