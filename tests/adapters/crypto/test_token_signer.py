"""A key in a real token: it signs as a key file does, and whatever goes wrong with it is said in words."""

import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.crypto.signing import SigningKeyRefused
from adapters.crypto.token_signer import TokenSigner, public_key
from adapters.memory.ledger import MemoryCheckpointLog, MemoryStoredLog, MemoryTileStore
from adapters.system.clock import SystemClock
from commands.audits import Audits, Trust
from commands.ledger import Identity, Ledger
from domain.kernel.errors import ServiceUnreachable
from domain.ledger.notes import Signature
from tests.adapters.crypto.softhsm import MODULE, PIN, PIN_ENV, installed, key_of, needs_softhsm, rsa_key, token
from tests.domain.ledger.logs import log

pytestmark = needs_softhsm

NEVER = 0.2
"""Seconds to wait for what never comes."""


@pytest.fixture
def hsm(tmp_path, monkeypatch):
    return installed(tmp_path, monkeypatch)


@asynccontextmanager
async def signing(public, signs_within=30.0, **changes):
    signer = TokenSigner(token(**changes), public, signs_within=signs_within)
    try:
        yield signer
    finally:
        await signer.close()


def child():
    (found,) = [
        each for each in psutil.Process().children() if "adapters.crypto.token_process" in " ".join(each.cmdline())
    ]
    return found


async def test_a_token_signs_as_the_key_that_was_put_into_it(hsm):
    _, private = hsm
    async with signing(key_of(private)) as signer:
        await signer.connect()
        for message in (b"", b"text\n", b"\0\xff" * 100_000):
            assert await signer.sign(message) == private.sign(message)
    assert await public_key(token()) == private.public_key().public_bytes_raw()


async def test_a_ledger_signs_with_a_token_and_is_audited_with_its_public_key(hsm):
    _, private = hsm
    stored, checkpoints, tiles = MemoryStoredLog(), MemoryCheckpointLog(), MemoryTileStore()
    stored.messages[0].extend(log(20))
    async with signing(key_of(private)) as signer:
        made = Ledger(0, Identity(signer), log=stored, tiles=tiles, checkpoints=checkpoints, clock=SystemClock())
        await made.catch_up()
    report = await Audits(stored, checkpoints, tiles).verify(0, Trust(key=key_of(private)))
    assert (report.sound, report.covered) == (True, 20)


async def test_many_ask_at_once(hsm):
    import asyncio

    _, private = hsm
    async with signing(key_of(private)) as signer:
        messages = [b"%d" % number for number in range(20)]
        assert await asyncio.gather(*map(signer.sign, messages)) == [private.sign(each) for each in messages]


async def test_the_pin_is_in_no_process_list_no_environment_and_no_representation(hsm, capfd, caplog):
    _, private = hsm
    async with signing(key_of(private)) as signer:
        await signer.connect()
        process = child()
        assert PIN not in " ".join(process.cmdline())
        assert PIN not in str(process.environ())
        assert PIN not in repr(signer) + repr(token()) + str(vars(signer)) + str(vars(signer._module))
    async with signing(key_of(Ed25519PrivateKey.generate())) as other:
        with pytest.raises(SigningKeyRefused) as refused:
            await other.connect()
    assert PIN not in str(refused.value) + caplog.text + "".join(capfd.readouterr())


async def test_a_pin_out_of_a_private_file(hsm, tmp_path):
    _, private = hsm
    file = tmp_path / "pin"
    file.write_text(PIN + "\n")
    file.chmod(0o644)
    async with signing(key_of(private), pin_env=None, pin_file=file) as signer:
        with pytest.raises(SigningKeyRefused, match="has the mode 0644, so that others can read it: chmod 600"):
            await signer.sign(b"m")
        file.chmod(0o600)
        assert await signer.sign(b"m") == private.sign(b"m")


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe", b"12\x0034", b"9" * 300], ids=range(5))
async def test_a_file_that_holds_no_pin(hsm, tmp_path, content):
    file = tmp_path / "pin"
    file.write_bytes(content)
    file.chmod(0o600)
    async with signing(key_of(hsm[1]), pin_env=None, pin_file=file) as signer:
        with pytest.raises(SigningKeyRefused, match=r"holds no PIN|cannot be read: it is no text"):
            await signer.sign(b"m")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pin_env": None, "pin_file": Path("/nowhere/pin")}, "the PIN file /nowhere/pin cannot be read: No such file"),
        ({"pin_env": "TEST_NO_PIN"}, "the environment variable TEST_NO_PIN holds no PIN for the token 'ledger-token'"),
        ({"module": Path("/nowhere/p11.so")}, "there is no PKCS#11 module /nowhere/p11.so"),
        ({"module": Path("/etc/passwd")}, "/etc/passwd is no PKCS#11 module that can be loaded"),
        ({"key": "another"}, "the key 'another' in the token 'ledger-token' of .* is not there"),
    ],
    ids=["no PIN file", "no PIN", "no module", "not a module", "no key"],
)  # fmt: skip
async def test_what_only_a_person_can_mend(hsm, changes, says):
    async with signing(key_of(hsm[1]), **changes) as signer:
        with pytest.raises(SigningKeyRefused, match=says):
            await signer.sign(b"m")
        with pytest.raises(SigningKeyRefused, match=says):
            await signer.connect()


