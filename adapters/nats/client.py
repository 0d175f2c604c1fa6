"""nats-py with two short cuts: received messages go straight to a function, and ready-made commands to the socket.

nats-py turns the headers of each message into a dict and passes it through a queue to a task, and builds each command
from a dict of headers; most of that time is spared here (``benchmarks/append.py`` prints both). Everything else
(connecting, authentication, reconnecting, subscriptions, parsing the protocol) stays the library's. The overridden and
used names are private to it, hence the pinned minor version.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from nats.aio.client import Client

Receive: TypeAlias = Callable[[bytes, bytes, bytes, bytes | None], None]
"""Takes subject, reply subject, payload, and headers as received (None where there are none)."""


class DirectClient(Client):
    """A NATS client whose subscriptions may have a plain function that is called from the parser."""

    def __init__(self) -> None:
        super().__init__()
        self._receivers: dict[int, Receive] = {}
        self._is_flushing = False

    async def receive(self, subject: str, receive: Receive) -> Callable[[], None]:
        """Subscribe; the returned function ends it."""
        subscription = await self.subscribe(subject)
        sid = subscription._id  # noqa: SLF001
        self._receivers[sid] = receive

        def stop() -> None:
            self._receivers.pop(sid, None)
            self._remove_sub(sid)
            self.send(b"UNSUB %d\r\n" % sid)

        return stop

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport is not None:
            # Else the socket of a failed attempt is left to the garbage collector.
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    async def close(self) -> None:
        """Close, also where connecting was interrupted."""
        await super().close()
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        receive = self._receivers.get(sid)
        if receive is None:
            await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]  # it takes None
            return
        try:
            receive(subject, reply, data, headers)
        except Exception as error:  # noqa: BLE001  # else the library's read loop would end for everyone
            failure = {"message": f"a receiver of {subject.decode()} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(failure)

    def send(self, command: bytes) -> None:
        """Send whole protocol commands. While disconnected they are dropped, as on a broken wire."""
        if not self.is_connected:
            return
        self._pending.append(command)
        self._pending_data_size += len(command)
        if not self._is_flushing:
            # All commands of this turn of the event loop go out in one system call.
            self._is_flushing = True
            asyncio.get_running_loop().call_soon(self._flush_commands)

    def _flush_commands(self) -> None:
        self._is_flushing = False
        if self.is_connected and self._transport is not None and self._pending:
            commands, self._pending, self._pending_data_size = self._pending, [], 0
            self._transport.writelines(commands)


def publication(subject: str, reply: str, headers: str, payload: bytes) -> bytes:
    """One HPUB command. ``headers`` are lines that end in CRLF each; subjects must be free of blanks."""
    size = 12 + (len(headers) if headers.isascii() else len(headers.encode()))
    start = f"HPUB {subject} {reply} {size} {size + len(payload)}\r\nNATS/1.0\r\n{headers}\r\n"
    return b"%b%b\r\n" % (start.encode(), payload)


def header(headers: bytes, name: bytes) -> bytes:
    """Value of the last header line of this name, empty where there is none: the server adds its own at the end."""
    start = headers.rfind(b"\r\n" + name + b": ")
    if start < 0:
        return b""
    start += len(name) + 4
    return headers[start : headers.index(b"\r\n", start)]


def status(headers: bytes | None) -> int:
    """Status code of a control message, 0 for an ordinary one."""
    # NATS/1.0 404 No Messages
    return int(headers[9:12]) if headers is not None and headers[8:9] == b" " else 0
