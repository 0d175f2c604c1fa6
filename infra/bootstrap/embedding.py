"""The embedder of a deployment, and which one it is: known without loading a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from adapters.embedding import minilm, weights
from adapters.embedding.lexical import LexicalEmbedder
from adapters.embedding.minilm import MiniLmEmbedder
from adapters.embedding.openai import EmbeddingServer, OpenAiEmbedder
from adapters.embedding.recent import RecentEmbedder
from adapters.embedding.weights import ModelNotInstalled, WeightsDiffer
from commands.indexes import Embedder
from infra.settings import HttpEmbedder, Settings


class EmbedderInUse(NamedTuple):
    """Which embedder the settings come to here."""

    name: str
    """That of the embedder's points."""
    says: str
    """What it knows, and why it is this one."""


def embedder_told(settings: Settings) -> EmbedderInUse:
    """Which embedder there is, for people: one that is demanded and cannot be had is told with the reason."""
    try:
        return embedder_in_use(settings)
    except (ModelNotInstalled, WeightsDiffer) as problem:
        return EmbedderInUse("none", str(problem))


def embedder_in_use(settings: Settings) -> EmbedderInUse:
    """Which embedder there will be. Reads and checks the model's files (0.1 s) where it may be the one.

    Raises as ``embedder``.
    """
    match settings.embedder:
        case HttpEmbedder() as server:
            return EmbedderInUse(OpenAiEmbedder.named(server.model, server.dimensions), f"asked at {server.url}")
        case "lexical":
            return EmbedderInUse(LexicalEmbedder.name, "knows words, not what they mean")
        case chosen:
            return _by_meaning(chosen)


@asynccontextmanager
async def embedder(settings: Settings) -> AsyncIterator[Embedder]:
    """The embedder that ``embedder_in_use`` tells of, until the end of the context.

    Raises ``ModelNotInstalled`` and ``WeightsDiffer`` where MiniLM is demanded by name.
    """
    match settings.embedder:
        case HttpEmbedder() as server:
            async with OpenAiEmbedder(_server(server)) as asked:
                yield RecentEmbedder(asked)
        case "lexical":
            yield LexicalEmbedder()
        case chosen:
            try:
                loaded = await asyncio.to_thread(MiniLmEmbedder)
            except (ModelNotInstalled, WeightsDiffer):
                if chosen == "minilm":
                    raise
                yield LexicalEmbedder()
            else:
                async with loaded:
                    yield RecentEmbedder(loaded)


def _by_meaning(chosen: str) -> EmbedderInUse:
    try:
        weights.check(weights.folder())
    except (ModelNotInstalled, WeightsDiffer) as problem:
        if chosen == "minilm":
            raise
        return EmbedderInUse(LexicalEmbedder.name, f"knows words, not what they mean: {problem}")
    return EmbedderInUse(minilm.NAME, "knows what texts in English mean")


def _server(settings: HttpEmbedder) -> EmbeddingServer:
    return EmbeddingServer(
        url=settings.url,
        model=settings.model,
        dimensions=settings.dimensions,
        api_key_env=settings.api_key_env,
        timeout=settings.timeout,
    )
