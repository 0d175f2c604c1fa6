"""Agents that are replayed, watched from outside: one that never comes back ends its replay, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from typing import Final

from commands.agents import AgentStuck
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
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Replay] = loop.create_future()
    asked: list[str] = []

    def settle(result: Replay | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        elif result is not None:
            done.set_result(result)

    def work() -> None:
        result, problem = None, None
        try:
            result = verify(events, agents, asked.append)
        except BaseException as error:  # noqa: BLE001  # it is raised where the replay is awaited
            problem = error
        with contextlib.suppress(RuntimeError):  # a loop that closed in the meantime waits for nothing
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=work, name="replay of an agent", daemon=True).start()
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
