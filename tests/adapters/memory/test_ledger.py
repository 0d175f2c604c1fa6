import pytest

from adapters.memory.ledger import MemoryCheckpointLog, MemoryTileStore
from tests.contracts.ledger import CheckpointLogContract, TileStoreContract, shard

__all__ = ["shard"]


class TestMemoryTiles(TileStoreContract):
    @pytest.fixture
    def tiles(self):
        return MemoryTileStore()


class TestMemoryCheckpoints(CheckpointLogContract):
    @pytest.fixture
    def checkpoints(self):
        return MemoryCheckpointLog()
