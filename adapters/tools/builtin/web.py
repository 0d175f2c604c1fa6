"""`http.get`: reads pages of the hosts that the configuration allows."""

import ssl
from functools import cache
from typing import TypedDict

import httpx

from adapters.tools.builtin.hosts import Target, allowed_target
from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import tool

_MOST_REDIRECTS = 5
_LARGEST_BODY = 8 * 1024 * 1024
_SECONDS = 20.0
_REFUSED_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "upgrade", "proxy-authorization", "te"}


class Page(TypedDict):
    """An answer: `url` is where it came from after redirects; header names are in lower case."""

    url: str
    status: int
    mediatype: str
    headers: dict[str, str]
    body: str


@tool("http.get", effects="read", timeout=60, momentary=True, tags=("web",))
async def get(context: ToolContext, url: str, headers: dict[str, str] = {}) -> Page:  # noqa: B006  # never changed
    """Fetch a text page. Any status is an answer; redirects are followed only to allowed hosts."""
    sent = {name.lower(): value for name, value in headers.items()}
    if refused := sorted(_REFUSED_HEADERS & sent.keys()):
        raise ToolFault("http.refused", f"the header {refused[0]} is set by the request itself; leave it out")
    allowed = context.settings.http_hosts
    try:
        # No proxy and no .netrc of the worker's: the tool reaches what is listed, as nobody.
        async with httpx.AsyncClient(verify=_certificates(), trust_env=False, timeout=_SECONDS) as client:
            target = await allowed_target(httpx.URL(url), allowed)
            for _ in range(_MOST_REDIRECTS + 1):
                answer = await _ask(client, target, sent)
                if isinstance(answer, dict):
                    return answer
                if not _is_same_site(target.url, answer):
                    sent = {name: value for name, value in sent.items() if name not in ("authorization", "cookie")}
                    client.cookies.clear()  # they are kept by address, which other names may have too
                target = await allowed_target(answer, allowed)
    except httpx.InvalidURL as error:
        raise ToolFault("http.refused", f"{url[:200]!r} is no URL: {error}") from error
    except httpx.TimeoutException as error:
        raise ToolFault("http.timeout", f"no answer within {_SECONDS:g} s", retryable=True) from error
    except httpx.HTTPError as error:
        raise ToolFault("http.failed", f"{type(error).__name__}: {error}", retryable=True) from error
    raise ToolFault("http.refused", f"more than {_MOST_REDIRECTS} redirects")


def _is_same_site(before: httpx.URL, after: httpx.URL) -> bool:
    """Whether one's credentials may follow: the same origin, or its encrypted twin."""
    same = (before.host, before.port) == (after.host, after.port)
    return same and (before.scheme == after.scheme or (after.scheme == "https" and after.port is None))


async def _ask(client: httpx.AsyncClient, target: Target, headers: dict[str, str]) -> Page | httpx.URL:
    """Give the page, or the URL to which it redirects."""
    request = client.build_request(
        "GET",
        target.url.copy_with(host=target.address),
        headers={"user-agent": "precedent", **headers, "host": target.url.netloc.decode("ascii")},
        extensions={"sni_hostname": target.url.raw_host.decode("ascii")},
    )
    response = await client.send(request, stream=True)
    try:
        if response.has_redirect_location:
            return target.url.join(response.headers["location"])
        return Page(
            url=str(target.url),
            status=response.status_code,
            mediatype=response.headers.get("content-type", "").split(";")[0].strip().lower(),
            headers=dict(response.headers.items()),
            body=await _text(response),
        )
    finally:
        await response.aclose()


async def _text(response: httpx.Response) -> str:
    data = bytearray()
    async for chunk in response.aiter_bytes(65536):
        data += chunk
        if len(data) > _LARGEST_BODY:
            raise ToolFault("http.too-large", f"the page has more than {_LARGEST_BODY} bytes")
    try:
        return data.decode(response.charset_encoding or "utf-8")
    except (UnicodeDecodeError, LookupError):
        kind = response.headers.get("content-type", "no type")
        raise ToolFault("http.binary", f"the answer is no text ({kind}, {len(data)} bytes)") from None


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)
