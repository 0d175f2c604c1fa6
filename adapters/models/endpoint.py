"""One address of an OpenAI-compatible server, to which JSON is posted: what is sent, waited for, repeated and refused.

A model call costs money and is not idempotent. So only failures that show that the server did no work are repeated
here: no connection, or a status that says "later" (408, 429, 5xx). After any other failure the caller decides.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import httpx
import stamina

from adapters.models.chat import refusal_text
from domain.models import ModelUnavailable

MAX_BODY: Final = 8 * 1024 * 1024
"""Bytes of a response; a longer one is refused while it arrives."""

CONNECT_SECONDS: Final = 5.0
"""To open a connection: a server that is there answers within milliseconds, also on another continent."""

ATTEMPTS: Final = 4
CONNECTIONS: Final = 256
"""Open at once to one model; the budget guard limits calls, this only bounds sockets."""


class _NothingDone(ModelUnavailable):
    """The server did not work on the request: repeating it is free of double charges."""


class Endpoint:
    """An address below a base URL, with a pool of connections. Close it."""

    def __init__(
        self,
        what: str,
        base: str,
        path: str,
        *,
        served_as: str,
        key_variable: str | None,
        silence: float,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Take the address of ``what`` (its name in errors); nothing is connected yet.

        ``silence``: seconds without a byte after which the server counts as hung. ``environment`` is where the key is
        read, at each call.
        """
        url = httpx.URL(base)
        self._url = url.copy_with(path=url.path.rstrip("/") + path)
        self._served_as = served_as
        self.at = f"{what} at {self._url.copy_with(query=None)}"
        """What and where, for errors."""
        self._key_variable = key_variable
        self._environment = environment
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(silence, connect=min(CONNECT_SECONDS, silence)),
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def post(self, body: bytes, seconds: float) -> bytes:
        """The whole body of the answer to a JSON document, within ``seconds``. Raises ``ModelUnavailable``."""
        key = self._key()
        deadline = asyncio.get_running_loop().time() + seconds

        def delay(error: Exception) -> bool | float:
            if not isinstance(error, _NothingDone):
                return False
            if error.retry_after is None:
                return True
            return error.retry_after if asyncio.get_running_loop().time() + error.retry_after < deadline else False

        try:
            async with asyncio.timeout_at(deadline):
                async for attempt in stamina.retry_context(
                    on=delay, attempts=ATTEMPTS, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=0.2
                ):
                    with attempt:
                        return await self._exchange(body, key)
        except TimeoutError as error:
            raise ModelUnavailable(
                f"{self.at} gave no answer within {seconds:g} s; allow the call more time, or ask for less",
                retryable=True,
            ) from error
        raise AssertionError("a retry context ends by answer or error")

    def _key(self) -> str | None:
        """Value of the key's variable. Whatever is wrong with it, it is not shown."""
        if self._key_variable is None:
            return None
        key = self._environment.get(self._key_variable, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            raise ModelUnavailable(
                f"{self.at} needs a key: environment variable {self._key_variable} "
                f"{'holds characters that no header may hold' if key else 'is not set'}",
                retryable=False,
            )
        return key

    async def _exchange(self, body: bytes, key: str | None) -> bytes:
        """One request and the whole body of its response, if that is 200."""
        # Compression is not asked for: a small compressed body could be a huge one.
        headers = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "identity"}
        if key is not None:
            headers["authorization"] = f"Bearer {key}"
        try:
            async with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                received = await self._body(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _NothingDone(
                f"{self.at} is not reached ({_named(error)}); start the server or correct its url", retryable=True
            ) from error
        except httpx.HTTPError as error:
            raise ModelUnavailable(
                f"{self.at} broke off or fell silent ({_named(error)}); it may have charged for the call",
                retryable=True,
            ) from error
        if response.status_code != httpx.codes.OK:
            raise self._refusal(response, received, key)
        return received

    async def _body(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise ModelUnavailable(f"{self.at} answered compressed ({encoding!r:.40}) unasked", retryable=False)
        received = bytearray()
        async for chunk in response.aiter_raw():
            received += chunk
            if len(received) > MAX_BODY:
                raise ModelUnavailable(f"{self.at} answered more than {MAX_BODY:,} bytes", retryable=False)
        return bytes(received)

    def _refusal(self, response: httpx.Response, body: bytes, key: str | None) -> ModelUnavailable:
        status = response.status_code
        # Some servers repeat the key in the error; it must be gone before the text is cut to length.
        said = refusal_text(body.replace(key.encode(), b"[key]") if key else body)
        if response.has_redirect_location:
            return ModelUnavailable(
                f"{self.at} redirects ({status}), which is refused, as the key would follow; configure the final url",
                retryable=False,
                status=status,
            )
        later = status in (408, 429) or status >= 500
        kind = _NothingDone if later else ModelUnavailable
        advice = self._advice(status)
        return kind(
            f"{self.at} answered {status}: {said}{advice}",
            retryable=later,
            status=status,
            retry_after=_retry_after(response),
        )

    def _advice(self, status: int) -> str:
        if status in (401, 403):
            return f"; check the key in {self._key_variable}" if self._key_variable else "; give the key by api_key_env"
        return f"; check url and model ({self._served_as!r}) in the configuration" if status == 404 else ""


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait by Retry-After (RFC 9110, section 10.2.3), None where it is absent or cannot be read."""
    text = response.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        # Measured against the server's own clock, so that ours need not agree with it.
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(response.headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return max(0.0, wait.total_seconds())


def _named(error: httpx.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
