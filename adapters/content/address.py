"""The spelling of a content address."""

import re

from domain.kernel.errors import InvalidInput

_ADDRESS = re.compile(r"sha256:([0-9a-f]{64})\Z")


def hexadecimal(digest: str) -> str:
    """Give the 64 hex digits of `sha256:<hex>`. Anything else is refused, so that an address is never a path."""
    found = _ADDRESS.match(digest)
    if found is None:
        raise InvalidInput(f"content address {digest[:80]!r} is not sha256: and 64 lower-case hex digits")
    return found[1]
