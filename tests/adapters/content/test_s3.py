"""The content store on a real S3 server, and on servers that are none, or lie."""

from __future__ import annotations

import asyncio
import io
import logging
import re
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from typing import Any

import pytest

from adapters.content.files import FileContentStore
from adapters.content.s3 import S3ContentStore
from adapters.content.s3_address import S3Address
from adapters.content.s3_credentials import AccessKey, of_environment
from adapters.content.s3_requests import S3Requests
from domain.kernel.errors import InvalidInput, NotFound, ServiceUnreachable, StoredDataInvalid
from tests.contracts.content_store import ContentStoreContract, address
from tests.seaweedfs import BUCKET, SeaweedFS, free_ports

BIG = secrets.token_bytes(5_000_000)


@pytest.fixture
def prefix() -> str:
    return f"test/{secrets.token_hex(8)}"


def keys_of(s3: SeaweedFS) -> Callable[[], AccessKey]:
    return lambda: AccessKey(s3.access_key, s3.secret_key)


@pytest.fixture
def store(s3: SeaweedFS, prefix: str) -> Iterator[S3ContentStore]:
    with closing(S3ContentStore(s3.address(prefix), keys_of(s3))) as store:
        yield store


def key_of(prefix: str, digest: str, tenant: str = "acme") -> str:
    name = digest.removeprefix("sha256:")
    return f"{prefix}/{tenant}/{name[:2]}/{name}"


def replace(s3: SeaweedFS, key: str, data: bytes) -> None:
    s3.client().put_object(BUCKET, key, io.BytesIO(data), len(data))


def written(s3: SeaweedFS, key: str) -> Any:
    return s3.client().stat_object(BUCKET, key).last_modified


def count(s3: SeaweedFS, prefix: str) -> int:
    return len(list(s3.client().list_objects(BUCKET, f"{prefix}/", recursive=True)))


class TestS3ContentStore(ContentStoreContract):
    async def test_bytes_changed_behind_our_back_are_never_returned(
        self, store: S3ContentStore, s3: SeaweedFS, prefix: str
    ) -> None:
        digest = await store.put("acme", b"honest", "text/plain")
        replace(s3, key_of(prefix, digest), b"forged")
        with pytest.raises(StoredDataInvalid, match=r"6 bytes that do not have the digest .* restore it") as told:
            await store.get("acme", digest)
        assert key_of(prefix, digest) in str(told.value)
        with pytest.raises(StoredDataInvalid):
            await store.put("acme", b"honest", "text/plain")

    @pytest.mark.parametrize("left", [0, 1, len(BIG) - 1])
    async def test_an_object_that_was_cut_is_never_returned(
        self, store: S3ContentStore, s3: SeaweedFS, prefix: str, left: int
    ) -> None:
        digest = await store.put("acme", BIG, "application/octet-stream")
        assert await store.get("acme", digest) == BIG
        replace(s3, key_of(prefix, digest), BIG[:left])
        with pytest.raises(StoredDataInvalid, match=f"holds {left} bytes"):
            await store.get("acme", digest)

    async def test_twenty_writers_make_one_object(self, store: S3ContentStore, s3: SeaweedFS, prefix: str) -> None:
        with closing(S3ContentStore(s3.address(prefix), keys_of(s3))) as another:
            stores = [store, another] * 10
            digests = await asyncio.gather(*(each.put("acme", BIG[:300_000], "text/plain") for each in stores))
        assert len(set(digests)) == 1
        assert count(s3, prefix) == 1
        assert await store.get("acme", digests[0]) == BIG[:300_000]

    async def test_what_is_there_is_not_written_again(self, store: S3ContentStore, s3: SeaweedFS, prefix: str) -> None:
        digest = address(b"once")
        first = S3Requests(s3.address(), keys_of(s3), 1)
        assert first.put_new(key_of(prefix, digest), b"once", sha256(b"once").digest()).status == 200
        again = first.put_new(key_of(prefix, digest), b"else", sha256(b"else").digest())
        assert again.status == 412
        assert await store.put("acme", b"once", "text/plain") == digest
        assert await store.get("acme", digest) == b"once"
        first.close()

    async def test_what_was_changed_on_the_way_is_not_stored(self, s3: SeaweedFS, prefix: str) -> None:
        requests = S3Requests(s3.address(), keys_of(s3), 1)
        answer = requests.put_new(f"{prefix}/x", b"changed", sha256(b"meant").digest())
        assert answer.status == 400
        assert count(s3, prefix) == 0
        requests.close()

    async def test_it_lists_every_blob_and_nothing_else(
        self, store: S3ContentStore, s3: SeaweedFS, prefix: str
    ) -> None:
        wanted = {(tenant, await store.put(tenant, data, "")) for tenant in ("acme", "g-2_X") for data in (b"a", b"b")}
        for stranger in (
            "README",
            "acme/ab/short",
            f"acme/ab/{'cd' * 32}",
            f"a.b/ab/{'ab' * 32}",
            f"x/acme/ab/{'ab' * 32}",
        ):
            replace(s3, f"{prefix}/{stranger}", b"?")
        assert {each async for each in store.listed()} == wanted
        pages = [store._page("", limit=2)]
        while pages[-1][1] is not None:
            pages.append(store._page(pages[-1][1], limit=2))
        assert len(pages) > 3
        assert len({key for keys, _ in pages for key in keys}) == 9

    async def test_a_folder_copied_into_the_bucket_is_the_same_store(
        self, store: S3ContentStore, s3: SeaweedFS, prefix: str, tmp_path: Any
    ) -> None:
        digest = await FileContentStore(tmp_path).put("acme", b"moved", "text/plain")
        for file in (path for path in tmp_path.rglob("*") if path.is_file()):
            replace(s3, f"{prefix}/{file.relative_to(tmp_path)}", file.read_bytes())
        assert await store.get("acme", digest) == b"moved"

    @pytest.mark.parametrize("name", ["..", "a/../b", "%2e%2e", "a?x=y", "a#b", "a&b", "\r\nX: y", "é", "a" * 65, ".x"])
    async def test_no_name_leads_elsewhere(self, store: S3ContentStore, s3: SeaweedFS, prefix: str, name: str) -> None:
        with pytest.raises(InvalidInput, match="tenant"):
            await store.put(name, b"x", "text/plain")
        with pytest.raises(InvalidInput, match="content address"):
            await store.get("acme", f"sha256:{name}")
        assert count(s3, prefix) == 0

    async def test_no_media_type_reaches_the_server(self, store: S3ContentStore) -> None:
        digest = await store.put("acme", b"x", "text/html\r\nX-Amz-Acl: public-read")
        assert await store.get("acme", digest) == b"x"


