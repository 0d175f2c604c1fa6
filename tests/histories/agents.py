"""The agent of the recorded history. Its requests never change: what an earlier release recorded must replay."""

from __future__ import annotations

from typing import Any

from adapters.agents.declare import agent
from domain.agents.context import Context, EffectFailed


@agent("histories.agent", version="1")
async def pursue(ctx: Context, inputs: Any) -> Any:
    """Uses everything that ``ctx`` gives."""
    names = [entry["path"] for entry in await ctx.call("fs.list", path=".", pattern="*.txt")]
    texts = await ctx.parallel(
        *(ctx.call("fs.read", path=name) for name in names), ctx.parallel(ctx.uuid(), ctx.random())
    )
    try:
        await ctx.call("fs.read", path=inputs["absent"])
    except EffectFailed as error:
        await ctx.log(f"{error.type} at {error.effect}")
    await ctx.sleep(0.2)
    return {"texts": texts, "at": await ctx.now(), "patched": await ctx.patched("asks again")}
