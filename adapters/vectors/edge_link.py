"""One connection to the index process: requests out, answers back by their number."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from adapters.vectors.frames import Frame, FrameInvalid, Kind, read_frame, socket_path
from domain.kernel.embedding import EmbeddingInvalid
from domain.kernel.errors import ServiceUnreachable

_LAST_ANSWERS: Final = 30.0
"""Seconds for the process to put everything on the disk when its last client leaves."""


class LinkLost(Exception):
    """The process is gone: connect anew and ask again."""


class Link:
    """Made by ``open``."""

    def __init__(self, folder: Path, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak over these streams."""
        self._folder, self._writer = folder, writer
        self._waiting: dict[int, asyncio.Future[Frame]] = {}
        self._next = 0
        self._reading = asyncio.create_task(self._read(reader))

    @classmethod
    async def open(cls, folder: Path) -> Self:
        """Connect. Raises ``OSError`` where nobody listens."""
        with socket_path(folder) as path:
            reader, writer = await asyncio.open_unix_connection(path)
        return cls(folder, reader, writer)

    @property
    def lost(self) -> bool:
        """Whether the other end is gone."""
        return self._reading.done()

    async def ask(self, kind: Kind, head: Mapping[str, Any], tail: bytes = b"") -> Mapping[str, Any]:
        """The head of the answer. Raises ``LinkLost``, ``ServiceUnreachable``, ``EmbeddingInvalid``."""
        if self.lost:
            raise LinkLost
        number = self._next = (self._next + 1) % 2**32
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(Frame(number, kind, head, tail).packed())
            await self._writer.drain()
            answer = await future
        except ConnectionError:
            raise LinkLost from None
        finally:
            self._waiting.pop(number, None)
        return self._taken(answer)

    async def close(self) -> None:
        """Leave, and wait until the process has closed what is ours."""
        try:
            if not self.lost:
                self._writer.write_eof()
            await asyncio.wait_for(asyncio.shield(self._reading), _LAST_ANSWERS)
        except (OSError, TimeoutError):
            self._reading.cancel()
        finally:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    def _taken(self, answer: Frame) -> Mapping[str, Any]:
        if answer.kind is Kind.DONE:
            return answer.head
        if answer.kind is Kind.REFUSED:
            raise EmbeddingInvalid(
                f"{self._folder} holds points of {answer.head['embedder']} with {answer.head['dimensions']} "
                "components: use another folder"
            )
        raise ServiceUnreachable(f"the vector index in {self._folder}: {answer.head.get('why', answer.kind.name)}")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while (frame := await read_frame(reader)) is not None:
                future = self._waiting.get(frame.request)
                if future is not None and not future.done():
                    future.set_result(frame)
        except FrameInvalid:
            pass
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(LinkLost())
