"""What is known of closed epochs, in memory."""

from __future__ import annotations

from domain.kernel.errors import NotFound
from domain.ledger.epochs import Closed, check_index


class MemoryEpochStore:
    """The ``EpochStore`` port on dicts."""

    def __init__(self) -> None:
        """Begin with none."""
        self._closed: dict[tuple[int, int], Closed] = {}
        self._indexes: dict[tuple[int, int], bytes] = {}

    def closed(self, shard: int) -> list[Closed]:
        """As the port says."""
        return [closed for (of, _), closed in sorted(self._closed.items()) if of == shard]

    def keep(self, closed: Closed, index: bytes | None = None) -> None:
        """As the port says."""
        self._closed[closed.shard, closed.epoch] = closed
        if index is not None:
            self._indexes[closed.shard, closed.epoch] = index

    def index(self, shard: int, epoch: int) -> memoryview:
        """As the port says."""
        try:
            index = memoryview(self._indexes[shard, epoch])
        except KeyError:
            raise NotFound(f"there is no index of epoch {epoch} of shard {shard}") from None
        check_index(self._closed[shard, epoch], index)
        return index
