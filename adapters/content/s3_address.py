"""Where on S3 content lies, as one URL: ``s3://bucket/prefix?endpoint=https://host:port&region=name``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

EXAMPLE: Final = "s3://bucket/prefix?endpoint=https://host:port&region=name"
REGION: Final = "us-east-1"
"""What servers other than Amazon's call the one region that they have."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")
_REGION = re.compile(r"[A-Za-z0-9_-]{1,63}")
_HOST = re.compile(r"([A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True, slots=True)
class S3Address:
    """A bucket of a server, and the prefix below which everything lies."""

    bucket: str
    prefix: str
    """``a/b``; empty for the whole bucket."""
    endpoint: str
    """Scheme, host and port only."""
    region: str

    def __str__(self) -> str:
        """The URL, which holds no secret."""
        path = f"/{self.prefix}" if self.prefix else ""
        query = urlencode({"endpoint": self.endpoint, "region": self.region}, quote_via=quote, safe="/:[]")
        return f"s3://{self.bucket}{path}?{query}"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read the URL. Raises ``ValueError``, which says what was expected and never repeats the URL."""
        try:
            parts = urlsplit(url)
            given = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        except ValueError:
            raise ValueError(f"a URL such as {EXAMPLE}") from None
        if "@" in parts.netloc:
            raise ValueError("an S3 URL without credentials in it: content.credentials names a file that holds them")
        query = dict(given)
        if parts.scheme != "s3" or parts.fragment or query.keys() - {"endpoint", "region"} or len(query) != len(given):
            raise ValueError(f"a URL such as {EXAMPLE}, with nothing else in it")
        if not _BUCKET.fullmatch(parts.netloc) or ".." in parts.netloc:
            raise ValueError("the name of a bucket after s3://, of 3 to 63 lower-case letters, digits, - and .")
        prefix = parts.path.strip("/")
        if prefix and not _PREFIX.fullmatch(prefix):
            raise ValueError("a prefix of letters, digits, -, _ and . after the bucket, its parts separated by one /")
        if not query:
            raise ValueError("an endpoint or, for Amazon's S3, a region after s3://bucket, as in ?region=eu-central-1")
        region = query.get("region", REGION)
        if not _REGION.fullmatch(region):
            raise ValueError("region= and a name such as eu-central-1")
        return cls(parts.netloc, prefix, _endpoint(query.get("endpoint", "https://s3.amazonaws.com")), region)


def _endpoint(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host = rest.removesuffix("/")
    if "@" in host:
        raise ValueError("an endpoint without credentials in it: content.credentials names a file that holds them")
    if not separator or scheme not in {"http", "https"} or not _HOST.fullmatch(host) or _port(host) > 65535:
        raise ValueError("endpoint= and http:// or https:// with a host and a port, and nothing after it")
    return f"{scheme}://{host.lower()}"


def _port(host: str) -> int:
    _, _, port = host.rpartition("]")[2].partition(":")
    return int(port or 0)
