"""One request to who is asked over HTTP, and no more of an answer than one can have."""

from __future__ import annotations

import asyncio
from typing import Final

import httpx

WITHIN: Final = 10.0
"""Seconds for the whole answer: what comes in time bit by bit, without end, must not hold up the ledger."""

LARGEST: Final = 64 * 1024
"""Bytes of an answer; the rest is left where it is."""


async def post(client: httpx.AsyncClient, url: str, content: bytes, within: float, mediatype: str) -> tuple[int, bytes]:
    """Status and body, or its beginning. Raises ``httpx.HTTPError``, ``TimeoutError``."""
    headers = {"content-type": mediatype, "accept-encoding": "identity"}
    async with asyncio.timeout(within), client.stream("POST", url, content=content, headers=headers) as answer:
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > LARGEST:
                break
        return answer.status_code, bytes(body[:LARGEST])


def words(problem: Exception, within: float) -> str:
    """What went wrong with a request."""
    return f"no whole answer within {within:g} s" if isinstance(problem, TimeoutError) else str(problem)
