"""AgentDojo as a module for ``tools`` and ``agents``: its functions, and a clerk who makes the calls of a task."""

from __future__ import annotations

from itertools import groupby
from typing import Any, Final

from adapters.agents.declare import agent
from domain.agents.context import Context
from infra.bench.dojo.corpus import Dojo
from infra.bench.dojo.tools import AGENT, DojoTools

DOJO: Final = Dojo()
TOOLS: Final = DojoTools(DOJO)


@agent(AGENT)
async def clerk(ctx: Context, inputs: Any) -> list[Any]:
    """Makes the calls of a task in order, those that only read side by side; an error is a result."""
    results: list[Any] = []
    for reading, calls in groupby(inputs["calls"], key=lambda call: call["reads"]):
        if reading:
            results += await ctx.parallel(*(_made(ctx, call) for call in calls))
        else:
            results += [await _made(ctx, call) for call in calls]
        await ctx.log(f"{len(results)} calls made")
    return results


async def _made(ctx: Context, call: dict[str, Any]) -> Any:
    return await ctx.call(call["tool"], **call["arguments"])
