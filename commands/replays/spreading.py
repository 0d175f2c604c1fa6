"""Many runs replayed by several processes: this one reads the log and hands on stored bytes, the others replay them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, TypeAlias

from commands.appends import referred
from commands.ports import EventStore
from commands.replays.scanning import (
    LARGEST_HELD,
    Found,
    Progress,
    Replayed,
    ReplayRun,
    Wanted,
    find,
    replay_found,
    verified,
)
from domain.kernel.errors import PrecedentError
from domain.kernel.events import Recorded
from domain.kernel.ids import Position, StreamId
from domain.runs.execution import Agents
from domain.runs.journal import ReplayDiverged

CHUNK: Final = 512 * 1024
"""Bytes of events that are handed on at once: some twenty milliseconds of work. What all has less is replayed here."""

Packed: TypeAlias = tuple[
    StreamId, list[tuple[int, int, int, str, bytes, dict[str, Any] | None]], PrecedentError | None
]


class ProcessLost(PrecedentError):
    """A process that replayed was ended from outside: look what did so, as a lack of memory, and replay again."""

    code = "replay.process-lost"


@dataclass(frozen=True, slots=True)
class Spread:
    """Who replays."""

    processes: Executor
    ahead: int
    """Chunks under way at once."""
    agents: Callable[[], Agents]
    """Gives the agents, there; it is sent along with the runs."""
    fate: Callable[[], str]
    """Says which process was lost."""
    chunk: int = CHUNK


@dataclass(slots=True)
class _Chunk:
    runs: list[Found] = field(default_factory=list)
    bytes: int = 0
    reached: Position | None = None
    """Up to where the log has been replayed with this chunk and those before it."""
    replaying: asyncio.Future[list[Replayed | None]] | None = None


async def scan_spread(
    store: EventStore,
    wanted: Wanted,
    spread: Spread,
    progress: Progress = lambda _: None,
    largest_held: int = LARGEST_HELD,
) -> AsyncGenerator[Replayed, None]:
    """Verify every wanted run as ``scan`` does, in the same order. Raises ``ServiceUnreachable``, ``ProcessLost``."""
    chunk = _Chunk()
    under_way: deque[_Chunk] = deque()

    def note(position: Position) -> None:
        chunk.reached = position

    try:
        async with aclosing(find(store, wanted, note, largest_held)) as runs:
            async for found in runs:
                chunk.runs.append(found)
                chunk.bytes += sum(map(_size, found.stored))
                if chunk.bytes < spread.chunk:
                    continue
                _hand_on(chunk, wanted, spread, under_way)
                under_way.append(chunk)
                chunk = _Chunk()
                while len(under_way) > spread.ahead or _is_done(under_way):
                    for replayed in await _replayed(under_way.popleft(), spread, progress):
                        yield replayed
        if under_way:
            _hand_on(chunk, wanted, spread, under_way)
            under_way.append(chunk)
            while under_way:
                for replayed in await _replayed(under_way.popleft(), spread, progress):
                    yield replayed
            return
        verify = partial(verified, agents=spread.agents())
        for found in chunk.runs:
            if (here := await replay_found(found, wanted.statuses, verify)) is not None:
                yield here
            await asyncio.sleep(0)
        if chunk.reached is not None:
            progress(chunk.reached)
    finally:
        for each in under_way:
            if each.replaying is not None:
                each.replaying.cancel()


def _size(event: Recorded) -> int:
    return len(event.body) if event.resolved is None else len(event.body) + referred(event)


def _is_done(under_way: Sequence[_Chunk]) -> bool:
    first = under_way[0].replaying if under_way else None
    return first is not None and first.done()


def _hand_on(chunk: _Chunk, wanted: Wanted, spread: Spread, under_way: Sequence[_Chunk]) -> None:
    packed = [_packed(found) for found in chunk.runs]
    loop = asyncio.get_running_loop()
    try:
        chunk.replaying = loop.run_in_executor(spread.processes, replay_packed, packed, wanted.statuses, spread.agents)
    except BrokenExecutor as error:
        # Nor were the runs told that were handed on before it and are under way.
        raise _lost(under_way[0] if under_way else chunk, spread) from error


async def _replayed(chunk: _Chunk, spread: Spread, progress: Progress) -> list[Replayed]:
    assert chunk.replaying is not None, "it was handed on"
    await asyncio.sleep(0)  # whoever wants to interrupt must get a word in, also where all is done already
    try:
        found = await chunk.replaying
    except BrokenExecutor as error:
        raise _lost(chunk, spread) from error
    if chunk.reached is not None:
        progress(chunk.reached)
    return [each for each in found if each is not None]


def _lost(chunk: _Chunk, spread: Spread) -> ProcessLost:
    first = chunk.runs[0].stream.id if chunk.runs else "?"
    return ProcessLost(
        f"{spread.fate()} while runs were replayed; nothing is known of run {first} and those behind it. Look what "
        "ended it, as a lack of memory, and replay again; with --jobs 1 this process replays all"
    )


def _packed(found: Found) -> Packed:
    events = [
        (each.position.epoch, each.position.shard, each.position.sequence, each.address, each.body, each.resolved)
        for each in found.stored
    ]
    return found.stream, events, None if found.error is None else _told(found.error)


def replay_packed(
    runs: Sequence[Packed], statuses: frozenset[str] | None, agents: Callable[[], Agents]
) -> list[Replayed | None]:
    """What a process does with a chunk; None for each run whose status is not wanted."""
    return asyncio.run(_replay_all(runs, statuses, partial(verified, agents=agents())))


async def _replay_all(
    runs: Sequence[Packed], statuses: frozenset[str] | None, verify: ReplayRun
) -> list[Replayed | None]:
    found = []
    for stream, events, error in runs:
        stored = [Recorded(Position(*place), address, body, whole) for *place, address, body, whole in events]
        replayed = await replay_found(Found(stream, stored, error), statuses, verify)
        if replayed is not None and replayed.error is not None:
            replayed = replace(replayed, error=_told(replayed.error))
        found.append(replayed)
    return found


def _told(error: PrecedentError) -> PrecedentError:
    """An error that can be sent: of most, the code and the message are all that is asked for."""
    if isinstance(error, ReplayDiverged):
        return error
    told = PrecedentError(str(error))
    told.__dict__["code"] = error.code
    return told
