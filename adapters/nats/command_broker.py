"""FastStream's broker on a client that no message can break.

nats-py decodes the subject and the header lines of what it receives in the task that reads the socket; bytes that are
no UTF-8 end that task, and the consumer would fall silent until it is restarted, where it would meet the same message
again. A stored message whose headers look like a status of the server would be taken for one and never be settled.
"""

from __future__ import annotations

from typing import Any

from faststream.nats import NatsBroker
from nats.aio.client import Client

from adapters.nats.connection import PING_EVERY


class SturdyClient(Client):
    """Reads whatever a publisher may have sent."""

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None) -> None:
        stored = reply.startswith(b"$JS.ACK.")
        if stored and headers is not None and (headers[8:9] == b" " or not _is_text(headers)):
            headers = None
        if not _is_text(subject):
            subject = subject.decode("utf-8", "backslashreplace").encode()
        await super()._process_msg(sid, subject, reply, data, headers)  # type: ignore[arg-type]  # it takes None


def _is_text(received: bytes) -> bool:
    try:
        received.decode()
    except UnicodeDecodeError:
        return False
    return True


class CommandBroker(NatsBroker):
    """The broker that the command bus consumes through."""

    def __init__(self, url: str, **options: Any) -> None:
        """Connect to ``url``, and again for as long as it takes when the broker goes away."""
        super().__init__(
            url,
            logger=None,
            # The bus reads and checks messages itself: FastStream's injection would double the time a command takes.
            apply_types=False,
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            ping_interval=PING_EVERY,
            **options,
        )

    async def _connect(self) -> Client:
        client = SturdyClient()
        await client.connect(**self._connection_kwargs)
        self.config.connect(client)
        return client
