import pytest

from adapters.memory.kept_streams import MemoryStreams
from commands.heard import KeptStreams
from tests.contracts.kept_streams import KeptStreamsContract


class TestMemoryStreams(KeptStreamsContract):
    @pytest.fixture
    def streams(self) -> KeptStreams:
        return MemoryStreams()
