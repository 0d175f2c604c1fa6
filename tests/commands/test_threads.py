"""Blocking calls in daemon threads of their own."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, NoReturn

import pytest

from commands.threads import begun
from domain.kernel.errors import NotFound


def failing(error: BaseException) -> Any:
    def call() -> NoReturn:
        raise error

    return call


async def test_a_result_is_awaited_and_the_end_is_told_once() -> None:
    ended: list[int] = []
    done, thread = begun(lambda: threading.current_thread().name, "a call", lambda: ended.append(1))
    assert await done == "a call"
    assert (ended, thread.daemon) == ([1], True)


async def test_an_error_is_raised_where_the_call_is_awaited() -> None:
    error = NotFound("there is none")
    done, _ = begun(failing(error), "a call")
    with pytest.raises(NotFound) as raised:
        await done
    assert raised.value is error


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), StopIteration(1), GeneratorExit()], ids=repr)
async def test_what_would_end_whoever_waits_comes_as_the_cause_of_another(error: BaseException) -> None:
    ended: list[int] = []
    done, _ = begun(failing(error), "a call", lambda: ended.append(1))
    with pytest.raises(RuntimeError, match=type(error).__name__) as raised:
        await done
    assert (raised.value.__cause__, ended) == (error, [1])


async def test_the_end_is_told_also_when_nobody_waits_any_more() -> None:
    ended, release = asyncio.Event(), threading.Event()
    done, _ = begun(release.wait, "a call", ended.set)
    done.cancel()
    release.set()
    await ended.wait()
    assert done.cancelled()


def test_a_loop_that_closed_meanwhile_is_no_error_of_the_thread() -> None:
    release = threading.Event()
    failed: list[threading.ExceptHookArgs] = []

    async def leave() -> threading.Thread:
        return begun(release.wait, "a call")[1]

    thread = asyncio.run(leave())
    before, threading.excepthook = threading.excepthook, failed.append
    try:
        release.set()
        thread.join()
    finally:
        threading.excepthook = before
    assert failed == []


async def test_where_no_thread_can_be_had_its_place_is_free_again() -> None:
    before = threading.stack_size(1 << 46)  # more than there is: as when the system has no thread left
    ended: list[bool] = []
    try:
        with pytest.raises(RuntimeError, match="thread"):
            begun(lambda: 1, "too large", lambda: ended.append(True))
    finally:
        threading.stack_size(before)
    assert ended == [True]
    done, _ = begun(lambda: 1, "small")
    assert await done == 1
