"""A signer on another machine, as key management services are shaped: it gets a message and gives a signature.

``POST <url>/sign`` with ``{"key": "<verifier key>", "message": "<base64>"}`` answers ``{"signature": "<base64>"}``. A
PKCS#11 module or a cloud's key service stands behind a few lines of such a server.
"""

from __future__ import annotations

import base64
import json

import httpx

from adapters.remote.posting import WITHIN, post, words
from domain.kernel.errors import ServiceUnreachable
from domain.ledger.notes import Signature, VerifierKey


class RemoteSigner:
    """The ``Signer`` port over HTTP."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: VerifierKey, *, within: float = WITHIN) -> None:
        """``within``: seconds for an answer."""
        self._client = client
        self._within = within
        self._url = url.rstrip("/")
        self._key = key

    @property
    def key(self) -> VerifierKey:
        """As the port says."""
        return self._key

    async def sign(self, message: bytes) -> bytes:
        """As the port says. A signature that does not verify is none."""
        asked = {"key": str(self._key), "message": base64.b64encode(message).decode()}
        url, content = f"{self._url}/sign", json.dumps(asked).encode()
        try:
            status, body = await post(self._client, url, content, self._within, "application/json")
            if status != httpx.codes.OK:
                raise ServiceUnreachable(f"the signer {self._url} gives no signature: it answers {status}")
            signature = base64.b64decode(json.loads(body)["signature"], validate=True)
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError, RecursionError) as problem:
            said = words(problem, self._within)
            raise ServiceUnreachable(f"the signer {self._url} gives no signature: {said}") from None
        if not self._key.signed(message.decode(), Signature(self._key.name, self._key.hash, signature)):
            raise ServiceUnreachable(f"the signer {self._url} signs with another key than {self._key}")
        return signature
