"""Agents that are replayed, watched from outside: one that never comes back ends its replay, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from commands.agents import AgentStuck
from commands.threads import begun
from domain.runs.execution import Agents
from domain.runs.parts import RunEvent
from domain.runs.replay import Replay, fold, verify

LONGEST_PIECE: Final = 60.0
"""Seconds that an agent may compute between effects: four times what workers allow, since machines differ."""


async def verify_watched(events: Sequence[RunEvent], agents: Agents, within: float = LONGEST_PIECE) -> Replay:
    """Verify an agent's run in a thread, as workers do, where there is no event loop.

    Raises ``AgentStuck`` where the agent comes to no effect and no end within so many seconds, and as ``verify``. Its
    thread cannot be ended from outside; it goes with the process.
    """
    asked: list[str] = []
    done, _ = begun(lambda: verify(events, agents, asked.append), "replay of an agent")
    while not done.done():
        before = len(asked)
        await asyncio.wait([done], timeout=within)
        if not done.done() and len(asked) == before:
            done.cancel()
            raise AgentStuck(_message(events, asked, within))
    return done.result()


def _message(events: Sequence[RunEvent], asked: Sequence[str], within: float) -> str:
    pinned = fold(events).agent
    name = pinned.agent if pinned is not None else "?"
    place = f"behind effect {asked[-1]}" if asked else "before its first effect"
    return (
        f"agent {name} came to no effect and no end within {within:g} s {place}, where the recorded run went on: look "
        f"for a loop in what changed in it; `precedent agents show {name}` says whether its source is the recorded one"
    )
