"""Which addresses `http.get` may ask, and which machine really stands behind them."""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from adapters.tools.context import ToolFault

_DEFAULT_PORTS = {"http": 80, "https": 443}
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_GATEWAY = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_GATEWAYS = ipaddress.IPv6Network("64:ff9b:1::/48")


@dataclass(frozen=True, slots=True)
class Target:
    """An allowed URL with the one address that it will be asked at."""

    url: httpx.URL
    address: str


async def allowed_target(url: httpx.URL, allowed: Iterable[str]) -> Target:
    """Check a URL and resolve its host once. Fails as `http.not-allowed` or `http.unresolved`.

    The request must go to the returned address: resolving again could give another one. A host that is allowed by a
    pattern (`*.example.org`) must have a public address; one that is allowed by its full name may have any.
    """
    port = _DEFAULT_PORTS.get(url.scheme)
    if port is None or not url.host or url.userinfo:
        raise ToolFault("http.not-allowed", f"{_shown(url)}: give a http or https URL with a host, without a password")
    port = url.port or port
    exact = _is_listed(url.host, port, _DEFAULT_PORTS[url.scheme], allowed)
    if not exact and not _matches_pattern(url.host, port, _DEFAULT_PORTS[url.scheme], allowed):
        listed = ", ".join(allowed) or "none"
        raise ToolFault("http.not-allowed", f"{_shown(url)}: this host is not in http.allow (now: {listed})")
    address = await _resolve(url.host, port)
    if not exact and not is_public(address):
        raise ToolFault(
            "http.not-allowed",
            f"{_shown(url)}: {url.host} has the private address {address}; list it by its full name to allow that",
        )
    return Target(url, address)


def is_public(address: str) -> bool:
    """Whether anyone may have this address; one that leads to an IPv4 address through a gateway is as public as that.

    RFC 4291 (2.5.5), RFC 6052, RFC 8215, RFC 3056; not all of them are known to the standard library.
    """
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        if found in _COMPATIBLE or found in _LOCAL_GATEWAYS:
            return False
        inner = found.ipv4_mapped or found.sixtofour
        if found in _GATEWAY:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        if inner is not None:
            found = inner
        elif found.is_site_local:
            return False
    return found.is_global and not found.is_multicast


def _is_listed(host: str, port: int, usual: int, allowed: Iterable[str]) -> bool:
    names = {f"{host}:{port}", f"[{host}]:{port}"}
    if port == usual:
        names |= {host, f"[{host}]"}
    return any(entry.lower() in names for entry in allowed)


def _matches_pattern(host: str, port: int, usual: int, allowed: Iterable[str]) -> bool:
    patterns = [entry.lower().removeprefix("*") for entry in allowed if entry.startswith("*.")]
    return port == usual and any(host.endswith(pattern) and host != pattern[1:] for pattern in patterns)


async def _resolve(host: str, port: int) -> str:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise ToolFault("http.unresolved", f"{host} has no address ({error.strerror})", retryable=True) from error
    return str(found[0][4][0]).split("%", 1)[0]


def _shown(url: httpx.URL) -> str:
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))[:200]
