"""Where points are searched: on the server of the settings, in Qdrant's engine on this machine, or in memory."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec

from adapters.vectors.edge import EdgeVectorIndex
from adapters.vectors.memory import MemoryVectorIndex
from commands.indexes import Embedder, VectorIndex
from infra.settings import ConfigurationError, Settings

INSTALL = "install precedent[vectors]"


@asynccontextmanager
async def vector_index(settings: Settings, embedder: Embedder, name: str) -> AsyncIterator[VectorIndex]:
    """The index of this name for the points of an embedder; whoever gives the same name has the same index.

    Raises ``ConfigurationError``. Nothing is started or made before its first call.
    """
    called = _called(name, embedder.name)
    if settings.vectors.url is not None:
        async with _on_server(settings, settings.vectors.url, called, embedder) as index:
            yield index
    elif find_spec("qdrant_edge") is not None:
        async with EdgeVectorIndex(settings.data / "vectors" / called, embedder.name, embedder.dimensions) as edge:
            yield edge
    else:
        yield MemoryVectorIndex(embedder.name, embedder.dimensions)


@asynccontextmanager
async def _on_server(settings: Settings, url: str, called: str, embedder: Embedder) -> AsyncIterator[VectorIndex]:
    variable = settings.vectors.api_key_env
    key = os.environ.get(variable) if variable is not None else None
    if variable is not None and not key:
        raise ConfigurationError(f"vectors.api_key_env: the environment variable {variable} is not set: set it")
    if find_spec("qdrant_client") is None:
        raise ConfigurationError(f"vectors.url: {url} needs the client of Qdrant: {INSTALL}")
    from adapters.vectors.qdrant import QdrantVectorIndex, client_of  # noqa: PLC0415  # a second, for who needs it

    client = client_of(url, key)
    try:
        yield QdrantVectorIndex(client, called, embedder.name, embedder.dimensions)
    finally:
        await client.close()


def _called(name: str, embedder: str) -> str:
    """A name for folders and collections, readable and one for each pair."""
    readable = re.sub(r"[^A-Za-z0-9]+", "-", f"{name}-{embedder}").strip("-")[:60]
    pair = f"{name}\0{embedder}"
    return f"{readable}-{hashlib.sha256(pair.encode()).hexdigest()[:8]}"
