"""One connection to the broker: opened, watched, closed; the driver's errors are translated here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Self

import orjson
from nats import errors as driver

from adapters.nats.client import DirectClient, Receive, status
from domain.kernel.errors import PrecedentError, ServiceUnreachable

FLOOR: Final = (2, 14, 4)
"""Oldest server: earlier ones let concurrent head expectations pass or lose atomic batches."""

SMALLEST_PAYLOAD: Final = 1024 * 1024
"""Bytes that the server must take in one message: its own default, which the largest event just fits."""

OPENS_WITHIN: Final = 5.0
"""Seconds for the first connection."""

ANSWERS_WITHIN: Final = 5.0
"""Seconds for an answer of the JetStream API."""

NOT_FOUND_MESSAGE: Final = 10037
"""Error code for a message that a stream does not have."""

PING_EVERY: Final = 5
"""Seconds; a broker that leaves three of them unanswered is gone, though nobody broke the connection."""

RETRY_EVERY: Final = 0.1
"""Seconds between attempts to connect again."""


class ServerTooOld(PrecedentError):
    """Install the nats-server that the message names, or a newer one."""

    code = "service.too-old"


class ServerTooSmall(PrecedentError):
    """Raise ``max_payload`` of the nats-server to at least 1 MB, its own default."""

    code = "service.too-small"


class ServerRefused(PrecedentError):
    """The broker does not accept these credentials: correct user and password in the configuration."""

    code = "service.refused"


class NotPermitted(PrecedentError):
    """Use the keeper's account for this: its user and password as ``nats.user`` and ``nats.password``."""

    code = "service.not-permitted"


class ApiRefused(PrecedentError):
    """The broker refused a JetStream request; the message has its words. ``number`` is its error code."""

    code = "service.request-refused"

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


