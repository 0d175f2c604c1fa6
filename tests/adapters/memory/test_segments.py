import pytest

from adapters.memory.segments import MemorySegmentStore
from tests.contracts.segments import SegmentStoreContract


class TestMemorySegments(SegmentStoreContract):
    @pytest.fixture
    def segments(self):
        return MemorySegmentStore()

    @pytest.fixture
    def again(self, segments):
        return lambda: MemorySegmentStore(segments)
