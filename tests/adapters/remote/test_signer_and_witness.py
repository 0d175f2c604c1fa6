"""Who is asked over HTTP: right answers, wrong ones, hostile ones, none."""

import asyncio
import base64
import json

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.crypto.signing import FileSigner
from adapters.remote.signer import RemoteSigner
from adapters.remote.witness import HttpWitness
from domain.kernel.errors import ServiceUnreachable, VersionConflict
from domain.ledger.notes import COSIGNATURE, Note, Signature, VerifierKey, cosigned
from tests.adapters.models.server import raw, response, serving

SIGNER = FileSigner.generated("precedent.test")
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\3" * 32)
WITNESS_KEY = VerifierKey("witness.test", COSIGNATURE, WITNESS.public_key().public_bytes_raw())
TEXT = "precedent.test/0\n7\n...\n"


def line_of(text, time=1_800_000_000):
    return str(
        Signature("witness.test", WITNESS_KEY.hash, time.to_bytes(8, "big") + WITNESS.sign(cosigned(text, time)))
    )


@pytest.fixture
async def client():
    async with httpx.AsyncClient(timeout=2.0) as made:
        yield made


async def test_a_signature_from_elsewhere(client):
    signature = await SIGNER.sign(b"message")
    async with serving(response({"signature": base64.b64encode(signature).decode()})) as server:
        signer = RemoteSigner(client, server.url, SIGNER.key)
        assert await signer.sign(b"message") == signature
        asked = server.received[0]
        assert asked.line.startswith("POST /v1/sign ")
        assert json.loads(asked.body) == {"key": str(SIGNER.key), "message": base64.b64encode(b"message").decode()}


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (response({}, status=500), "gives no signature"),
        (response({"signature": "!"}), "gives no signature"),
        (response({"sig": ""}), "gives no signature"),
        (response([]), "gives no signature"),
        (response(b"\xff\xfe"), "gives no signature"),
        (response({"signature": base64.b64encode(b"\0" * 64).decode()}), "signs with another key"),
        (response({"signature": ""}), "signs with another key"),
        (raw(b"nonsense\r\n\r\n"), "gives no signature"),
        (raw(b""), "gives no signature"),
        (response({}, status=302, head="location: http://127.0.0.1:1/\r\n"), "gives no signature"),
    ],
)
async def test_what_is_no_signature(client, behaviour, says):
    async with serving(behaviour) as server:
        with pytest.raises(ServiceUnreachable, match=says):
            await RemoteSigner(client, server.url, SIGNER.key).sign(b"message")


async def test_a_witness_cosigns(client):
    note = str(Note(TEXT, (Signature("precedent.test", b"\0" * 4, b"x"),)))
    async with serving(response(f"\u2014 other.test AAAAAAAA\n{line_of(TEXT)}\n".encode())) as server:
        line = await HttpWitness(client, server.url, WITNESS_KEY).cosign(3, [b"\1" * 32, b"\2" * 32], note)
        assert Note.parse(f"{TEXT}\n{line}\n").signers([WITNESS_KEY]) == [WITNESS_KEY]
        sent = server.received[0]
        assert sent.line.startswith("POST /v1/add-checkpoint ")
        proof = [base64.b64encode(each * 32).decode() for each in (b"\1", b"\2")]
        assert sent.body.decode() == "\n".join(["old 3", *proof, "", note])


async def test_a_witness_that_has_seen_another_size(client):
    async with serving(response(b"12\n", status=409)) as server:
        with pytest.raises(VersionConflict, match=r"has seen 12$"):
            await HttpWitness(client, server.url, WITNESS_KEY).cosign(3, [], "note")


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [
        (response(b"no", status=403), "does not cosign: 403 'no'"),
        (response(b"twelve\n", status=409), "does not cosign: 409"),
        (response(b""), "answers without a signature of witness.test"),
        (response(b"\xff"), "does not answer"),
        (response(b"x" * 200_000), "answers without a signature"),
        (raw(b"HTTP/1.1 200 X\r\ncontent-length: 900\r\n\r\nshort"), "does not answer"),
    ],
)
async def test_a_witness_that_does_not_cosign(client, behaviour, says):
    async with serving(behaviour) as server:
        with pytest.raises(ServiceUnreachable, match=says):
            await HttpWitness(client, server.url, WITNESS_KEY).cosign(0, [], "note")


async def test_nobody_listens(client):
    with pytest.raises(ServiceUnreachable):
        await RemoteSigner(client, "http://127.0.0.1:9", SIGNER.key).sign(b"m")
    with pytest.raises(ServiceUnreachable):
        await HttpWitness(client, "http://127.0.0.1:9", WITNESS_KEY).cosign(0, [], "note")


HEAD = b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n"


def dripping(part):
    """An answer that never ends, each part of it in time."""

    async def behave(writer):
        writer.write(HEAD)
        while True:
            writer.write(b"%x\r\n%b\r\n" % (len(part), part))
            await writer.drain()
            await asyncio.sleep(0.01)

    return behave


@pytest.mark.parametrize("part", [b"x", b"x" * 10_000], ids=["slow", "large"])
async def test_an_answer_without_end_holds_up_nobody(client, part):
    async with serving(dripping(part)) as server, asyncio.timeout(60):
        with pytest.raises(ServiceUnreachable):
            await HttpWitness(client, server.url, WITNESS_KEY, within=0.5).cosign(0, [], "note")
        with pytest.raises(ServiceUnreachable):
            await RemoteSigner(client, server.url, SIGNER.key, within=0.5).sign(b"message")
