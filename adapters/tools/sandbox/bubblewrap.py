"""Runs one command in bubblewrap: own namespaces, no network, a read-only system, a seccomp filter, hard limits.

What happens to a command, in order:
1. bubblewrap opens new user, pid, network, ipc, uts and cgroup namespaces, and waits.
2. We map its user: `USER` inside; outside it is us, or an id that owns nothing when we are root, so that sandboxed
   code never is root on the machine and the kernel counts its processes. We set its limits and let it go on.
3. It mounts /usr read-only, a fresh /proc and /dev, and private folders of bounded size: nothing else of the machine.
4. It loads the filter, gives up every capability and starts the command in a session of its own.
5. We read its output up to a limit, and look at what its processes hold together. When the time is up, it floods us
   or holds too much, bubblewrap is killed, and with it the first process of the namespace, and so everything inside.
"""

import asyncio
import contextlib
import json
import logging
import os
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from typing import BinaryIO

from adapters.tools.sandbox.availability import SandboxUnavailable, unavailable_reason
from adapters.tools.sandbox.confinement import GO, bubblewrap_arguments, confine, refuse_root_owned
from adapters.tools.sandbox.limits import SandboxedCommand, SandboxLimits, SandboxResult
from adapters.tools.sandbox.memory import MemoryExceeded, watch_memory
from adapters.tools.sandbox.syscalls import compiled_filter

_LOG = logging.getLogger(__name__)
_GRACE = 10.0
"""Seconds for the kernel to clear away a killed tree (one that sits in a slow disk call takes its time)."""


class _FloodError(Exception):
    """The command prints more than anyone will read."""


class _Capture:
    """Reads one stream to its end and keeps its beginning."""

    def __init__(self, limits: SandboxLimits) -> None:
        self._keep = limits.output_bytes
        self._flood = limits.flood_bytes
        self.kept = bytearray()
        self.total = 0

    async def read(self, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None
        while chunk := await stream.read(65536):
            self.total += len(chunk)
            self.kept += chunk[: self._keep - len(self.kept)]
            if self.total > self._flood:
                raise _FloodError


async def run_sandboxed(command: SandboxedCommand, limits: SandboxLimits) -> SandboxResult:
    """Run to the end or to a limit; the result says which.

    Raises `SandboxUnavailable` where no sandbox can be had. Cancelling this call kills the command.
    """
    if reason := unavailable_reason():
        raise SandboxUnavailable(reason)
    refuse_root_owned(command)
    started = time.monotonic()
    stdout, stderr = _Capture(limits), _Capture(limits)
    exit_code, timed_out, flooded, overfull = None, False, False, False
    try:
        async with (
            asyncio.timeout(limits.seconds),
            _running(command, limits) as (process, first),
            asyncio.TaskGroup() as tasks,
        ):
            watch = tasks.create_task(watch_memory(first, limits.tree_bytes))
            tasks.create_task(_feed(process, command.stdin))
            tasks.create_task(stdout.read(process.stdout))
            tasks.create_task(stderr.read(process.stderr))
            exit_code = await process.wait()
            watch.cancel()
    except* TimeoutError:
        exit_code, timed_out = None, True
    except* _FloodError:
        exit_code, flooded = None, True
    except* MemoryExceeded:
        exit_code, overfull = None, True
    return SandboxResult(
        exit_code=exit_code,
        stdout=bytes(stdout.kept),
        stderr=bytes(stderr.kept),
        stdout_omitted=stdout.total - len(stdout.kept),
        stderr_omitted=stderr.total - len(stderr.kept),
        duration=time.monotonic() - started,
        timed_out=timed_out,
        flooded=flooded,
        overfull=overfull,
    )


@contextlib.asynccontextmanager
async def _running(command: SandboxedCommand, limits: SandboxLimits) -> AsyncIterator[tuple[Process, int]]:
    """A confined process, and the first of its namespace; both are gone, with all they started, after the block."""
    with contextlib.ExitStack() as ours:
        info, info_end = _pipe(ours)
        go, go_end = _pipe(ours)
        with contextlib.ExitStack() as theirs:
            for end in (info_end, go):
                theirs.enter_context(end)
            seccomp = _memory_file(theirs, compiled_filter())
            files = {path: _memory_file(theirs, data) for path, data in command.files.items()}
            inherited = {"info": info_end.fileno(), "mapped": go.fileno(), "seccomp": seccomp}
            process = await asyncio.create_subprocess_exec(
                "bwrap",
                *bubblewrap_arguments(command, limits, files=files, **inherited),
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(*inherited.values(), *files.values()),
            )
        try:
            first = await _first_process(info.fileno())
            if first is None:
                raise SandboxUnavailable(f"bubblewrap did not start: {await _complaint(process)}")
            confine(first, command, limits)
            go_end.write(GO)
            yield process, first
        finally:
            await _end(process)


def _pipe(ours: contextlib.ExitStack) -> tuple[BinaryIO, BinaryIO]:
    read, write = os.pipe()
    return (
        ours.enter_context(os.fdopen(read, "rb", buffering=0)),
        ours.enter_context(os.fdopen(write, "wb", buffering=0)),
    )


def _memory_file(stack: contextlib.ExitStack, data: bytes) -> int:
    file = stack.enter_context(os.fdopen(os.memfd_create("sandbox"), "w+b"))
    file.write(data)
    file.seek(0)
    return file.fileno()


async def _first_process(info: int) -> int | None:
    """Process id of the namespace's first process, which bubblewrap writes and then closes its end."""
    loop = asyncio.get_running_loop()
    told = b""
    while not told.endswith(b"}\n"):
        ready = asyncio.Event()
        loop.add_reader(info, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(info)
        if not (chunk := os.read(info, 4096)):
            return None
        told += chunk
    return int(json.loads(told)["child-pid"])


async def _complaint(process: Process) -> str:
    assert process.stderr is not None
    text = (await process.stderr.read(4096)).decode(errors="replace").strip()
    return text or f"exit code {await process.wait()}"


async def _feed(process: Process, data: bytes) -> None:
    assert process.stdin is not None
    # A command that does not read what it is given is not at fault.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        process.stdin.close()
        await process.stdin.wait_closed()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(_GRACE):
            # The pipes close when the last process of the tree is gone, so this waits for all of it.
            for stream in (process.stdout, process.stderr):
                while await stream.read(65536):
                    pass
            await process.wait()
    except TimeoutError:
        _LOG.warning("sandboxed process %d and its children are still being killed after %d s", process.pid, _GRACE)
