"""A real PKCS#11 token in software: SoftHSM, in a folder of its own."""

import importlib.util
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from adapters.crypto.token_signer import Token
from domain.ledger.notes import ED25519, VerifierKey

PIN = "70815-nobody-may-see-this"
PIN_ENV = "TEST_TOKEN_PIN"
UTIL = shutil.which("softhsm2-util")
MODULE = next(
    (
        each
        for folder in ("/usr/lib/softhsm", "/usr/lib64/softhsm", "/usr/local/lib/softhsm", "/opt/homebrew/lib/softhsm")
        if (each := Path(folder, "libsofthsm2.so")).exists()
    ),
    None,
)

needs_softhsm = pytest.mark.skipif(
    UTIL is None or MODULE is None or importlib.util.find_spec("pkcs11") is None,
    reason="a PKCS#11 token needs SoftHSM (apt-get install softhsm2) and the extra: pip install 'precedent[pkcs11]'",
)


@dataclass(frozen=True)
class SoftHsm:
    """Tokens in a folder."""

    folder: Path

    def made(self, label="ledger-token"):
        """A new token."""
        self.run("--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "0123456789")

    def imported(self, private, label, token="ledger-token", number="01"):
        """Put a key into the token."""
        file = self.folder / "key.pem"
        file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.run("--import", file, "--token", token, "--label", label, "--id", number, "--pin", PIN, "--force")
        file.unlink()

    def run(self, *arguments):
        subprocess.run([UTIL, *map(str, arguments)], check=True, capture_output=True, timeout=60)

    @property
    def tokens(self):
        return self.folder / "tokens"


def installed(folder, monkeypatch):
    """SoftHSM in this folder, with one token and one Ed25519 key in it; give also the key."""
    (folder / "tokens").mkdir()
    configuration = folder / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    monkeypatch.setitem(os.environ, "SOFTHSM2_CONF", str(configuration))
    monkeypatch.setitem(os.environ, PIN_ENV, PIN)
    hsm = SoftHsm(folder)
    hsm.made()
    private = Ed25519PrivateKey.generate()
    hsm.imported(private, "ledger")
    return hsm, private


def token(**changes):
    """The token's key, as it would be configured."""
    named = {"module": MODULE, "token": "ledger-token", "key": "ledger", "pin_env": PIN_ENV}
    return Token(**(named | changes))


def key_of(private, name="precedent.test"):
    return VerifierKey(name, ED25519, private.public_key().public_bytes_raw())


def rsa_key():
    return generate_private_key(65537, 2048)
