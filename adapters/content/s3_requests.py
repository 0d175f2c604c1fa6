"""Signed requests to one bucket, and what its answers mean. The only part that knows HTTP.

Requests are signed in their headers (AWS Signature Version 4), never in the URL, which drivers log. The signature
covers the SHA-256 of the body. minio-py's own ``put_object`` cannot send the condition that makes a put create-only.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import urlunsplit

import certifi
import urllib3
from minio.credentials.credentials import Credentials
from minio.helpers import BaseURL
from minio.signer import sign_v4_s3

from adapters.content.s3_address import S3Address
from adapters.content.s3_credentials import Keys
from domain.kernel.errors import ServiceUnreachable

CONNECT: Final = 3.0
"""Seconds to reach the server."""

SILENCE: Final = 10.0
"""Seconds that an answer may fall silent."""

RETRIES: Final = 3
"""After the first attempt. A get changes nothing, and a put that has happened already is refused, so both are safe."""

BUSY: Final = (409, 429, 500, 502, 503, 504)
"""Answers that a retry may change; 409 is a put that met another one of the same key."""

PRESENT: Final = HTTPStatus.PRECONDITION_FAILED
NO_BODY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""SHA-256 of nothing."""

_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,64})</Code>")
_WAY_OUT: Final = {
    "NoSuchBucket": "there is no such bucket; create it there (Precedent never does), or correct content.url",
    "RequestTimeTooSkewed": "this machine's clock differs from the server's; set it",
    "NotImplemented": "the server does not know conditional puts (If-None-Match: *); use one that does",
    "AuthorizationHeaderMalformed": "the bucket is in another region; correct region= in content.url",
    "PermanentRedirect": "the bucket is elsewhere; correct endpoint= and region= in content.url",
    "TemporaryRedirect": "the bucket is elsewhere; correct endpoint= and region= in content.url",
}
_DENIED: Final = (
    "it refuses the access key; see that the key is right and may s3:GetObject, s3:PutObject and s3:ListBucket there"
)


class S3Requests:
    """Blocking requests to the bucket of one address; any number of threads may send at the same time."""

    def __init__(self, address: S3Address, keys: Keys, connections: int) -> None:
        """Keep at most so many connections open. Nothing is sent yet."""
        self.name = f"s3://{address.bucket} at {address.endpoint}"
        """For messages."""
        self._bucket = address.bucket
        self._region = address.region
        self._keys = keys
        self._base = BaseURL(address.endpoint, address.region)
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            block=True,
            timeout=urllib3.Timeout(connect=CONNECT, read=SILENCE),
            retries=urllib3.Retry(
                total=RETRIES,
                redirect=0,
                status_forcelist=BUSY,
                backoff_factor=0.2,
                raise_on_status=False,
                raise_on_redirect=False,
                respect_retry_after_header=False,  # a server may ask for hours
            ),
            cert_reqs=ssl.CERT_REQUIRED,
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )

    def get(self, key: str | None, query: Mapping[str, str] | None = None) -> urllib3.BaseHTTPResponse:
        """Read a key, or ask the bucket. Raises ``ServiceUnreachable``."""
        return self._send("GET", key, None, NO_BODY, {}, query)

    def put_new(self, key: str, data: bytes, digest: bytes) -> urllib3.BaseHTTPResponse:
        """Write a key that must not be there yet, of this SHA-256; 412 if it is. Raises ``ServiceUnreachable``."""
        headers = {"If-None-Match": "*", "Content-Type": "application/octet-stream", **_checksum(digest)}
        return self._send("PUT", key, data, digest.hex(), headers, None)

    def close(self) -> None:
        """End the idle connections."""
        self._pool.clear()

    def refused(self, answer: urllib3.BaseHTTPResponse) -> ServiceUnreachable:
        """What this answer means that none of the expected ones is, and the way out."""
        code = code_of(answer)
        region = answer.headers.get("x-amz-bucket-region", "")
        if code in _WAY_OUT:
            way_out = _WAY_OUT[code]
        elif answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            way_out = _DENIED
        elif code:
            way_out = "look at the server's log"
        else:
            way_out = "no S3 server answers so; see that endpoint= in content.url is one"
        if re.fullmatch(r"[a-z0-9-]{1,63}", region) and region != self._region:
            way_out = f"the bucket is in the region {region}; correct region= in content.url"
        said = f"{answer.status} {code}".strip()
        return ServiceUnreachable(f"content store {self.name} answered {said}: {way_out}")

    def unusable(self, answer: urllib3.BaseHTTPResponse) -> ServiceUnreachable:
        """Whoever answered cannot have been an S3 server."""
        return ServiceUnreachable(
            f"content store {self.name} answered {answer.status} as no S3 server does; see that endpoint= in "
            "content.url is one, and not something before it"
        )

    def _send(
        self,
        method: str,
        key: str | None,
        body: bytes | None,
        digest: str,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
    ) -> urllib3.BaseHTTPResponse:
        keys = self._keys()
        url = self._base.build(
            method=method,
            region=self._region,
            bucket_name=self._bucket,
            object_name=key,
            query_params=dict(query or {}),
        )
        now = datetime.now(UTC)
        signed = sign_v4_s3(
            method=method,
            url=url,
            region=self._region,
            headers={
                **headers,
                "Host": url.netloc,
                "x-amz-content-sha256": digest,
                "x-amz-date": now.strftime("%Y%m%dT%H%M%SZ"),
            },
            credentials=Credentials(keys.access_key, keys.secret_key),
            content_sha256=digest,
            date=now,
        )
        texts = {name: str(value) for name, value in signed.items()}
        try:
            return self._pool.urlopen(method, urlunsplit(url), body=body, headers=texts)
        except urllib3.exceptions.HTTPError as error:
            raise ServiceUnreachable(
                f"content store {self.name} does not answer ({_words(error)}): start it, or correct content.url"
            ) from error


def code_of(answer: urllib3.BaseHTTPResponse) -> str:
    """The error code in an answer; empty where there is none. Nothing else of what a server writes is repeated."""
    found = _CODE.search(answer.data[:4096])
    return found[1].decode() if found else ""


def _checksum(digest: bytes) -> dict[str, str]:
    """Let the server compare, so that what was cut or changed on the way is refused and not kept."""
    return {"x-amz-checksum-sha256": base64.b64encode(digest).decode()}


def _words(error: urllib3.exceptions.HTTPError) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2].strip()[:200] or type(reason).__name__
