"""Vector index on a Qdrant server: one collection for the points of one embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import httpx
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from adapters.vectors.marks import FIELD, complete, labels_of, marks
from adapters.vectors.space import Space, check_id
from commands.indexes import Neighbour, Point
from domain.kernel.embedding import Embedding, EmbeddingInvalid
from domain.kernel.errors import ServiceUnreachable

BATCH: Final = 256
"""Points in one request."""
MOST_BY_GRAPH: Final = 1_000
"""Neighbours to look for in the graph, which may miss a few; who wants more wants all, and gets the exact answer."""
SECONDS: Final = 10
"""For one answer."""
_EXACT: Final = models.SearchParams(exact=True)
_PARAMETERS: Final = models.SearchParams(
    hnsw_ef=128, quantization=models.QuantizationSearchParams(rescore=True, oversampling=2.0)
)
_QUANTIZED: Final = models.ScalarQuantization(
    scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
)


def client_of(url: str, api_key: str | None, seconds: int = SECONDS) -> AsyncQdrantClient:
    """A client of the server at ``url``, which it does not ask anything yet."""
    return AsyncQdrantClient(url, api_key=api_key, timeout=seconds, check_compatibility=False)


class QdrantVectorIndex:
    """``commands.indexes.VectorIndex`` in a collection, which is made at the first call. The client is not ours."""

    def __init__(self, client: AsyncQdrantClient, collection: str, embedder: str, dimensions: int) -> None:
        """Use this collection; a client that closes after us belongs to whoever made it."""
        self._client, self._collection = client, collection
        self._space = Space(embedder, dimensions)
        self._made = False
        self._making = asyncio.Lock()

    async def put(self, points: Sequence[Point]) -> None:
        """Add points, or replace those of the same id."""
        admitted = self._space.admit(points)
        await self._make()
        for first in range(0, len(admitted), BATCH):
            some = [
                models.PointStruct(
                    id=each.id, vector=each.embedding.components().tolist(), payload={FIELD: marks(each.labels)}
                )
                for each in admitted[first : first + BATCH]
            ]
            with self._translated():
                await self._client.upsert(self._collection, some, wait=True)

    async def remove(self, ids: Sequence[str]) -> None:
        """Take points out."""
        for id_ in ids:
            check_id(id_)
        if not ids:
            return
        await self._make()
        with self._translated():
            await self._client.delete(self._collection, models.PointIdsList(points=list(ids)), wait=True)

    async def search(self, embedding: Embedding, labels: Mapping[str, str], limit: int) -> Sequence[Neighbour]:
        """The nearest points with all these labels."""
        self._space.check_search(embedding, labels, limit)
        if limit == 0:
            return []
        await self._make()
        parameters = _PARAMETERS
        if limit > MOST_BY_GRAPH:
            limit, parameters = min(limit, max(1, await self.count())), _EXACT
        vector, wanted, asked = embedding.components().tolist(), _filter(labels), limit + 1
        while True:
            with self._translated():
                answer = await self._client.query_points(
                    self._collection, query=vector, query_filter=wanted, limit=asked, search_params=parameters,
                    with_payload=True,
                )  # fmt: skip
            if complete([each.score for each in answer.points], asked, limit):
                break
            asked *= 2
        found = sorted(answer.points, key=lambda each: (-each.score, str(each.id)))[:limit]
        return [
            Neighbour(str(each.id), max(-1.0, min(1.0, each.score)), labels_of((each.payload or {})[FIELD]))
            for each in found
        ]

    async def count(self) -> int:
        """How many points it holds."""
        await self._make()
        with self._translated():
            return (await self._client.count(self._collection, exact=True)).count

    async def clear(self) -> None:
        """Take out every point."""
        async with self._making:
            self._made = False
            with self._translated():
                await self._client.delete_collection(self._collection)
        await self._make()

    async def _make(self) -> None:
        """Make the collection where there is none. Raises ``EmbeddingInvalid`` where it is another embedder's."""
        if self._made:
            return
        async with self._making:
            with self._translated():
                if not await self._client.collection_exists(self._collection):
                    await self._create()
                info = await self._client.get_collection(self._collection)
            vectors = info.config.params.vectors
            size = vectors.size if isinstance(vectors, models.VectorParams) else None
            if size != self._space.dimensions:
                raise EmbeddingInvalid(
                    f"the collection {self._collection} holds vectors of {size} components, and "
                    f"{self._space.embedder} makes them of {self._space.dimensions}: delete it, or use another name"
                )
            self._made = True

    async def _create(self) -> None:
        try:
            await self._client.create_collection(
                self._collection,
                vectors_config=models.VectorParams(size=self._space.dimensions, distance=models.Distance.DOT),
                hnsw_config=models.HnswConfigDiff(m=16, ef_construct=64),
                quantization_config=_QUANTIZED,
            )
        except UnexpectedResponse as error:
            if error.status_code != httpx.codes.CONFLICT:  # another process made it in between
                raise
        await self._client.create_payload_index(self._collection, FIELD, models.PayloadSchemaType.KEYWORD)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except UnexpectedResponse as error:
            if error.status_code == httpx.codes.NOT_FOUND:
                self._made = False  # someone deleted it: the next call makes it again
            raise self._unreachable(f"answered {error.status_code} {error.reason_phrase}") from error
        except (ResponseHandlingException, ApiException, httpx.HTTPError, OSError, ValueError, AssertionError) as error:
            # The client asserts what a server must answer.
            raise self._unreachable(f"does not answer: {error}") from error

    def _unreachable(self, what: str) -> ServiceUnreachable:
        return ServiceUnreachable(
            f"the Qdrant server of vectors.url {what} (collection {self._collection}): start it, or correct vectors.url"
            " and vectors.api_key_env"
        )


def _filter(labels: Mapping[str, str]) -> models.Filter | None:
    conditions: list[Any] = [
        models.FieldCondition(key=FIELD, match=models.MatchValue(value=keyword)) for keyword in marks(labels)
    ]
    return models.Filter(must=conditions) if conditions else None
