"""Processes that share a command's work: they end with it, and one that was ended from outside can be named."""

from __future__ import annotations

import copy
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, Final

from infra.bootstrap.collector import YOUNG_OF_MANY, relieve_collector

MOST_PROCESSES: Final = 8
"""That share one command's work: one joins what they find, and more would wait for it."""

ENDED_WITHIN: Final = 5.0
"""Seconds for the others to end once one is lost."""


def processor_count() -> int:
    """Processors that this process may use, as far as sharing work is worth it."""
    return min(len(os.sched_getaffinity(0)), MOST_PROCESSES)


@dataclass(frozen=True, slots=True)
class Processes:
    """They do what ``executor`` is given."""

    executor: ProcessPoolExecutor
    _all: list[BaseProcess] = field(default_factory=list)

    def ids(self) -> list[int]:
        """Ids of those that have been started."""
        return [each.pid for each in self._all if each.pid is not None]

    def fate(self) -> str:
        """Say which of them was lost, once the executor is broken; the others are ended by it."""
        for each in self._all:
            each.join(ENDED_WITHIN)
        lost = [each for each in self._all if each.exitcode not in (None, 0, -signal.SIGTERM)] or self._all
        return ", ".join(map(_fate, lost)) or "a process could not be started"


def _fate(process: BaseProcess) -> str:
    code = process.exitcode
    if code is None:
        return f"process {process.pid} was lost"
    how = f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
    return f"process {process.pid} {how}"


@contextmanager
def processes(count: int, *, now: bool) -> Iterator[Processes]:
    """So many processes, for as long as the context lasts; what they still do is given up where it ends with an error.

    ``now``: they are forked at once, which takes milliseconds and is safe while this process has one thread; else each
    is spawned when it is first needed, which takes a second.
    """
    forked = now and threading.active_count() == 1
    context: Any = copy.copy(get_context("fork" if forked else "spawn"))
    make, made = context.Process, []

    def remembered(*args: Any, **kwargs: Any) -> BaseProcess:
        made.append(make(*args, **kwargs))
        return made[-1]  # type: ignore[no-any-return]

    context.Process = remembered
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(forked,))
    try:
        if forked:
            relieve_collector(YOUNG_OF_MANY)  # here: each of them would copy all memory to look through it
            executor.submit(_begun).result()  # with the first work all are forked
        yield Processes(executor, made)
    except BaseException:
        executor.shutdown(wait=False, cancel_futures=True)
        for each in made:
            each.terminate()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(forked: bool) -> None:
    """Leave Ctrl-C to the process that gives out the work, and end when it ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, name="end with parent", daemon=True).start()
    if not forked:
        relieve_collector(YOUNG_OF_MANY)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
    os._exit(1)


def _begun() -> None:
    """Nothing: there is a process to do it."""
