"""One program under supervision: started, asked whether it is ready, watched, restarted, stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from infra.stack import launch
from infra.stack.directory import Account
from infra.stack.errors import ComponentFailed
from infra.stack.processes import ProcessIdentity
from infra.stack.state import ComponentState

_log = logging.getLogger("precedent.stack")

_READY_POLL_SECONDS = 0.01
_HEALTH_SECONDS = 5.0
_HEALTH_MISSES = 3
_LARGEST_LOG = 10 * 1024 * 1024
_SHOWN_LOG_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to know that it does its work."""

    name: str
    argv: tuple[str, ...]
    log: Path
    cwd: Path
    env: Mapping[str, str]
    #: Asks it to end cleanly.
    stop_signal: signal.Signals
    #: True once it serves. Asked with the process id until then.
    is_ready: Callable[[int], Awaitable[bool]]
    #: True while it answers; None where being alive is all there is to ask.
    is_healthy: Callable[[], Awaitable[bool]] | None = None
    account: Account | None = None
    url: str | None = None
    #: Seconds until it must be ready, and for its clean end before it is killed.
    ready_within: float = 30.0
    stop_within: float = 5.0


def launched(argv: tuple[str, ...], at_parents_end: signal.Signals, account: Account | None) -> tuple[str, ...]:
    """The command that runs ``argv`` under the account and signals it when this process ends."""
    who = f"{account.uid}:{account.gid}" if account else "-"
    return (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(int(at_parents_end)), who, *argv)


def bare_environment() -> dict[str, str]:
    """An environment for servers: none of the user's settings, only what this Python may need to start."""
    return {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """Restart at once, then after doubling pauses; give up after ``limit`` restarts within ``window`` seconds."""

    limit: int = 10
    window: float = 60.0
    first_pause: float = 0.1
    longest_pause: float = 5.0

    def pause(self, recent: int) -> float:
        """Seconds to wait when there were so many restarts within the window."""
        return 0.0 if recent == 0 else min(self.first_pause * 2 ** (recent - 1), self.longest_pause)


@dataclass
class Component:
    """A program and the process that runs it now."""

    program: Program
    policy: RestartPolicy
    on_change: Callable[[], None]
    restarts: int = 0
    healthy: bool = False
    since: float | None = None
    _process: asyncio.subprocess.Process | None = None
    _identity: ProcessIdentity | None = None
    _recent: deque[float] = field(default_factory=deque)

    @property
    def state(self) -> ComponentState:
        """What to report."""
        return ComponentState(
            process=self._identity,
            healthy=self.healthy,
            since=self.since,
            restarts=self.restarts,
            url=self.program.url,
            stop_signal=int(self.program.stop_signal),
        )

    async def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            ComponentFailed: it ended, or was not ready in time; it does not run any more.

        """
        process = await self._spawn()
        try:
            await asyncio.wait_for(self._until_ready(process), self.program.ready_within)
        except TimeoutError:
            await self.stop()
            raise self._failure(f"was not ready within {self.program.ready_within:g} s") from None
        except BaseException:
            await self.stop()
            raise
        self.healthy = True
        self.on_change()

    async def supervise(self) -> None:
        """Keep it running, for ever.

        Raises:
            ComponentFailed: it ended more often than the policy allows.

        """
        while True:
            reason = await self._until_down()
            self.healthy = False
            self.on_change()
            _log.warning("%s %s: restarting it", self.program.name, reason)
            # What no longer answers will not end cleanly either; what has ended only needs to be reaped.
            await self.stop(cleanly=False)
            await self._start_again(reason)

    async def stop(self, *, cleanly: bool = True) -> None:
        """End it cleanly, and kill it when that takes too long; or kill it at once."""
        process, self.healthy = self._process, False
        if process is None:
            return
        for signal_number in (self.program.stop_signal, signal.SIGKILL) if cleanly else (signal.SIGKILL,):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.send_signal(signal_number)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), self.program.stop_within)
                break
        self._process = self._identity = None
        self.on_change()

    async def _start_again(self, reason: str) -> None:
        while True:
            now = time.monotonic()
            while self._recent and self._recent[0] < now - self.policy.window:
                self._recent.popleft()
            if len(self._recent) >= self.policy.limit:
                raise self._failure(f"{reason} and was restarted {len(self._recent)} times in vain")
            await asyncio.sleep(self.policy.pause(len(self._recent)))
            self._recent.append(now)
            self.restarts += 1
            try:
                await self.start()
            except ComponentFailed as failure:
                _log.warning("%s", failure)
                continue
            return

    async def _spawn(self) -> asyncio.subprocess.Process:
        program = self.program
        if program.log.exists() and program.log.stat().st_size > _LARGEST_LOG:
            program.log.replace(program.log.with_suffix(".log.1"))
        with program.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *launched(program.argv, program.stop_signal, program.account),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.cwd,
                env=dict(program.env),
                # Ctrl-C at the terminal is the supervisor's to handle, in order; not every child's at once.
                start_new_session=True,
            )
        self._process, self.since = process, time.time()
        self._identity = ProcessIdentity.of(process.pid)
        self.on_change()
        return process

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        while not await self.program.is_ready(process.pid):
            if process.returncode is not None:
                raise self._failure(_how_it_ended(process.returncode))
            await asyncio.sleep(_READY_POLL_SECONDS)

    async def _until_down(self) -> str:
        assert self._process is not None
        ended = asyncio.ensure_future(self._process.wait())
        misses = 0
        try:
            while misses < _HEALTH_MISSES:
                await asyncio.wait((ended,), timeout=_HEALTH_SECONDS)
                if ended.done():
                    return _how_it_ended(ended.result())
                misses = 0 if await self._answers() else misses + 1
                if self.healthy != (misses == 0):
                    self.healthy = misses == 0
                    self.on_change()
        finally:
            ended.cancel()
        return f"did not answer {misses} times in a row"

    async def _answers(self) -> bool:
        if self.program.is_healthy is None:
            return True
        try:
            return await asyncio.wait_for(self.program.is_healthy(), _HEALTH_SECONDS)
        except TimeoutError:
            return False

    def _failure(self, what: str) -> ComponentFailed:
        lines = last_lines(self.program.log)
        shown = "".join(f"\n    {line}" for line in lines) or " (which is empty)"
        return ComponentFailed(f"{self.program.name} {what}; the end of {self.program.log}:{shown}")


def _how_it_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def last_lines(log: Path) -> list[str]:
    """The end of a log, for a message about what went wrong."""
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return file.read().decode("utf-8", "replace").splitlines()[-_SHOWN_LOG_LINES:]
