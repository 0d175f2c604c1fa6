"""Keys of the cache: ``namespace/level/kind/version/digest`` within a tenant. What changes the answer is in the key.

A tenant is no part of the text, because every port is asked for a tenant first: nothing crosses from one to another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Literal, Self

from domain.kernel.errors import InvalidInput

Level = Literal["L1", "L2", "L3"]
Kind = Literal["delegation", "model", "tool"]

_NAMESPACE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")
LONGEST_VERSION: Final = 400
"""Characters of a version."""


class CacheKeyInvalid(InvalidInput):
    """Name the key as ``precedent cache ls`` shows it."""

    code = "cache.key-invalid"


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What an entry answers."""

    namespace: str
    level: Level
    kind: Kind
    version: str
    """Of the model, the tool (with its data), or the policy that gave the answer."""
    digest: str
    """``sha256:…`` of the canonical request, with everything that changes the answer."""

    def __post_init__(self) -> None:
        """Refuse what could be taken for another key. Raises ``CacheKeyInvalid``."""
        if not _NAMESPACE.match(self.namespace):
            raise CacheKeyInvalid(f"namespace {self.namespace[:80]!r} is not 1 to 64 letters, digits, - and _")
        if not self.version or len(self.version) > LONGEST_VERSION:
            raise CacheKeyInvalid(f"a version has 1 to {LONGEST_VERSION} characters, this one {len(self.version)}")
        if not _DIGEST.match(self.digest):
            raise CacheKeyInvalid(f"{self.digest[:80]!r} is no digest: it is sha256: and 64 hexadecimal digits")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.level}/{self.kind}/{self.version}/{self.digest}"

    @property
    def id(self) -> str:
        """Id of the entry's stream: 64 hexadecimal digits."""
        return sha256(str(self).encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key; a version may hold slashes, the other parts cannot. Raises ``CacheKeyInvalid``."""
        parts = text.split("/")
        if len(parts) < 5 or parts[1] not in ("L1", "L2", "L3") or parts[2] not in ("delegation", "model", "tool"):
            raise CacheKeyInvalid(f"{text[:120]!r} is no key: it is namespace/level/kind/version/digest")
        return cls(parts[0], parts[1], parts[2], "/".join(parts[3:-1]), parts[-1])  # type: ignore[arg-type]


def namespace_stream(namespace: str) -> str:
    """Id of the stream of what concerns a whole namespace."""
    return "ns-" + sha256(namespace.encode()).hexdigest()[:32]
