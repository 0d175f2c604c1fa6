"""Two processes that ask the same at once: one calls, and where it dies the other does."""

import asyncio
import sys
from pathlib import Path

from adapters.nats.connection import Connection
from infra.stack.endpoints import Endpoints


async def started(stack: Endpoints, tenant: str, run: str, folder: Path, seconds: float) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.adapters.nats.caching", stack.nats_url, stack.nats_user or "",
        stack.nats_password or "", tenant, run, str(folder), str(seconds), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def until_called(folder: Path, run: str) -> None:
    async with asyncio.timeout(60):
        while not (folder / run).exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_of_two_processes_one_calls(
    connection: Connection, stack: Endpoints, tenant: str, tmp_path: Path
) -> None:
    del connection  # it has made the streams
    first = await started(stack, tenant, "first", tmp_path, 6)
    await until_called(tmp_path, "first")
    second = await started(stack, tenant, "second", tmp_path, 6)
    async with asyncio.timeout(60):
        told = [(await process.communicate())[0].decode().split() for process in (first, second)]
    assert told == [["executed", "42"], ["cache", "42"]]
    assert not (tmp_path / "second").exists()


async def test_where_the_one_that_calls_is_killed_the_other_calls(
    connection: Connection, stack: Endpoints, tenant: str, tmp_path: Path
) -> None:
    del connection
    first = await started(stack, tenant, "first", tmp_path, 3_600)
    await until_called(tmp_path, "first")
    second = await started(stack, tenant, "second", tmp_path, 0)
    await asyncio.sleep(3)
    assert not (tmp_path / "second").exists(), "it waits for the first one"
    first.kill()
    await first.wait()
    async with asyncio.timeout(60):
        told = (await second.communicate())[0].decode().split()
    assert told == ["executed", "42"]
