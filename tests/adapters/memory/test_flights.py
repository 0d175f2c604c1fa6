import pytest

from adapters.memory.flights import MemoryFlights
from tests.contracts.flights import FlightsContract


@pytest.fixture
def flights() -> MemoryFlights:
    return MemoryFlights()


class TestMemoryFlights(FlightsContract):
    pass
