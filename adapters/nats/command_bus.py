"""Command intake: FastStream consumes a tenant's part of COMMANDS, every message gets an answer, none stops it.

Who asks is the principal token of the subject, which broker permissions guarantee; the body cannot say it.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from faststream import AckPolicy
from faststream.nats import JStream, NatsBroker, NatsMessage
from nats.js.api import AckPolicy as ConsumerAck
from nats.js.api import ConsumerConfig, DeliverPolicy
from pydantic import ValidationError

from adapters.nats.command_client import REPLY_HEADER, consumer_of
from adapters.nats.connection import Connection, NotPermitted
from adapters.nats.dead_letters import bury
from adapters.nats.publishing import put_back, settle
from adapters.nats.streams import forget_earlier
from commands.handle import (
    Answer,
    CommandEnvelope,
    CommandHandler,
    ErrorDetail,
    Handled,
    clipped,
    is_final,
    wrong_fields,
)
from commands.repeats import Kept
from domain.kernel.errors import PrecedentError, ServiceUnreachable
from domain.kernel.ids import TOKEN, token

LARGEST_COMMAND: Final = 4 * 1024 * 1024
"""Bytes of one command message; bigger inputs belong into the content store or a file."""
MAX_DELIVERIES: Final = 5
"""How often a command that makes its handler fail is tried before it goes to the dead letters."""
CONCURRENT: Final = 64
"""Commands handled at once; further ones wait."""
ACK_WAIT: Final = timedelta(seconds=30)
FINISHES_WITHIN: Final = 15.0
"""Seconds that a stopping bus waits for commands that were begun; the broker delivers the others again."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Address:
    """Who sent what, read from ``cmd.<tenant>.<principal>.<category>.<CommandName>``."""

    tenant: str
    principal: str
    category: str
    command: str

    @classmethod
    def parse(cls, subject: str) -> Address:
        """Read a subject. Raises ``InvalidInput``."""
        _, tenant, principal, category, command = subject.split(".")
        return cls(
            token(tenant, "tenant"),
            token(principal, "principal"),
            token(category, "category"),
            token(command, "command"),
        )


