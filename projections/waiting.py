"""Reading what one has written: a reader waits until the rows hold everything up to a position."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Final

from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.ids import Positions
from projections import builds
from projections.builds import BuildState
from projections.ports import Database

_FIRST_LOOK: Final = 0.002
_LAST_LOOK: Final = 0.05
"""Seconds between looks at the positions: doubled from one to the next."""


class ProjectionBehind(PrecedentError):
    """Read without waiting and accept older rows, or wait longer; if it stopped, the message says at which event."""

    code = "projection.behind"


async def wait_for(database: Database, wanted: Positions, projections: Collection[str], timeout: float) -> None:  # noqa: ASYNC109
    """Return once these projections hold everything up to ``wanted``.

    Raises ``ProjectionBehind`` after ``timeout`` seconds, or at once where one has stopped at an event before;
    ``NotFound`` for a name that is no projection's.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + timeout
    pause = _FIRST_LOOK
    while behind := await _behind(database, wanted, projections):
        stopped = any(state.stopped_at for state in behind)
        if stopped or clock() + pause > deadline:
            raise ProjectionBehind("; ".join(_describe(state, wanted) for state in behind))
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LAST_LOOK)


async def _behind(database: Database, wanted: Positions, projections: Collection[str]) -> list[BuildState]:
    async with database.transaction() as connection:
        known = await builds.states(connection)
    serving = {state.projection: state for state in known if state.state == builds.SERVING}
    for name in projections:
        if name not in serving:
            raise NotFound(f"there is no projection {name}; there are: {', '.join(serving) or 'none yet'}")
    return [serving[name] for name in projections if not serving[name].positions.covers(wanted)]


def _describe(state: BuildState, wanted: Positions) -> str:
    missing = sum(max(0, sequence - state.positions.sequence(*shard)) for shard, sequence in wanted.reached.items())
    where = f"projection {state.projection} is at {state.positions}, {missing} events before {wanted}"
    return where if state.stopped_at is None else f"{where}: it stopped at {state.stopped_at} ({state.stopped_because})"
