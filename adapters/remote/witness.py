"""A witness over HTTP (C2SP tlog-witness): ``POST <url>/add-checkpoint``.

The request is ``old <size>``, the hashes of the consistency proof in base64, an empty line and the checkpoint. Answers:
200 with signature lines; 409 with the size that the witness has seen; else it does not cosign.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import httpx

from adapters.remote.posting import WITHIN, post, words
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.ledger.notes import VerifierKey

MAX_ANSWER = 16_384
"""Bytes of an answer that are read."""


class HttpWitness:
    """The ``Witness`` port over HTTP."""

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

    async def cosign(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """As the port says."""
        lines = [f"old {old_size}", *(base64.b64encode(each).decode() for each in proof), "", note]
        url, content = f"{self._url}/add-checkpoint", "\n".join(lines).encode()
        try:
            status, body = await post(self._client, url, content, self._within, "text/plain; charset=utf-8")
            text = body[:MAX_ANSWER].decode()
        except (httpx.HTTPError, TimeoutError, UnicodeDecodeError) as problem:
            said = words(problem, self._within)
            raise ServiceUnreachable(f"the witness {self._url} does not answer: {said}") from None
        if status == httpx.codes.CONFLICT and re.fullmatch(r"[0-9]{1,18}\n?", text):
            raise VersionConflict(f"the witness {self._url} has seen {text.strip()}")
        if status != httpx.codes.OK:
            raise ServiceUnreachable(f"the witness {self._url} does not cosign: {status} {text[:200]!r}")
        mine = [line for line in text.split("\n") if line.startswith(f"\u2014 {self._key.name} ")]
        if not mine:
            raise ServiceUnreachable(f"the witness {self._url} answers without a signature of {self._key.name}")
        return mine[0]