class CommandBus:
    """Feeds commands to the handler, and answers to those who asked."""

    def __init__(self, broker: NatsBroker, connection: Connection, handler: CommandHandler, tenant: str) -> None:
        """Consume a tenant's commands through ``broker``; answer and bury through ``connection``."""
        self._tenant = token(tenant, "tenant")
        self._broker = broker
        self._connection = connection
        self._handler = handler
        self._free = asyncio.Semaphore(CONCURRENT)
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to consume."""
        with suppress(NotPermitted):  # with an account of one tenant: the keeper does it
            await forget_earlier(self._connection)
        subscriber = self._broker.subscriber(
            f"cmd.{self._tenant}.*.*.*",
            queue=consumer_of(self._tenant),
            stream=JStream("COMMANDS", declare=False),
            config=ConsumerConfig(
                ack_policy=ConsumerAck.EXPLICIT,
                ack_wait=ACK_WAIT.total_seconds(),
                deliver_policy=DeliverPolicy.ALL,
                max_ack_pending=4 * CONCURRENT,
            ),
            ack_policy=AckPolicy.MANUAL,
            decoder=_undecoded,
            title="commands",
            description="Commands as JSON envelopes; the answer goes to the inbox named in Precedent-Reply.",
        )
        subscriber(self._begin)
        await self._broker.start()

    async def stop(self) -> None:
        """Finish what was begun."""
        await self._broker.stop()
        if self._under_way:
            _, unfinished = await asyncio.wait(self._under_way, timeout=FINISHES_WITHIN)
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)

    async def _begin(self, message: NatsMessage) -> None:
        """Begin with a message, and let the consumer go on. FastStream's own way to do so takes twice the time."""
        await self._free.acquire()
        task = asyncio.create_task(self._consume(message))
        self._under_way.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._free.release()

    async def _consume(self, message: NatsMessage) -> None:
        subject, body = message.raw_message.subject, message.raw_message.data
        try:
            handled = await self._handle(subject, body)
            # Before it is told: what is delivered again would be decided anew, and may be accepted then.
            await self._keep(subject, handled)
            self._reply(message, handled.answer)
            await self._handler.react(handled)
        except ServiceUnreachable as error:
            logger.warning("command on %s waits for a service: %s", subject, error)
            self._settle(message, put_back(1))
        except Exception as error:  # a bug of ours must not stop the consumer, nor lose the message
            logger.exception("command on %s failed in its handler", subject)
            await self._retry_or_bury(message, subject, body, error)
        else:
            self._settle(message, b"+ACK")

    def _settle(self, message: NatsMessage, word: bytes) -> None:
        # Through our own connection it leaves together with what else is sent at the moment.
        settle(self._connection, message.raw_message.reply.encode(), word)

    async def _handle(self, subject: str, body: bytes) -> Handled:
        try:
            address = Address.parse(subject)
            envelope = _envelope(address, body)
        except PrecedentError as error:
            await bury(self._connection, subject, body, f"{error.code}: {error}", self._handler.services.clock.now())
            detail = ErrorDetail(code=error.code, message=clipped(str(error)))
            return Handled(Answer(commandid="", outcome="invalid", error=detail))
        return await self._handler.handle(envelope, address.principal)

    async def _retry_or_bury(self, message: NatsMessage, subject: str, body: bytes, error: Exception) -> None:
        if message.raw_message.metadata.num_delivered < MAX_DELIVERIES:
            self._settle(message, put_back(1))
            return
        reason = f"its handler failed {MAX_DELIVERIES} times: {type(error).__name__}: {error}"
        await bury(self._connection, subject, body, reason, self._handler.services.clock.now())
        detail = ErrorDetail(code="command.unhandled", message=f"{clipped(reason)}; see `precedent dead ls`")
        self._reply(message, Answer(commandid="", outcome="rejected", error=detail))
        self._settle(message, b"+ACK")

    def _reply(self, message: NatsMessage, answer: Answer) -> None:
        inbox = message.headers.get(REPLY_HEADER)
        if inbox is None:
            return
        _, tenant, principal, _, _ = message.raw_message.subject.split(".")
        if _is_inbox_of(inbox, tenant, principal):
            body = answer.model_dump_json(exclude_none=True).encode()
            # Lost with the connection, it is given again when the command is repeated.
            self._connection.client.send(b"PUB %b %d\r\n%b\r\n" % (inbox.encode(), len(body), body))
        else:
            logger.warning("an answer for %s.%s was not sent: %.200r is no inbox of theirs", tenant, principal, inbox)

    async def _keep(self, subject: str, handled: Handled) -> None:
        """Keep a final answer, unless it is found from the events that the command caused."""
        answer = handled.answer
        if answer.commandid and is_final(answer) and answer.outcome != "accepted":
            kept = Kept(request=handled.request, answer=answer.model_dump_json(exclude_none=True))
            body = kept.model_dump_json().encode()
            await self._handler.services.answers.put(subject.split(".")[1], answer.commandid, body)


def _is_inbox_of(inbox: str, tenant: str, principal: str) -> bool:
    own = f"_INBOX.{tenant}.{principal}."
    return inbox.startswith(own) and all(TOKEN.match(part) for part in inbox.split(".")[1:])


async def _undecoded(message: NatsMessage) -> NatsMessage:
    """Leave the body to the bus: whatever it holds must get an answer."""
    return message


class CommandUnreadable(PrecedentError):
    """Send one JSON object with id, type, tenant and data, below 4 MiB; docs/messages.md has the form."""

    code = "command.unreadable"


def _envelope(address: Address, body: bytes) -> CommandEnvelope:
    if len(body) > LARGEST_COMMAND:
        raise CommandUnreadable(f"the message has {len(body)} bytes; {LARGEST_COMMAND} are allowed")
    try:
        envelope = CommandEnvelope.model_validate_json(body)
    except ValidationError as error:
        shown = "; ".join(f"{item['field'] or 'message'}: {item['problem']}" for item in wrong_fields(error))
        raise CommandUnreadable(f"no command envelope: {shown}") from error
    if (envelope.tenant, envelope.type) != (address.tenant, address.command):
        raise CommandUnreadable(
            f"the envelope says {envelope.tenant}/{envelope.type}, its subject {address.tenant}/{address.command}"
        )
    return envelope
