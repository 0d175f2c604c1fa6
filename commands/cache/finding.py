"""Look an entry up: tier after tier, each answer checked, each fault a miss with its name."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from commands.cache.cache import Cache
from commands.cache.terms import LONGEST_SILENCE, TIER_RESTS, TIER_WITHIN
from commands.indexes import CacheSource, CacheTier, Tier
from commands.ports import Clock
from domain.cache.keys import CacheKey
from domain.cache.rules import Held, refusal
from domain.kernel.errors import PrecedentError
from domain.kernel.reuse import Miss
from domain.runs.parts import Level, Lookup

logger = logging.getLogger(__name__)

LONGEST_REASON: Final = 1_000
"""Characters of a reason on the record."""


async def find(
    cache: Cache, clock: Clock, tenant: str, key: CacheKey, *, among: Iterable[Tier] | None = None
) -> tuple[Lookup, Held | None]:
    """The entry that may be given for this key, and what is to be recorded either way. Never raises.

    ``among``: only in these tiers.
    """
    began = clock.monotonic()
    reasons: list[Miss] = []
    silence = cache.silent_for("cache")
    if silence > LONGEST_SILENCE:
        reasons.append(Miss("unheard", f"the log has not been heard for {silence:.1f} s, and may have invalidated it"))
    else:
        for place, tier in enumerate((*cache.near, *cache.far)):
            if among is not None and tier.name not in among:
                continue
            found = await _ask(cache, clock, tier, tenant, key)
            if isinstance(found, Held):
                await keep(cache, clock, found, cache.near[:place])
                return _hit(key, tier.name, found, clock.monotonic() - began), found
            if found is not None:
                reasons.append(Miss(found.code, f"{tier.name}: {found}"))
    said = missed(key.level, _together(reasons))
    return said.model_copy(update={"entry": key.id, "duration": clock.monotonic() - began}), None


def missed(level: Level, reason: Miss) -> Lookup:
    """A miss, with its reason."""
    return Lookup(level=level, outcome="miss", reason=reason[:LONGEST_REASON], code=reason.code)


def _together(reasons: Sequence[Miss]) -> Miss:
    """What the tiers said; what was found and may not be given tells more than that a tier was away."""
    if not reasons:
        return Miss("absent", "no entry has this key")
    telling = next((reason for reason in reasons if reason.code != "failed"), reasons[0])
    return Miss(telling.code, "; ".join(reasons))


def _hit(key: CacheKey, tier: Tier, held: Held, seconds: float) -> Lookup:
    event = held.published
    reason = f"run {event.run} had this answer for effect {event.effect}"
    return Lookup(level=key.level, outcome="hit", reason=reason, entry=key.id, tier=tier, duration=seconds)


async def _ask(cache: Cache, clock: Clock, tier: CacheSource, tenant: str, key: CacheKey) -> Held | Miss | None:
    """An entry that may be given, why what is there may not, or None where there is nothing."""
    if (until := cache.resting.get(tier.name)) is not None:
        if clock.monotonic() < until:
            return Miss("failed", "left alone for a while, since it failed")
        del cache.resting[tier.name]
    try:
        async with asyncio.timeout(TIER_WITHIN):
            held = await tier.get(tenant, key)
    except TimeoutError:
        _rest(cache, clock, tier)
        return Miss("failed", f"no answer within {TIER_WITHIN:g} s")
    except PrecedentError as error:
        if error.code != "stored.invalid":
            _rest(cache, clock, tier)
        return Miss("damaged" if error.code == "stored.invalid" else "failed", f"{error.code}: {error}")
    except Exception as error:  # a tier is never worth a run
        logger.exception("tier %s failed", tier.name)
        return Miss("failed", f"{type(error).__name__}: {error}")
    if held is None:
        return None
    return refusal(held, tenant, key, clock.now(), cache.withdrawals) or held


def _rest(cache: Cache, clock: Clock, tier: CacheSource) -> None:
    cache.resting[tier.name] = clock.monotonic() + TIER_RESTS


async def keep(cache: Cache, clock: Clock, held: Held, tiers: Iterable[CacheTier]) -> None:
    """Put an entry into those of these tiers that can be reached. Never raises."""
    for tier in tiers:
        if clock.monotonic() < cache.resting.get(tier.name, 0.0):
            continue
        try:
            async with asyncio.timeout(TIER_WITHIN):
                await tier.put(held)
        except Exception as error:  # noqa: BLE001  # as in `_ask`
            _rest(cache, clock, tier)
            logger.warning("tier %s did not take entry %s: %r", tier.name, held.key.id, error)
