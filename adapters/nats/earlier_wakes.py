"""Wakes and timers that a release before tenants had queues of their own left behind: each is sent to its tenant's.

Nothing is lost without this, since the sweeper wakes such runs; but it takes some hundred at a time.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from adapters.nats.connection import NOT_FOUND_MESSAGE, ApiRefused, Connection, NotPermitted
from adapters.nats.wakes import EARLIER_WAKES, JetStreamWakes
from commands.ports import Clock, Wakes
from domain.kernel.errors import PrecedentError

AT_ONCE: Final = 256
LOOKS_EVERY: Final = 5.0
"""Seconds of waiting for the next timer, after which it is seen whether there is any left."""

logger = logging.getLogger(__name__)


async def carry_over(connection: Connection, clock: Clock, wakes: Wakes) -> None:
    """Return once nothing is left and nothing more is to come. A broker that is new has nothing.

    An account of one tenant may not look: workers with another account do it, or the sweeper wakes such runs.
    """
    while True:
        try:
            if not await _any_left(connection):
                return
            await _carry(connection, clock, wakes)
        except NotPermitted as error:
            logger.warning("wakes of an earlier release, if there are any, are left to the sweeper: %s", error)
            return
        except PrecedentError as error:
            logger.warning("wakes of an earlier release wait: %s", error)
            await asyncio.sleep(1)


async def _carry(connection: Connection, clock: Clock, wakes: Wakes) -> None:
    earlier = await JetStreamWakes.open(connection, clock, None)
    try:
        while (held := await earlier.receive(AT_ONCE, LOOKS_EVERY)) or await _any_left(connection):
            for each in held:
                await wakes.send(each.wake)
                await each.settle()
    finally:
        earlier.close()
    # The shared consumer stays: the server breaks where one is deleted while a worker that just started asks for it.


async def _any_left(connection: Connection) -> bool:
    for subject in (EARLIER_WAKES, f"{EARLIER_WAKES}.at.*"):
        try:
            await connection.api("STREAM.MSG.GET.WAKE", {"seq": 1, "next_by_subj": subject})
        except ApiRefused as refusal:
            if refusal.number != NOT_FOUND_MESSAGE:
                raise
        else:
            return True
    return False
