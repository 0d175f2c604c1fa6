"""L1: what answered a task is published, for tasks of the same shape."""

from __future__ import annotations

from commands.appends import append_one
from commands.delegations import Target, key_of
from commands.evidence import CATALOG
from commands.services import Services
from domain.cache.events import CacheEntryPublished
from domain.kernel.errors import VersionConflict
from domain.kernel.ids import StreamId
from domain.kernel.reuse import Cost
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
    try:
        await append_one(
            services.store,
            services.clock,
            stream,
            stored.head,
            event,
            named=f"{stream}/{run}",
            correlation=run,
            causation=run,
            actor="agent:router",
        )
    except VersionConflict:
        return  # another run of the same shape was first, and the next one will tell
