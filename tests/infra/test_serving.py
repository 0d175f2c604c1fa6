"""What a long-running process writes to its log."""

import asyncio
import subprocess
import sys
from pathlib import Path

from tests.adapters.models.server import response, serving

ASKS = """
import asyncio, httpx, logging
from infra.workers.serving import begin_log

begin_log()
logging.getLogger("adapters.nats").info("worth a line")


async def main():
    async with httpx.AsyncClient() as client:
        await client.get({url!r})


asyncio.run(main())
"""


async def test_what_is_secret_in_a_url_is_in_no_log() -> None:
    async with serving(response({})) as server:
        program = ASKS.format(url=f"{server.url}?api_key=s3cret")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
        )
        _, logged = await process.communicate()
        assert process.returncode == 0, logged
        assert len(server.received) == 1
    assert b"worth a line" in logged
    assert b"s3cret" not in logged
