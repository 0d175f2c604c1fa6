"""An agent that calls one tool again and again, each time with what came before."""

from __future__ import annotations

from typing import Any

from adapters.agents.declare import agent
from domain.agents.context import Context


@agent("chaos.agent")
async def four_calls(ctx: Context, inputs: Any) -> int:
    """One call, two side by side, and one with what they gave; chance and time in between."""
    tool = inputs["tool"]
    first = await ctx.call(tool, n=1 + int(await ctx.random() * 1000))
    left, right = await ctx.parallel(ctx.call(tool, n=first), ctx.call(tool, n=first + 1))
    await ctx.now()
    last: int = await ctx.call(tool, n=left + right)
    return last
