"""Runs agents in threads: one that computes for ever holds up nothing but itself, and is stopped if Python can."""

import asyncio
import contextlib
import ctypes
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from commands.agents import AgentStuck
from commands.threads import begun
from domain.agents.execution import AgentExecution, AgentStep
from domain.rtfs.vm import Answer
from domain.runs.execution import Agents

T = TypeVar("T")

STOPS = 20
"""How often an agent that does not come back is told to stop."""
STOP_EVERY = 0.5
RELEASE_SECONDS = 5.0

logger = logging.getLogger(__name__)


class _Stopped(BaseException):
    """Raised inside of an agent that does not come back."""


class ThreadedAgents:
    """The ``AgentRunner`` port."""

    def __init__(self, agents: Agents, most: int = 64) -> None:
        """Run these, at most so many at once; one that cannot be stopped keeps its thread."""
        self._agents = agents
        self._free = asyncio.Semaphore(most)
        self._tasks: set[asyncio.Task[None]] = set()

    def agents(self) -> Agents:
        """As the port says."""
        return self._agents

    async def advance(
        self, execution: AgentExecution, answers: Mapping[str, Answer] | None, seconds: float
    ) -> AgentStep:
        """As the port says."""

        def piece() -> AgentStep:
            try:
                return execution.start() if answers is None else execution.resume(answers)
            except KeyboardInterrupt as error:  # nobody's keyboard: the agent raised it
                return execution.fail(error)

        return await self._bounded(piece, execution.agent.name, seconds)

    def release(self, execution: AgentExecution) -> None:
        """As the port says."""
        if execution.suspended:
            self._keep(asyncio.ensure_future(self._close(execution)))

    async def _close(self, execution: AgentExecution) -> None:
        with contextlib.suppress(AgentStuck):
            await self._bounded(execution.close, execution.agent.name, RELEASE_SECONDS)

    async def _bounded(self, piece: Callable[[], T], agent: str, seconds: float) -> T:
        def work() -> T:
            try:
                return piece()
            except BaseException as error:
                # A fault of ours, or the agent was stopped.
                raise RuntimeError(f"agent {agent}: {type(error).__name__}: {error}") from error

        await self._free.acquire()
        done, thread = begun(work, f"agent {agent}", self._free.release)
        await asyncio.wait([done], timeout=seconds)
        if done.done():
            return done.result()
        done.cancel()
        self._keep(asyncio.ensure_future(_stop(thread)))
        raise AgentStuck(f"agent {agent} came to no effect and no end within {seconds:g} s")

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _stop(thread: threading.Thread) -> None:
    """Raise in the thread until it ends. One that is inside of a C function notices when that returns."""
    for _ in range(STOPS):
        if not thread.is_alive() or thread.ident is None:
            return
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Stopped))
        await asyncio.sleep(STOP_EVERY)
    if thread.is_alive():
        logger.warning("%s cannot be stopped; it keeps a thread until this worker is started anew", thread.name)
