"""An archive audited a segment at a time, on several processors: each process digests some, the audit joins them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from dataclasses import dataclass

from commands.archive import READ_AT_ONCE, ArchivedLog, load_parts
from commands.ledger_ports import SegmentStore
from domain.kernel.errors import PrecedentError
from domain.ledger.auditing import Audit
from domain.ledger.digesting import Digested, digest_parts
from domain.ledger.segments import Kept


def digest_segment(store: SegmentStore, shard: int, kept: Kept) -> Digested | None:
    """Read a segment and digest it; None where either does not go as it should, which is for the audit to look at."""
    try:
        return digest_parts(*load_parts(store, shard, kept))
    except PrecedentError:
        return None


@dataclass(frozen=True, slots=True)
class Digesting:
    """Feeds an audit with an archive."""

    log: ArchivedLog
    segments: SegmentStore
    """The same archive's, which the processes can be given."""
    processes: Executor | None
    """Without them a thread of this one does the work."""
    ahead: int
    """Segments under way at once."""

    async def feed(self, audit: Audit, shard: int, after: int) -> AsyncIterator[int]:
        """Let an audit have all events after a sequence, in order; give how many it got, again and again."""
        wanted = deque(self.log.segments_after(shard, after))
        under_way: deque[tuple[Kept, asyncio.Future[Digested | None] | None]] = deque()
        try:
            while wanted or under_way:
                while wanted and len(under_way) < self.ahead:
                    kept = wanted.popleft()
                    under_way.append((kept, self._begin(shard, kept) if kept.first > after else None))
                kept, digesting = under_way.popleft()
                found = None if digesting is None else await digesting
                if found is None:
                    async for count in self._closely(audit, shard, kept, after):
                        yield count
                else:
                    yield await self._joined(audit, shard, kept, found)
        finally:
            for _, digesting in under_way:
                if digesting is not None:
                    digesting.cancel()

    def _begin(self, shard: int, kept: Kept) -> asyncio.Future[Digested | None] | None:
        if kept.last is None:
            return None  # it still grows
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(self.processes, digest_segment, self.segments, shard, kept)

    async def _joined(self, audit: Audit, shard: int, kept: Kept, found: Digested) -> int:
        audit.feed(found.ahead)
        if not audit.adopt(found):
            segment = await self.log.segment(shard, kept)
            end = found.first.sequence + len(found.leaves) // 32
            audit.feed([each for each in segment.messages if found.first.sequence <= each.position.sequence < end])
        audit.feed(found.behind)
        return len(found.ahead) + len(found.leaves) // 32 + len(found.behind)

    async def _closely(self, audit: Audit, shard: int, kept: Kept, after: int) -> AsyncIterator[int]:
        segment = await self.log.segment(shard, kept)
        messages = [each for each in segment.messages if each.position.sequence > after]
        for at in range(0, len(messages), READ_AT_ONCE):
            audit.take(messages[at : at + READ_AT_ONCE])
            yield len(messages[at : at + READ_AT_ONCE])
