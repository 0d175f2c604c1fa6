"""An embedder behind any OpenAI-compatible ``/embeddings`` interface.

Source: the "Create embeddings" reference of the OpenAI API, and vLLM's "OpenAI-Compatible Server". Whether the same
text has the same bits twice is the server's to promise; what is remembered (``recent``) is not asked again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from types import TracebackType
from typing import Any, ClassVar, Final, Self

import orjson

from adapters.embedding.texts import readable
from adapters.embedding.unit import unit
from adapters.models.endpoint import MAX_BODY, Endpoint
from domain.kernel.embedding import MOST_DIMENSIONS, Embedding
from domain.kernel.errors import InvalidInput, ServiceUnreachable
from domain.models import ModelUnavailable

MOST_TEXTS: Final = 64
"""In one request."""

_MOST_CHARACTERS_A_REQUEST: Final = 262_144
_BYTES_OF_A_NUMBER: Final = 32
"""A float and its comma as servers write them have at most 25."""


class EmbedderUnavailable(ServiceUnreachable):
    """The embedding server gave no usable answer: start it, or correct key ``embedder`` of the configuration."""

    code: ClassVar[str] = "embedder.unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingServer:
    """Where points are made, and how they must be."""

    url: str
    """Base URL, as ``http://127.0.0.1:8000/v1``; ``/embeddings`` is added to its path."""
    model: str
    """The server's name of the model."""
    dimensions: int
    """How many components a point has."""
    api_key_env: str | None = None
    """Environment variable that holds the key."""
    timeout: float = 10.0
    """Seconds for one answer, repeats included."""


class OpenAiEmbedder:
    """Points by a model of one server, with a pool of connections. A context manager that closes them."""

    def __init__(self, server: EmbeddingServer, environment: Mapping[str, str] = os.environ) -> None:
        """Take the address; nothing is connected yet. ``environment`` is where the key is read, at each call."""
        if not 1 <= server.dimensions <= MOST_DIMENSIONS:
            raise InvalidInput(f"embedder.dimensions is {server.dimensions}; give 1 to {MOST_DIMENSIONS:,}")
        self._server = server
        self._endpoint = Endpoint(
            f"embedder {server.model!r}",
            server.url,
            "/embeddings",
            served_as=server.model,
            key_variable=server.api_key_env,
            silence=server.timeout,
            environment=environment,
        )
        self._most_texts = max(1, min(MOST_TEXTS, MAX_BODY // (server.dimensions * _BYTES_OF_A_NUMBER)))

    @property
    def name(self) -> str:
        """Model and size. A server that gives a model other weights must give it another name."""
        return self.named(self._server.model, self._server.dimensions)

    @staticmethod
    def named(model: str, dimensions: int) -> str:
        """Name of the points of a model with so many components."""
        return f"openai:{model}:{dimensions}"

    @property
    def dimensions(self) -> int:
        """How many components its points have."""
        return self._server.dimensions

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """A point for each text, in order. Raises ``EmbedderUnavailable``, ``InvalidInput``."""
        points: list[Embedding] = []
        for batch in _batches(readable(texts), self._most_texts):
            points += await self._asked(batch)
        return points

    async def aclose(self) -> None:
        """Close the connections."""
        await self._endpoint.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _asked(self, texts: Sequence[str]) -> list[Embedding]:
        # Some servers refuse NUL, and it says nothing.
        clean = [text.replace("\0", " ") for text in texts]
        document = {"model": self._server.model, "input": clean, "encoding_format": "float"}
        try:
            received = await self._endpoint.post(orjson.dumps(document), self._server.timeout)
        except ModelUnavailable as error:
            raise EmbedderUnavailable(str(error)) from error
        answer = _Answer(self._endpoint.at, self.name, self._server.dimensions)
        return answer.points(received, len(texts))


def _batches(texts: Sequence[str], most: int) -> list[list[str]]:
    """The texts in order, in lists that one request can carry."""
    batches: list[list[str]] = []
    room = 0
    for text in texts:
        if not batches or len(batches[-1]) == most or len(text) > room:
            batches.append([])
            room = _MOST_CHARACTERS_A_REQUEST
        batches[-1].append(text)
        room -= len(text)
    return batches


@dataclass(frozen=True, slots=True)
class _Answer:
    """The reading of an answer that nobody vouches for. It is never shown: it may echo the texts."""

    at: str
    embedder: str
    dimensions: int

    def points(self, body: bytes, count: int) -> list[Embedding]:
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise EmbedderUnavailable(f"{self.at} answered {len(body):,} bytes that are no JSON: {error}") from error
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, list):
            raise self._wrong("data is missing or no list")
        if len(data) != count:
            raise self._wrong(f"{len(data):,} points for {count:,} texts")
        found: dict[int, Embedding] = {}
        for entry in data:
            index = entry.get("index") if isinstance(entry, dict) else None
            if type(index) is not int or not 0 <= index < count or index in found:
                raise self._wrong(f"an index is missing, given twice or not one of 0 to {count - 1}")
            found[index] = self._point(entry.get("embedding"), index)
        return [found[index] for index in range(count)]

    def _point(self, numbers: Any, index: int) -> Embedding:
        if not isinstance(numbers, list) or len(numbers) != self.dimensions:
            size = f"{len(numbers):,} components" if isinstance(numbers, list) else "no list of components"
            raise self._wrong(f"point {index} has {size}, and embedder.dimensions is {self.dimensions:,}")
        if not all(type(number) in (int, float) and isfinite(number) for number in numbers):
            raise self._wrong(f"a component of point {index} is no finite number")
        try:
            return unit(self.embedder, numbers)
        except (ValueError, OverflowError) as error:
            raise self._wrong(f"point {index} has no direction: {error}") from error

    def _wrong(self, fault: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(
            f"{self.at} answered no embeddings: {fault}; check url, model and dimensions of key embedder"
        )
