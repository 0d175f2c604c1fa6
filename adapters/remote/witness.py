"""A witness over HTTP (C2SP tlog-witness): ``POST <url>/add-checkpoint``.

The request is ``old <size>``, the hashes of the consistency proof in base64, an empty line and the checkpoint. Answers:
200 with signature lines; 409 with the size that the witness has seen; else it does not cosign.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence

import httpx

from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.ledger.notes import VerifierKey

MAX_ANSWER = 16_384
"""Bytes of an answer that are read."""


class HttpWitness:
    """The ``Witness`` port over HTTP."""

    def __init__(self, client: httpx.AsyncClient, url: str, key: VerifierKey) -> None:
        self._client = client
        self._url = url.rstrip("/")
        self._key = key

    @property
    def key(self) -> VerifierKey:
        """As the port says."""
        return self._key

    async def cosign(self, old_size: int, proof: Sequence[bytes], note: str) -> str:
        """As the port says."""
        lines = [f"old {old_size}", *(base64.b64encode(each).decode() for each in proof), "", note]
        try:
            answer = await self._client.post(f"{self._url}/add-checkpoint", content="\n".join(lines).encode())
            text = answer.content[:MAX_ANSWER].decode()
        except (httpx.HTTPError, UnicodeDecodeError) as problem:
            raise ServiceUnreachable(f"the witness {self._url} does not answer: {problem}") from None
        if answer.status_code == httpx.codes.CONFLICT and re.fullmatch(r"[0-9]{1,18}\n?", text):
            raise VersionConflict(f"the witness {self._url} has seen {text.strip()}")
        if answer.status_code != httpx.codes.OK:
            raise ServiceUnreachable(f"the witness {self._url} does not cosign: {answer.status_code} {text[:200]!r}")
        mine = [line for line in text.split("\n") if line.startswith(f"\u2014 {self._key.name} ")]
        if not mine:
            raise ServiceUnreachable(f"the witness {self._url} answers without a signature of {self._key.name}")
        return mine[0]
