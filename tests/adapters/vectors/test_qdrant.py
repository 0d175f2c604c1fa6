"""The contract against the client library's own local mode, and the wire against scripted answers.

No Qdrant server runs in the tests: that a real one answers as the local mode does is the library's promise.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest
from qdrant_client import AsyncQdrantClient, models

from adapters.vectors.qdrant import QdrantVectorIndex, client_of
from domain.kernel.embedding import EmbeddingInvalid
from domain.kernel.errors import ServiceUnreachable
from tests.adapters.models.server import Behaviour, raw, response, serving
from tests.contracts.vector_index import DIMENSIONS, EMBEDDER, VectorIndexContract, X, id_of, point

pytestmark = [
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant"),
    pytest.mark.filterwarnings("ignore:Local mode performs exact"),
]
SECRET = "a-secret-key"


@pytest.fixture
async def client() -> AsyncIterator[AsyncQdrantClient]:
    client = AsyncQdrantClient(":memory:")
    yield client
    await client.close()


class TestQdrantVectorIndex(VectorIndexContract):
    @pytest.fixture
    def index(self, client: AsyncQdrantClient) -> QdrantVectorIndex:
        return QdrantVectorIndex(client, "test", EMBEDDER, DIMENSIONS)


async def test_a_collection_of_vectors_of_another_size_is_left_alone(client: AsyncQdrantClient) -> None:
    await client.create_collection("test", vectors_config=models.VectorParams(size=3, distance=models.Distance.DOT))
    index = QdrantVectorIndex(client, "test", EMBEDDER, DIMENSIONS)
    with pytest.raises(EmbeddingInvalid, match=f"test holds vectors of 3 components, and {EMBEDDER} .* {DIMENSIONS}"):
        await index.put([point(1, 1)])


async def test_indexes_of_one_collection_share_it_and_of_others_do_not(client: AsyncQdrantClient) -> None:
    one, same, other = (QdrantVectorIndex(client, name, EMBEDDER, DIMENSIONS) for name in ("a", "a", "b"))
    await asyncio.gather(one.put([point(1, 1)]), same.put([point(2, 1)]))
    assert [await each.count() for each in (one, same, other)] == [2, 2, 0]


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (response({"status": {"error": "forbidden"}}, 403), "answered 403"),
        (response(b"broken", 500), "answered 500"),
        (response(b"<html>a proxy</html>"), "does not answer"),
        (response({"result": None}), "does not answer"),
        (response([1, 2, 3]), "does not answer"),
        (raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"), "does not answer"),
        (raw(b"\x00\x01\x02"), "does not answer"),
        (raw(b""), "does not answer"),
        (raw(b"HTTP/1.1 200 OK\r\n", pause=5), "does not answer"),
    ],
    ids=["forbidden", "broken", "html", "no result", "a list", "torn", "no http", "closed", "silent"],
)
async def test_a_server_that_fails_is_told_in_words_without_the_key(behaviour: Behaviour, told: str) -> None:
    async with serving(behaviour) as server:
        with pytest.warns(UserWarning, match="insecure connection"):
            client = client_of(server.url, SECRET, seconds=1)
        index = QdrantVectorIndex(client, "test", EMBEDDER, DIMENSIONS)
        for call in (
            lambda: index.put([point(1, 1)]),
            lambda: index.search(X, {}, 3),
            lambda: index.remove([id_of(1)]),
            index.count,
            index.clear,
        ):
            with pytest.raises(
                ServiceUnreachable, match=f"(?s)Qdrant server of vectors.url {told}.* correct"
            ) as raised:
                await call()
            assert SECRET not in str(raised.value)
        await client.close()


async def test_a_server_that_is_not_there_is_told_in_words() -> None:
    client = client_of("http://127.0.0.1:9", None)
    with pytest.raises(ServiceUnreachable, match=r"does not answer.*start it"):
        await QdrantVectorIndex(client, "test", EMBEDDER, DIMENSIONS).count()
    await client.close()