class Connection:
    """A connection that comes back by itself when the broker does. ``on_lost`` tells when it went."""

    def __init__(self, client: DirectClient, url: str) -> None:
        self._client = client
        self._url = url
        self._up = asyncio.Event()
        self._lost: set[Callable[[], None]] = set()
        self._inbox = ""
        self._waiting: dict[bytes, Receive] = {}
        self._asked: dict[asyncio.Future[bytes], str] = {}
        """Requests under way, and their subjects."""
        self._numbers = 0
        self._last_error: Exception | None = None
        self._opening: asyncio.Timeout | None = None

    @classmethod
    async def open(cls, url: str, *, name: str, user: str | None = None, password: str | None = None) -> Self:
        """Connect. Raises ``ServiceUnreachable``, ``ServerRefused``, ``ServerTooOld``, ``ServerTooSmall``."""
        connection = cls(DirectClient(), url)
        try:
            async with asyncio.timeout(OPENS_WITHIN) as connection._opening:
                await connection._connect(name, user, password)
        except (TimeoutError, OSError, driver.Error) as error:
            await connection._client.close()
            raise connection._unopened(error) from error
        connection._opening = None
        try:
            await connection._prepare()
        except BaseException:
            await connection.close()
            raise
        return connection

    async def _connect(self, name: str, user: str | None, password: str | None) -> None:
        await self._client.connect(
            [self._url],
            name=name,
            user=user,
            password=password,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RETRY_EVERY,  # type: ignore[arg-type]  # seconds; declared int, passed to sleep
            ping_interval=PING_EVERY,
            error_cb=self._on_error,
            disconnected_cb=self._on_disconnected,
            reconnected_cb=self._on_reconnected,
        )

    def _unopened(self, error: Exception) -> PrecedentError:
        cause = self._last_error if isinstance(error, TimeoutError) and self._last_error else error
        if _is_refusal(cause):
            return ServerRefused(f"{self._url} refuses these credentials: {cause}")
        return ServiceUnreachable(f"{self._url} does not answer within {OPENS_WITHIN:g} s: {cause or 'no answer'}")

    async def _prepare(self) -> None:
        found = self._client.connected_server_version
        if (found.major, found.minor, found.patch) < FLOOR:
            wanted = ".".join(map(str, FLOOR))
            raise ServerTooOld(f"{self._url} runs nats-server {found}; {wanted} or newer is needed")
        if self._client.max_payload < SMALLEST_PAYLOAD:
            taken = self._client.max_payload
            raise ServerTooSmall(f"{self._url} takes messages of {taken} bytes; {SMALLEST_PAYLOAD} are needed")
        self._inbox = self._client.new_inbox()
        await self._client.receive(f"{self._inbox}.>", self._on_reply)
        self._up.set()

    async def _on_error(self, error: Exception) -> None:
        self._last_error = error
        self._forbid(str(error).lower())
        if self._opening is not None and _is_refusal(error):
            # The driver would try the same credentials again.
            self._opening.reschedule(asyncio.get_running_loop().time())

    def _forbid(self, complaint: str) -> None:
        """Tell whoever asks for what this account may not: the broker says so beside, and never answers."""
        for answer, subject in self._asked.items():
            if f'permissions violation for publish to "{subject.lower()}"' in complaint and not answer.done():
                answer.set_exception(
                    NotPermitted(f"{self._url}: this broker account may not publish {subject}; the keeper's may")
                )

    async def _on_disconnected(self) -> None:
        self._up.clear()
        for lost in tuple(self._lost):
            lost()

    async def _on_reconnected(self) -> None:
        self._up.set()

    def on_lost(self, lost: Callable[[], None]) -> Callable[[], None]:
        """Call this whenever the connection breaks (what was under way may be gone); the result ends it."""
        self._lost.add(lost)
        return lambda: self._lost.discard(lost)

    @property
    def client(self) -> DirectClient:
        """The client itself, for the adapters of this folder."""
        return self._client

    @property
    def unique(self) -> str:
        """A name that no other connection has."""
        return self._inbox.rsplit(".", 1)[1]

    @property
    def complaint(self) -> str:
        """What the broker or the network last complained about, if anything; for error messages."""
        return f"last heard: {self._last_error}" if self._last_error else "nothing was heard"

    @property
    def is_up(self) -> bool:
        """Whether commands reach the broker now."""
        return self._up.is_set()

    async def up(self, within: float) -> None:
        """Wait until the broker is there. Raises ``ServiceUnreachable`` after so many seconds."""
        if self._up.is_set():
            return
        if self._client.is_closed:
            raise ServiceUnreachable(f"the connection to {self._url} is closed")
        try:
            async with asyncio.timeout(max(within, 0.0)):
                await self._up.wait()
        except TimeoutError as error:
            raise ServiceUnreachable(f"{self._url} went away and did not come back: {self._last_error}") from error

    def expect(self, receive: Receive) -> str:
        """A reply subject; answers to it, and to names one level below it, go to this function until ``forget``."""
        self._numbers += 1
        name = f"{self._inbox}.{self._numbers}"
        self._waiting[name.encode()] = receive
        return name

    def forget(self, reply: str) -> None:
        """Ignore what still comes to this reply subject."""
        self._waiting.pop(reply.encode(), None)

    def _on_reply(self, subject: bytes, reply: bytes, payload: bytes, headers: bytes | None) -> None:
        receive = self._waiting.get(subject) or self._waiting.get(subject.rpartition(b".")[0])
        if receive is not None:
            receive(subject, reply, payload, headers)

    @contextmanager
    def asking(self, subject: str, answer: asyncio.Future[bytes]) -> Iterator[None]:
        """While this lasts, an answer that will never come is told as ``NotPermitted``."""
        self._asked[answer] = subject
        try:
            yield
        finally:
            del self._asked[answer]

    async def request(self, subject: str, payload: bytes, within: float = ANSWERS_WITHIN) -> bytes:
        """One request, one answer. Raises ``ServiceUnreachable``, ``NotPermitted``."""
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def receive(_subject: bytes, _reply: bytes, payload: bytes, headers: bytes | None) -> None:
            if answer.done():
                return
            if status(headers) == 503:
                answer.set_exception(ServiceUnreachable(f"{self._url}: nobody serves {subject}; is JetStream on?"))
            else:
                answer.set_result(payload)

        await self.up(within)
        reply = self.expect(receive)
        try:
            with self.asking(subject, answer):
                async with asyncio.timeout(within):
                    await self._client.publish(subject, payload, reply=reply)
                    return await answer
        except (TimeoutError, driver.Error) as error:
            raise ServiceUnreachable(f"{self._url} does not answer {subject} within {within:g} s") from error
        finally:
            self.forget(reply)

    async def api(self, verb: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask the JetStream API. Raises ``ApiRefused``, ``ServiceUnreachable``, ``NotPermitted``."""
        payload = b"" if body is None else orjson.dumps(body)
        answer: dict[str, Any] = orjson.loads(await self.request(f"$JS.API.{verb}", payload))
        if (error := answer.get("error")) is not None:
            raise ApiRefused(f"{verb}: {error['description']}", error.get("err_code", 0))
        return answer

    async def close(self) -> None:
        """Send what is queued, then close. What waits for an answer is told that the connection is lost."""
        await self._client.close()


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, driver.AuthorizationError) or "authorization" in str(error).lower()
