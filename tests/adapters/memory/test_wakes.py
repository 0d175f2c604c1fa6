import pytest

from adapters.memory.clock import LoopClock
from adapters.memory.wakes import MemoryWakes
from tests.contracts.wakes import WakesContract


@pytest.fixture
def clock() -> LoopClock:
    return LoopClock()


@pytest.fixture
def wakes(clock: LoopClock) -> MemoryWakes:
    return MemoryWakes(clock)


class TestMemoryWakes(WakesContract):
    pass
