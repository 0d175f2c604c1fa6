"""Several sources of batches as one; each source keeps its order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def merged(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncIterator[T]:
    """Items of all sources as they come, until the last one ends. At most one item of each waits."""
    following = {asyncio.create_task(_next(source)): source for source in sources}
    try:
        while following:
            arrived, _ = await asyncio.wait(following, return_when=asyncio.FIRST_COMPLETED)
            for task in arrived:
                source = following.pop(task)
                for item in task.result():
                    yield item
                    following[asyncio.create_task(_next(source))] = source
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for source in sources:
            await source.aclose()


async def _next(source: AsyncGenerator[T, None]) -> list[T]:
    async for item in source:
        return [item]
    return []
