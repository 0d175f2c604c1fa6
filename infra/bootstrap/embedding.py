"""Who makes points of texts, as the settings say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from adapters.embedding.lexical import LexicalEmbedder
from commands.indexes import Embedder
from infra.settings import Settings


@asynccontextmanager
async def embedder(settings: Settings) -> AsyncIterator[Embedder]:  # noqa: ARG001
    """The embedder of this process."""
    yield LexicalEmbedder()
