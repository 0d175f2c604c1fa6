import pytest

from adapters.memory.content import MemoryContentStore
from tests.contracts.content_store import ContentStoreContract


@pytest.fixture
def store() -> MemoryContentStore:
    return MemoryContentStore()


class TestMemoryContentStore(ContentStoreContract):
    pass
