"""A real broker that a test may kill, and a wire to it that a test may break."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

from infra.stack.broker import free_port


class Broker:
    """One nats-server with JetStream in a folder."""

    def __init__(self, folder: Path, *, settings: str = "") -> None:
        self.port = free_port()
        self._config = folder / "nats.conf"
        self._log = folder / "nats.log"
        self._config.write_text(
            f'listen: "127.0.0.1:{self.port}"\njetstream {{ store_dir: "{folder / "js"}" }}\n{settings}\n'
        )
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        with self._log.open("ab") as log:
            binary = Path(sys.executable).with_name("nats-server")
            self._process = await asyncio.create_subprocess_exec(binary, "-c", self._config, stdout=log, stderr=log)
        async with asyncio.timeout(10):
            while not self._listens():
                assert self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def restart(self) -> None:
        await self.kill()
        await self.start()


class Wire:
    """A TCP connection to the broker through this process; the test decides what comes back."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.swallowed = asyncio.Event()
        self._drop = False
        self._double = False
        self._deaf = False

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection, as a crashing router does; the next one works."""
        self._deaf = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def drop_next_answer(self) -> None:
        self._drop = True

    def double_next_answer(self) -> None:
        self._double = True

    def swallow_answers(self) -> None:
        """Nothing that the broker says arrives, until the wire is cut."""
        self._deaf = True

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, up_writer}
        self._pumps |= {
            asyncio.create_task(self._pump(reader, up_writer)),
            asyncio.create_task(self._answers(up_reader, writer)),
        }

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while chunk := await reader.read(65536):
                if self._deaf or (self._drop and chunk.startswith(b"MSG ")):
                    self._drop = False
                    self.swallowed.set()
                    continue
                if self._double and chunk.startswith(b"MSG "):
                    self._double = False
                    chunk += chunk
                writer.write(chunk)
                await writer.drain()
        writer.transport.abort()