async def test_a_server_that_dies_is_told_and_one_that_returns_is_used_again(
    s3: SeaweedFS, store: S3ContentStore
) -> None:
    digest = await store.put("acme", b"before", "text/plain")
    under_way = [asyncio.create_task(store.put("acme", BIG + bytes([n]), "")) for n in range(4)]
    await asyncio.sleep(0)
    s3.kill()
    try:
        for outcome in await asyncio.gather(*under_way, return_exceptions=True):
            assert isinstance(outcome, (str, ServiceUnreachable))
        told = rf"s3://{BUCKET} at {s3.endpoint} does not answer \(.*refused.*\): start it, or correct content.url"
        with pytest.raises(ServiceUnreachable, match=told):
            await store.get("acme", digest)
        with pytest.raises(ServiceUnreachable, match=told):
            await store.put("acme", b"meanwhile", "text/plain")
    finally:
        s3.start()
    assert await store.get("acme", digest) == b"before"
    for n in range(4):
        again = await store.put("acme", BIG + bytes([n]), "")
        assert await store.get("acme", again) == BIG + bytes([n])


async def test_a_bucket_that_is_not_there_is_told_and_not_made(s3: SeaweedFS) -> None:
    with closing(S3ContentStore(S3Address("absent", "", s3.endpoint, "us-east-1"), keys_of(s3))) as store:
        told = f"s3://absent at {s3.endpoint} answered 404 NoSuchBucket: there is no such bucket; create it"
        for attempt in (store.put("acme", b"x", ""), store.get("acme", address(b"x")), store.check()):
            with pytest.raises(ServiceUnreachable, match=told):
                await attempt
    assert [each.name for each in s3.client().list_buckets()] == [BUCKET]


