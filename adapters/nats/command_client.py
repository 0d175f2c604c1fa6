"""Sends commands and waits for their answers."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, Self

from pydantic import ValidationError

from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.publishing import publish
from adapters.nats.streams import COMMANDS_BYTES, CONSUMER_NOT_FOUND, EARLIER_CONSUMER, NO_ROOM
from commands.handle import Answer, CommandEnvelope
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.ids import token

REPLY_HEADER: Final = "Precedent-Reply"
"""Header that names the inbox for the answer: a request on a stream's subject is answered by the broker itself."""


def consumer_of(tenant: str) -> str:
    """Name of the consumer that a tenant's workers share, and that sees the commands of that tenant only."""
    return f"{EARLIER_CONSUMER}-{token(tenant, 'tenant')}"


class TenantUnserved(PrecedentError):
    """Name a tenant that has a worker (``--tenant``, ``PRECEDENT_TENANT``), or start a worker for this one."""

    code = "access.tenant-unserved"


class AnswerOverdue(ServiceUnreachable):
    """The command is on the bus, but nobody answered in time: does a worker of its tenant run? Repeat it, same id."""

    code = "command.answer-overdue"


class QueueFull(ServiceUnreachable):
    """Nothing was sent: so many commands wait that the broker takes no more. Try again once workers have caught up."""

    code = "command.queue-full"


class AnswerUnreadable(PrecedentError):
    """The answer is not of the form that this release knows; client and worker differ in their releases."""

    code = "command.answer-unreadable"


class CommandClient:
    """One principal's way to the bus."""

    def __init__(self, connection: Connection, tenant: str, principal: str) -> None:
        """Speak as this principal; the broker must allow its subjects."""
        self._connection = connection
        self._tenant = token(tenant, "tenant")
        self._principal = token(principal, "principal")
        self._inbox = f"_INBOX.{tenant}.{principal}.{secrets.token_hex(8)}"
        self._waiting: dict[str, asyncio.Future[bytes]] = {}
        self._unsubscribe: Callable[[], None] | None = None

    async def __aenter__(self) -> Self:
        self._unsubscribe = await self._connection.client.receive(f"{self._inbox}.*", self._on_answer)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def _on_answer(self, subject: bytes, _reply: bytes, payload: bytes, _headers: bytes | None) -> None:
        waiting = self._waiting.pop(subject.decode().rsplit(".", 1)[1], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(payload)

    async def send(self, envelope: CommandEnvelope, category: str, within: float = 10.0) -> Answer:
        """Send a command and give its answer. Raises as ``send_bytes``."""
        body = envelope.model_dump_json(exclude_none=True).encode()
        payload = await self.send_bytes(f"{category}.{envelope.type}", body, within)
        try:
            return Answer.model_validate_json(payload)
        except ValidationError as error:
            raise AnswerUnreadable(f"the answer to {envelope.id} is none: {payload[:200]!r}") from error

    async def send_bytes(self, address: str, body: bytes, within: float = 10.0) -> bytes:
        """Send any bytes to ``<category>.<CommandName>`` as this principal, and give the answer's bytes.

        Raises ``AnswerOverdue``, ``QueueFull``, ``ServiceUnreachable``, and what else ``publish`` raises.
        """
        number = secrets.token_hex(8)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        subject = f"cmd.{self._tenant}.{self._principal}.{address}"
        try:
            await publish(self._connection, subject, body, {REPLY_HEADER: f"{self._inbox}.{number}"})
            async with asyncio.timeout(within):
                return await answer
        except ApiRefused as refusal:
            if refusal.number != NO_ROOM:
                raise
            raise QueueFull(
                f"{subject} was not sent: commands of {COMMANDS_BYTES} bytes wait already; see that a worker of every "
                "tenant runs (`precedent status`), and send it again then"
            ) from refusal
        except TimeoutError as error:
            raise AnswerOverdue(f"{subject} is on the bus, but nobody answered within {within:g} s") from error
        finally:
            self._waiting.pop(number, None)


async def check_served(connection: Connection, tenant: str) -> None:
    """See that a tenant has, or had, a worker: else nobody would take its commands. Raises ``TenantUnserved``."""
    for consumer in (consumer_of(tenant), EARLIER_CONSUMER):
        try:
            await connection.api(f"CONSUMER.INFO.COMMANDS.{consumer}")
        except ApiRefused as refusal:
            if refusal.number != CONSUMER_NOT_FOUND:
                raise
        else:
            return
    raise TenantUnserved(
        f"no worker takes the commands of tenant {tenant!r}; name one that has a worker with --tenant, or start one "
        f"for it with PRECEDENT_TENANT={tenant}"
    )