async def test_a_refused_pin_is_not_tried_again(hsm, monkeypatch):
    _, private = hsm
    monkeypatch.setitem(os.environ, PIN_ENV, "1" + PIN)
    async with signing(key_of(private)) as signer:
        with pytest.raises(SigningKeyRefused, match="refuses the PIN; it is not tried again"):
            await signer.sign(b"m")
        monkeypatch.setitem(os.environ, PIN_ENV, PIN)  # which would do
        with pytest.raises(SigningKeyRefused, match="refuses the PIN; it is not tried again"):
            await signer.sign(b"m")


async def test_a_key_of_another_type_and_two_of_one_label(hsm):
    made, private = hsm
    made.imported(rsa_key(), "rsa", number="02")
    made.imported(Ed25519PrivateKey.generate(), "ledger", number="03")
    async with signing(key_of(private), key="rsa") as signer:
        with pytest.raises(SigningKeyRefused, match=r"of the type RSA: an Ed25519 key \(EC_EDWARDS\) is needed"):
            await signer.sign(b"m")
    async with signing(key_of(private)) as signer:
        with pytest.raises(SigningKeyRefused, match="is there 2 times: give one of them another label"):
            await signer.sign(b"m")


async def test_two_tokens_of_one_label(hsm):
    made, private = hsm
    made.made()
    async with signing(key_of(private)) as signer:
        with pytest.raises(SigningKeyRefused, match="has several tokens 'ledger-token'"):
            await signer.sign(b"m")


async def test_another_key_in_the_token_than_the_one_that_is_named(hsm):
    _, private = hsm
    async with signing(key_of(Ed25519PrivateKey.generate())) as signer:
        with pytest.raises(
            SigningKeyRefused, match=f"is precedent.test\\+{key_of(private).hash.hex()}.*, not precedent"
        ):
            await signer.connect()
        with pytest.raises(SigningKeyRefused, match="is another than"):
            await signer.sign(b"m")


async def test_a_token_that_is_taken_out_and_put_back(hsm, monkeypatch):
    made, private = hsm
    monkeypatch.setattr("adapters.crypto.token_signer.TRIES_EVERY", 0.0)
    async with signing(key_of(private)) as signer:
        assert await signer.sign(b"m") == private.sign(b"m")
        made.tokens.rename(made.folder / "taken")
        made.tokens.mkdir()
        with pytest.raises(
            ServiceUnreachable,
            match=f"in the token 'ledger-token' of {MODULE} does not sign: ObjectHandleInvalid; is the token",
        ):
            await signer.sign(b"m")
        with pytest.raises(ServiceUnreachable, match=r"has no token 'ledger-token': is it plugged in"):
            await signer.sign(b"m")
        made.tokens.rmdir()
        (made.folder / "taken").rename(made.tokens)
        assert await signer.sign(b"m") == private.sign(b"m")


async def test_a_failing_module_is_not_started_again_at_once(hsm, monkeypatch):
    monkeypatch.setattr("adapters.crypto.token_signer.TRIES_EVERY", 1e9)
    async with signing(key_of(hsm[1]), token="missing") as signer:
        for _ in range(2):
            with pytest.raises(ServiceUnreachable, match="has no token 'missing'"):
                await signer.sign(b"m")
        monkeypatch.setattr("adapters.crypto.token_signer.asyncio.create_subprocess_exec", None)
        with pytest.raises(ServiceUnreachable, match="has no token 'missing'"):
            await signer.sign(b"m")


async def test_a_module_that_hangs_while_it_signs(hsm, monkeypatch):
    _, private = hsm
    monkeypatch.setattr("adapters.crypto.token_signer.TRIES_EVERY", 0.0)
    async with signing(key_of(private), signs_within=NEVER) as signer:
        await signer.connect()
        hung = child()
        hung.send_signal(signal.SIGSTOP)
        with pytest.raises(ServiceUnreachable, match=r"does not answer within 0.2 s: it was ended"):
            await signer.sign(b"m")
        assert not hung.is_running()
    async with signing(key_of(private)) as signer:
        assert await signer.sign(b"m") == private.sign(b"m")


async def test_a_module_that_hangs_while_it_is_loaded(hsm, tmp_path):
    os.mkfifo(tmp_path / "module.so")  # whoever opens it waits for a writer
    signer = TokenSigner(token(module=tmp_path / "module.so"), key_of(hsm[1]), opens_within=NEVER)
    with pytest.raises(ServiceUnreachable, match=r"does not answer within 0.2 s: it was ended"):
        await signer.connect()
    await signer.close()


async def test_a_module_that_breaks_down(hsm, monkeypatch):
    _, private = hsm
    monkeypatch.setattr("adapters.crypto.token_signer.TRIES_EVERY", 0.0)
    async with signing(key_of(private)) as signer:
        await signer.connect()
        child().kill()
        with pytest.raises(ServiceUnreachable, match="broke down"):
            await signer.sign(b"m")
        assert key_of(private).signed("m", Signature("precedent.test", key_of(private).hash, await signer.sign(b"m")))


async def test_who_gives_up_waiting_leaves_nothing_half_said(hsm):
    import asyncio

    _, private = hsm
    async with signing(key_of(private)) as signer:
        await signer.connect()
        child().send_signal(signal.SIGSTOP)
        asked = asyncio.create_task(signer.sign(b"first"))
        await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        for message in (b"second", b"third"):
            stopped = [each for each in psutil.Process().children() if each.status() == psutil.STATUS_STOPPED]
            for each in stopped:
                each.send_signal(signal.SIGCONT)
            assert await signer.sign(message) == private.sign(message)
