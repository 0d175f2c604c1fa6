"""Against the client library's own local mode: there is no server in the tests, so that its HTTP is not exercised."""

from collections.abc import AsyncIterator

import pytest
from qdrant_client import AsyncQdrantClient

from adapters.vectors.qdrant import QdrantVectorIndex
from tests.contracts.vector_index import DIMENSIONS, EMBEDDER, VectorIndexContract

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]


@pytest.fixture
async def client() -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(":memory:")
    yield client
    await client.close()


class TestQdrantVectorIndex(VectorIndexContract):
    @pytest.fixture
    def index(self, client: AsyncQdrantClient) -> QdrantVectorIndex:
        return QdrantVectorIndex(client, "test", EMBEDDER, DIMENSIONS)
