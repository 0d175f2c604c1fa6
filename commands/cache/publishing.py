"""Publish an answer, so that it may be given again."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from commands.appends import append_one
from commands.cache.cache import Cache
from commands.cache.finding import keep
from commands.cache.log import CATALOG, CATEGORY, folded, held_of
from commands.ports import NEW_STREAM, Head, StreamSlice
from commands.services import Services
from domain.cache.decide import lasts
from domain.cache.decide import publish as decide
from domain.cache.events import CacheEntryInvalidated, CacheEntryPublished, CacheEvent, CacheTuned
from domain.cache.keys import CacheKey, namespace_stream
from domain.cache.rules import Withdrawals
from domain.kernel.errors import VersionConflict
from domain.kernel.ids import StreamId
from domain.kernel.values import digest_json, format_time, parse_time

ATTEMPTS: Final = 5
LONGEST_REASON: Final = 1_000
"""Characters."""


async def publish(
    services: Services,
    cache: Cache | None,
    tenant: str,
    offer: CacheEntryPublished,
    withdrawals: Withdrawals | None = None,
) -> CacheEvent | None:
    """Append what the offer causes, and fill the near tiers from it if it is exact; None where nothing was new.

    ``withdrawals``: of namespaces, where more is known of them than this process has heard.
    Raises ``ServiceUnreachable``, ``VersionConflict`` (others keep publishing the same).
    """
    key = CacheKey(offer.namespace, offer.level, offer.kind, offer.version, offer.digest)
    stream = StreamId(tenant, CATEGORY, key.id)
    heard = withdrawals or (None if cache is None else cache.withdrawals)
    known = StreamSlice((), NEW_STREAM)  # most answers are the first ones: whether this one is, the log says
    for _ in range(ATTEMPTS):
        is_covered = heard is not None and _is_covered(heard, known)
        caused = decide(folded(known.events), offer, services.clock.now(), is_covered=is_covered)
        if not caused:
            return None
        try:
            await _append(services, cache, stream, known.head, caused[0], cause=offer.run)
            await _tune(services, cache, tenant, offer, known)
            return caused[0]
        except VersionConflict:
            known = await services.store.load(stream)
    raise VersionConflict(f"{stream} changed {ATTEMPTS} times while it was published")


def _is_covered(withdrawals: Withdrawals, known: StreamSlice) -> bool:
    """Whether what was published last is withdrawn, as far as this process knows."""
    for recorded in reversed(known.events):
        event = CATALOG.decode(recorded)
        if isinstance(event, CacheEntryPublished):
            return withdrawals.of(held_of(recorded, event)) is not None
    return False


async def withdraw(services: Services, tenant: str, entry: str, reason: str, run: str) -> None:
    """Invalidate an entry that was wrong in a run; one that is not given any more already is left.

    Raises ``ServiceUnreachable``, ``VersionConflict``.
    """
    stream = StreamId(tenant, CATEGORY, entry)
    for _ in range(ATTEMPTS):
        known = await services.store.load(stream)
        if not lasts(folded(known.events), services.clock.now()):
            return
        event = CacheEntryInvalidated(reason=f"run {run}: {reason}"[:LONGEST_REASON])
        with suppress(VersionConflict):
            await _append(services, services.cache, stream, known.head, event, cause=run)
            return
    raise VersionConflict(f"{stream} changed {ATTEMPTS} times while it was withdrawn")


async def _tune(
    services: Services, cache: Cache | None, tenant: str, offer: CacheEntryPublished, known: StreamSlice
) -> None:
    """An answer took the place of one that had expired: that tells how long such answers may last."""
    before = folded(known.events)
    expires = None if before.published is None else before.published.expires
    if cache is None or expires is None or parse_time(expires) > services.clock.now():
        return
    tuned = cache.lasting.renewed(tenant, offer, same=digest_json(offer.value) == before.digest)
    if tuned is not None:
        await say(services, cache, tenant, tuned)


async def say(services: Services, cache: Cache, tenant: str, tuned: CacheTuned) -> None:
    """Append what was tuned; that others say something of the namespace at the same time, is no conflict."""
    stream = StreamId(tenant, CATEGORY, namespace_stream(tuned.namespace))
    for _ in range(ATTEMPTS):
        with suppress(VersionConflict):
            await _append(services, cache, stream, (await services.store.load(stream)).head, tuned, cause="tuning")
            return


async def _append(
    services: Services, cache: Cache | None, stream: StreamId, head: Head, event: CacheEvent, *, cause: str
) -> None:
    recorded = await append_one(
        services.store,
        services.clock,
        stream,
        head,
        event,
        # As with runs: an answer that is decided anew must not be taken for the one that was given up.
        named=f"{stream}@{format_time(services.clock.now())}",
        correlation=stream.id,
        causation=cause,
        actor="agent:curator",
    )
    stored = CATALOG.decode(recorded)
    if cache is not None and isinstance(stored, CacheEntryPublished) and stored.level == "L2":
        await keep(cache, services.clock, held_of(recorded, stored), cache.near)
