"""Agents in threads: one that does not come back is stopped where Python can, and holds up nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from dataclasses import replace
from typing import Any

import pytest

from adapters.agents.declare import agent, declared_agent
from adapters.agents.threads import ThreadedAgents
from commands.agents import AgentStuck
from domain.agents.context import Context
from domain.agents.execution import AgentExecution, Waiting
from domain.rtfs.types import parse_type
from domain.rtfs.vm import Finished, Returned, Trapped


def execution_of(function: Any) -> AgentExecution:
    """An execution of an agent whose threads can be told apart by its name."""
    declared = declared_agent(agent("t.agent")(function))
    assert declared is not None
    return AgentExecution(replace(declared, name=f"t.{function.__name__}"), {}, parse_type(":any"))


def threads_of(execution: AgentExecution) -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == f"agent {execution.agent.name}"]


async def until_gone(execution: AgentExecution) -> None:
    async with asyncio.timeout(60):
        while threads_of(execution):  # noqa: ASYNC110  # a thread tells nobody that it ends
            await asyncio.sleep(0.02)


async def test_an_agent_goes_on_in_another_thread() -> None:
    async def moving(ctx: Context, _: Any) -> Any:
        """Asks once."""
        return [await ctx.call("t"), threading.current_thread() is threading.main_thread()]

    runner, execution = ThreadedAgents({}), execution_of(moving)
    assert isinstance(await runner.advance(execution, None, 60), Waiting)
    assert await runner.advance(execution, {"0": Returned(7)}, 60) == Finished([7, False], 0)


async def test_there_is_no_event_loop_where_an_agent_runs() -> None:
    async def looking(ctx: Context, _: Any) -> Any:
        """Wants tasks of its own."""
        asyncio.create_task(ctx.call("t"))  # type: ignore[arg-type]  # noqa: RUF006

    step = await ThreadedAgents({}).advance(execution_of(looking), None, 60)
    assert isinstance(step, Trapped)
    assert "no running event loop; use ctx.sleep, ctx.call and ctx.parallel instead" in step.error.message


async def test_one_that_computes_for_ever_is_stopped() -> None:
    async def spinning(_: Context, __: Any) -> Any:
        """Spins."""
        while True:
            pass

    runner, execution = ThreadedAgents({}), execution_of(spinning)
    with pytest.raises(AgentStuck, match=r"t\.spinning came to no effect and no end within 0\.2 s"):
        await runner.advance(execution, None, 0.2)
    await until_gone(execution)


async def test_one_that_swallows_a_few_stops_is_stopped_all_the_same() -> None:
    async def swallowing(_: Context, __: Any) -> Any:
        """Does not want to end."""
        for _attempt in range(3):
            with contextlib.suppress(BaseException):
                while True:
                    pass

    runner, execution = ThreadedAgents({}), execution_of(swallowing)
    with pytest.raises(AgentStuck):
        await runner.advance(execution, None, 0.2)
    await until_gone(execution)


async def test_threads_are_bounded_and_given_back() -> None:
    async def quick(_: Context, __: Any) -> Any:
        """Is done at once."""
        return 1

    runner = ThreadedAgents({}, most=1)
    steps = await asyncio.gather(*(runner.advance(execution_of(quick), None, 60) for _ in range(20)))
    assert steps == [Finished(1, 0)] * 20


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
async def test_what_would_end_a_process_ends_the_run_only(error: type[BaseException]) -> None:
    async def raising(_: Context, __: Any) -> Any:
        """Wants to take the worker with it."""
        raise error

    step = await ThreadedAgents({}).advance(execution_of(raising), None, 60)
    assert isinstance(step, Trapped)
    assert step.error.type == "agent.raised"
    assert error.__name__ in step.error.message


async def test_what_is_let_go_is_closed_apart_from_the_loop() -> None:
    closed = threading.Event()

    async def waiting(ctx: Context, _: Any) -> Any:
        """Waits, and takes its time when it is closed."""
        try:
            await ctx.call("t")
        finally:
            assert threading.current_thread() is not threading.main_thread()
            closed.set()

    runner, execution = ThreadedAgents({}), execution_of(waiting)
    await runner.advance(execution, None, 60)
    runner.release(execution)
    assert await asyncio.to_thread(closed.wait, 60)
    await until_gone(execution)
