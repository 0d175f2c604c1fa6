"""Commands on the cache, and what they set off."""

from __future__ import annotations

import logging

from commands.cache.log import dropped_by, folded
from commands.handle import CommandEnvelope
from commands.ports import StreamSlice
from commands.services import Services
from domain.cache import decide as rules
from domain.cache.commands import CacheCommand, InvalidateEntry
from domain.cache.keys import namespace_stream
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.events import DomainEvent, Recorded

logger = logging.getLogger(__name__)


def named_entry(envelope: CommandEnvelope, command: CacheCommand) -> str:  # noqa: ARG001  # one shape for all
    """The stream that the command is about."""
    return command.entry if isinstance(command, InvalidateEntry) else namespace_stream(command.namespace)


def decide_cache(services: Services, slice_: StreamSlice, command: CacheCommand, now: object) -> list[DomainEvent]:  # noqa: ARG001
    """Events that the command causes."""
    return list(rules.decide(folded(slice_.events), command))


async def clear_shared(services: Services, event: Recorded) -> None:
    """Have what all processes share let go of what was invalidated. Each clears its own tier when it hears of it.

    Whoever finds something all the same refuses it, so that a tier that cannot be reached changes nothing.
    """
    if services.cache is None:
        return
    dropped = dropped_by(event)
    for tier in services.cache.near:
        if tier.name != "shared" or dropped is None:
            continue
        try:
            await tier.drop(dropped)
        except ServiceUnreachable as error:
            logger.warning("tier %s keeps what was invalidated until it expires: %s", tier.name, error)
