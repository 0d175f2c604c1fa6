"""What the index process does with a request, and between requests: flush, and optimize a copy in a third process."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from adapters.vectors.edge_shard import Found, Shard
from adapters.vectors.frames import Frame, Kind

_log = logging.getLogger(__name__)

FLUSH: Final = 5.0
"""Seconds after which acknowledged points are on the disk at the latest."""
QUIET: Final = 0.5
"""Seconds without a write after which there is time for upkeep."""
URGENT: Final = 4.0
"""Times the share of unindexed points at which optimizing does not wait for a pause."""
PORTION: Final = 64
"""Points the engine takes at once, some 4 ms, so that searches come through between two portions."""
PATIENCE: Final = 60.0
"""Seconds before optimizing is tried again after it failed."""
LONG: Final = 20_000
"""Points whose optimizing takes so long, some ten seconds, that it is done with what processors are idle."""
UNHURRIED: Final = 900.0
"""Seconds for that; if they were not enough, the next attempt takes a share of the processors."""


class IndexClosed(Exception):
    """Ask the next process."""


class IndexDamaged(Exception):
    """Fill the index anew."""


class Service:
    """One open index."""

    def __init__(self, shard: Shard, embedder: str, dimensions: int) -> None:
        """Answer about this index."""
        self._shard = shard
        self._space = {"embedder": embedder, "dimensions": dimensions}
        self._bytes = 4 * dimensions
        self._writes = asyncio.Lock()
        self._optimizing = asyncio.Lock()
        self._written = self._flushed = time.monotonic()
        self._not_before = 0.0
        self._is_starved = False
        self._closed = False
        self._background: asyncio.Task[None] | None = None

    async def answer(self, frame: Frame) -> Frame | None:
        """The answer, or None to one who must ask the next process. Writes happen one after the other, as they came."""
        if self._closed:
            return None
        try:
            return await self._answered(frame)
        except IndexClosed:
            return None
        except Exception as error:  # noqa: BLE001  # the engine raises no other
            _log.warning("%s failed: %s", frame.kind.name, error)
            return Frame(frame.request, Kind.FAILED, {"why": str(error)})

    async def _answered(self, frame: Frame) -> Frame:
        match frame.kind:
            case Kind.SEARCH:
                head: dict[str, Any] = {"found": self._search(frame)}
            case Kind.COUNT:
                head = {"count": self._shard.count()}
            case Kind.OPTIMIZE:
                head = {"optimized": await self.optimize(is_urgent=True)}
            case Kind.HELLO:
                if frame.head != self._space:
                    return Frame(frame.request, Kind.REFUSED, self._space)
                head = {"pid": os.getpid()}
            case _:
                head = await self._write(frame)
        return Frame(frame.request, Kind.DONE, head)

    def _search(self, frame: Frame) -> list[Found]:
        try:
            return self._shard.search(frame.tail, frame.head["labels"], frame.head["limit"])
        except Exception as error:
            # What is asked was checked, so that only the index can be wrong.
            self._shard.set_aside()
            raise IndexDamaged(f"the index was damaged ({error}); it is empty now, to be filled anew") from error

    async def keep_up(self) -> None:
        """Flush and optimize where it is due, for ever."""
        while True:
            await asyncio.sleep(QUIET / 2)
            try:
                await self._flush_if_due()
                self._optimize_if_due()
            except Exception:  # noqa: BLE001
                _log.exception("upkeep failed; it is tried again")

    async def _flush_if_due(self) -> None:
        now = time.monotonic()
        if self._written > self._flushed and (self._quiet() or now - self._flushed >= FLUSH):
            async with self._writing():
                self._shard.flush()
                self._flushed = time.monotonic()

    def _optimize_if_due(self) -> None:
        if self._optimizing.locked() or self._closed or time.monotonic() < self._not_before:
            return
        due = self._shard.unindexed()
        if due >= URGENT or (due >= 1 and self._quiet()):
            self._background = asyncio.create_task(self._optimize_in_background())

    def _quiet(self) -> bool:
        return time.monotonic() - self._written >= QUIET

    async def optimize(self, *, is_urgent: bool) -> bool:
        """Optimize a copy in a process of its own and take it; whether that went well. Searches go on meanwhile."""
        async with self._optimizing:
            async with self._writing():
                current, copy = self._shard.begin_copy()
                copied = await asyncio.to_thread(_copied, current, copy)
            went_well = copied and await self._optimized(copy, is_urgent=is_urgent)
            async with self._writing():
                if went_well:
                    self._shard.take_copy(copy)
                else:
                    self._shard.drop_copy(copy)
            return went_well

    async def _optimized(self, copy: Path, *, is_urgent: bool) -> bool:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adapters.vectors.edge_optimizer", str(copy), str(os.getpid())),
            *(["now"] if is_urgent else []),
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            code = await asyncio.wait_for(process.wait(), None if is_urgent else UNHURRIED)
            self._is_starved = False
        except TimeoutError:
            process.kill()
            code, self._is_starved = await process.wait(), True
        if code:
            _log.warning("the index stays as it is: optimizing it ended with %s", code)
        return code == 0

    async def _optimize_in_background(self) -> None:
        try:
            if await self.optimize(is_urgent=self._is_starved or self._shard.count() < LONG):
                return
        except Exception:  # noqa: BLE001
            _log.exception("optimizing failed")
        self._not_before = time.monotonic() + PATIENCE

    async def close(self) -> None:
        """Let the write at hand end, and close the index."""
        async with self._writes:
            self._closed = True
            self._shard.close()

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        async with self._writes:
            if self._closed:
                raise IndexClosed
            yield

    async def _write(self, frame: Frame) -> dict[str, Any]:
        async with self._writing():
            self._written = time.monotonic()
            match frame.kind:
                case Kind.PUT:
                    points = frame.head["points"]
                    for first in range(0, len(points), PORTION):
                        some = slice(first * self._bytes, (first + PORTION) * self._bytes)
                        self._shard.put(points[first : first + PORTION], frame.tail[some])
                        await asyncio.sleep(0)
                case Kind.REMOVE:
                    self._shard.remove(frame.head["ids"])
                case Kind.CLEAR:
                    self._shard.clear()
                case _:
                    raise ValueError(f"{frame.kind.name} is no request")
            self._written = time.monotonic()
        return {}


def _copied(source: Path, copy: Path) -> bool:
    try:
        shutil.copytree(source, copy)
    except OSError as error:
        _log.warning("the index stays as it is: no copy can be made: %s", error)
        return False
    return True
