"""Agents that the deployment under test has: one that replays, and one that does not."""

from __future__ import annotations

from typing import Any

from adapters.agents.declare import agent
from domain.agents.context import Context

NAMES = [f"name-{number}" for number in range(40)]


@agent("t.reader")
async def reader(ctx: Context, inputs: Any) -> Any:
    """Reads pages side by side and puts what it found into one list."""
    found: list[str] = []

    async def read(page: str) -> None:
        text = await ctx.call("fs.read", path=page)
        found.append(text.partition("\n")[0])
        await ctx.call("fs.stat", path=page)
        found.append(page)

    await ctx.parallel(*(read(page) for page in inputs["pages"]))
    await ctx.log(f"{len(found)} found")
    return {"found": found, "at": await ctx.now(), "id": await ctx.uuid(), "luck": await ctx.random()}


@agent("t.unordered")
async def unordered(ctx: Context, _: Any) -> Any:
    """Goes through a set, whose order is another in every process."""
    first = next(iter(set(NAMES)))
    await ctx.log(first)
    return first
