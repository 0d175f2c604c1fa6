"""The archive's segments in memory."""

from __future__ import annotations

from domain.kernel.errors import NotFound
from domain.ledger.segments import Kept


class MemorySegmentStore:
    """The ``SegmentStore`` port on dicts: whoever made it may change and remove what is kept."""

    def __init__(self, others: MemorySegmentStore | None = None) -> None:
        """``others``: the store of a process that has ended, to go on with."""
        self.sealed: dict[tuple[int, Kept], bytes] = {} if others is None else others.sealed
        self.open: dict[tuple[int, int], dict[int, bytes]] = {} if others is None else others.open
        """By shard and first sequence, of every process."""

    def listed(self, shard: int) -> list[Kept]:
        """As the port says."""
        found = {first: Kept(first, None) for of, first in self.open if of == shard}
        found |= {kept.first: kept for of, kept in self.sealed if of == shard}
        return sorted(found.values())

    def read(self, shard: int, kept: Kept) -> bytes:
        """As the port says."""
        try:
            if kept.last is None:
                return max(self.open[shard, kept.first].values(), key=len)
            return self.sealed[shard, kept]
        except KeyError:
            raise NotFound(f"there is no segment {kept} of shard {shard} (any more)") from None

    def extend(self, shard: int, first: int, data: bytes) -> None:
        """As the port says."""
        processes = self.open.setdefault((shard, first), {})
        processes[id(self)] = processes.get(id(self), b"") + data

    def flush(self, shard: int) -> None:
        """As the port says."""

    def seal(self, shard: int, kept: Kept, data: bytes) -> None:
        """As the port says."""
        self.sealed[shard, kept] = data
        self.open.pop((shard, kept.first), None)

    def release(self, shard: int) -> None:
        """As the port says."""
        for (of, _), processes in self.open.items():
            if of == shard and id(self) in processes:
                processes[0] = max(processes.pop(id(self)), processes.get(0, b""), key=len)

    def forsake(self, shard: int) -> None:
        """As the port says."""
        for key in [key for key in self.open if key[0] == shard]:
            mine = self.open[key].get(id(self))
            if mine is None:
                del self.open[key]
            else:
                self.open[key] = {id(self): mine}