@pytest.mark.parametrize("wrong", ["access", "secret"])
async def test_a_wrong_key_is_told_and_shown_nowhere(
    s3: SeaweedFS, prefix: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = {"access": "acc355-k3y", "secret": "s3cr3t-k3y"}
    given = AccessKey(s3.access_key, s3.secret_key)
    given = AccessKey(hidden["access"], "x") if wrong == "access" else AccessKey(given.access_key, hidden["secret"])
    with closing(S3ContentStore(s3.address(prefix), lambda: given)) as store:
        for attempt in (store.put("acme", b"x", ""), store.get("acme", address(b"x")), store.check()):
            with pytest.raises(ServiceUnreachable, match=r"answered 403 \w+: it refuses the access key") as told:
                await attempt
            shown = f"{told.value!r} {told.value} {told.value.__cause__!r} {store!r} {vars(store)!r} {given!r}"
            for secret in (given.access_key, given.secret_key):
                assert secret not in shown.replace(given.secret_key if given.secret_key == "x" else "\0", "")
                assert secret == "x" or secret not in caplog.text
    assert caplog.text  # the driver does log


async def test_the_key_is_shown_nowhere_when_all_is_well_or_the_server_is_gone(
    s3: SeaweedFS, prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("BLOBS_ACCESS", s3.access_key)
    monkeypatch.setenv("BLOBS_SECRET", s3.secret_key)
    keys = of_environment("BLOBS_ACCESS", "BLOBS_SECRET")
    with closing(S3ContentStore(s3.address(prefix), keys)) as store:
        await store.get("acme", await store.put("acme", b"x", ""))
    gone = S3Address(BUCKET, "", f"http://127.0.0.1:{free_ports(1)[0]}", "us-east-1")
    with closing(S3ContentStore(gone, keys)) as store, pytest.raises(ServiceUnreachable) as told:
        await store.get("acme", address(b"x"))
    for secret in (s3.access_key, s3.secret_key, "Signature"):
        assert secret not in caplog.text + str(told.value) + repr(told.value.__cause__)
    assert "Retrying" in caplog.text


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives every connection these bytes, whatever was asked, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>AKIA-echoed</Message></Error>".encode()


NO_SERVER = "no S3 server"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (http("404 Not Found", b"<html>404</html>"), NO_SERVER),
        (http("403 Forbidden", error("AccessDenied")), "403 AccessDenied: it refuses the access key"),
        (http("403 Forbidden", error("RequestTimeTooSkewed")), "this machine's clock differs"),
        (http("501 Not Implemented", error("NotImplemented")), "does not know conditional puts"),
        (
            http(
                "301 Moved", error("PermanentRedirect"), "Location: http://elsewhere/", "x-amz-bucket-region: eu-west-9"
            ),
            "the bucket is in the region eu-west-9",
        ),
        (http("307 Moved", b"", "Location: http://169.254.169.254/"), NO_SERVER),
        (http("400 Bad Request", error("AuthorizationHeaderMalformed")), "in another region"),
        (http("418 I'm a teapot", error("Tea\x1b[31m")), NO_SERVER),
        (http("500 Internal Server Error", error("InternalError")), "500 InternalError: look at the server's log"),
        (b"HTTP/1.1 200 OK\r\nETag: x\r\nContent-Length: 100\r\n\r\ncut", "does not answer"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", "does not answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "does not answer"),
        (b"", "does not answer"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:40].decode() + str(len(value)),
)
async def test_what_other_servers_answer_is_told_in_our_words(answer: bytes, told: str) -> None:
    with answering(answer) as endpoint:
        where = S3Address("bucket", "", endpoint, "us-east-1")
        with closing(S3ContentStore(where, lambda: AccessKey("a", "b"))) as store:
            attempts = (store.get("acme", address(b"x")), store.put("acme", b"x", ""), store.check())
            for raised in await asyncio.gather(*attempts, return_exceptions=True):
                assert isinstance(raised, ServiceUnreachable)
                assert told in str(raised)
                assert endpoint in str(raised)
                assert "AKIA-echoed" not in str(raised)
                assert "\x1b" not in str(raised)


@pytest.mark.parametrize(
    "answer", [http("200 OK", b"<html>welcome</html>"), http("204 No Content", b"")], ids=["page", "204"]
)
async def test_who_is_no_s3_server_stores_nothing_and_has_nothing(answer: bytes) -> None:
    with answering(answer) as endpoint:
        where = S3Address("bucket", "", endpoint, "us-east-1")
        with closing(S3ContentStore(where, lambda: AccessKey("a", "b"))) as store:
            with pytest.raises(ServiceUnreachable, match=NO_SERVER):
                await store.put("acme", b"x", "")
            with pytest.raises((StoredDataInvalid, ServiceUnreachable)):
                await store.get("acme", address(b"x"))
            with pytest.raises(ServiceUnreachable, match=NO_SERVER):
                await store.check()


async def test_only_a_missing_key_counts_as_not_found() -> None:
    with answering(http("404 Not Found", error("NoSuchKey"))) as endpoint:
        where = S3Address("bucket", "", endpoint, "us-east-1")
        with closing(S3ContentStore(where, lambda: AccessKey("a", "b"))) as store:
            with pytest.raises(NotFound, match=re.escape(address(b"x"))):
                await store.get("acme", address(b"x"))
            with pytest.raises(ServiceUnreachable, match="404 NoSuchKey"):
                await store.put("acme", b"x", "")


async def test_a_list_without_end_is_left() -> None:
    page = b"<ListBucketResult><Name>b</Name><IsTruncated>true</IsTruncated></ListBucketResult>"
    with answering(http("200 OK", page)) as endpoint:
        where = S3Address("bucket", "", endpoint, "us-east-1")
        store = S3ContentStore(where, lambda: AccessKey("a", "b"))
        with closing(store), pytest.raises(ServiceUnreachable, match="without end"):
            assert [each async for each in store.listed()] == []


async def test_an_https_server_that_nobody_vouches_for_is_refused() -> None:
    with answering(b"\x15\x03\x03\x00\x02\x02\x28") as endpoint:
        where = S3Address("bucket", "", endpoint.replace("http:", "https:"), "us-east-1")
        store = S3ContentStore(where, lambda: AccessKey("a", "b"))
        with closing(store), pytest.raises(ServiceUnreachable, match="does not answer"):
            await store.get("acme", address(b"x"))
