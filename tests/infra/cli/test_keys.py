"""``audit keys`` with keys in a token: what it prints is what the configuration then names."""

import pytest

from adapters.crypto.signing import FileSigner
from domain.ledger.notes import VerifierKey
from infra.bootstrap.ledger import log_key
from infra.bootstrap.reuse import program_key, reuse, trusted_keys
from infra.cli import exits
from infra.settings import ConfigurationError, load
from tests.adapters.crypto.softhsm import MODULE, PIN, PIN_ENV, installed, key_of, needs_softhsm

LINE = str(FileSigner.generated("log.test").key)


@pytest.fixture
def configured(tmp_path, monkeypatch):
    """A configuration whose keys are in a token, and the key."""
    _, private = installed(tmp_path, monkeypatch)
    file = tmp_path / "precedent.yaml"

    def write(*, ledger="name: log.test", programs="publish: true"):
        token = f"pkcs11: {{module: {MODULE}, token: ledger-token, key: ledger, pin_env: {PIN_ENV}}}"
        file.write_text(f"ledger:\n  {token}\n  {ledger}\nprograms:\n  {token}\n  {programs}\n")
        monkeypatch.setenv("PRECEDENT_CONFIG", str(file))
        return private

    return write


@needs_softhsm
@pytest.mark.parametrize(
    ("options", "name", "section"),
    [((), "log.test", "ledger"), (("--programs",), "log.test/programs", "programs")],
    ids=["ledger", "programs"],
)
def test_the_key_of_a_token_is_printed_and_then_named(offline, configured, tmp_path, options, name, section):
    private = configured()
    called = offline("audit", "keys", *options)
    assert (called.code, called.out.strip()) == (exits.DONE, str(key_of(private, name))), called.err
    said = offline("audit", "keys", *options, "--json").document
    assert said["private_key"] == "key 'ledger' in the token 'ledger-token'"
    assert said["development"] is False
    configured(
        **{section: f"{'name: log.test' if section == 'ledger' else 'publish: true'}\n  signer_key: {said['key']}"}
    )
    settings = load()
    named = log_key(settings) if section == "ledger" else program_key(settings)
    assert named == VerifierKey.parse(said["key"])
    assert PIN not in called.out + called.err
    assert not list(tmp_path.glob("data/*.key"))


@needs_softhsm
async def test_programs_are_signed_by_a_token_and_trusted(offline, configured):
    private = configured()
    key = key_of(private, "log.test/programs")
    configured(programs=f"signer_key: {key}")
    settings = load()
    assert trusted_keys(settings)[settings.tenant] == {key.id: key.public}
    async with reuse(settings) as filled:
        assert filled.is_trusted_in(settings.tenant)
        assert await filled.signer.sign(b"a program") == private.sign(b"a program")


@needs_softhsm
def test_a_token_without_a_named_key_or_name(offline, configured):
    configured(ledger="archive: true")
    called = offline("audit", "keys")
    assert called.code == exits.INVALID
    assert "ledger.name is not set" in called.err
    called = offline("audit", "verify", "--archive")
    assert called.code != exits.DONE
    with pytest.raises(Exception, match=r"ledger\.signer_key is not set.*`precedent audit keys` prints it"):
        log_key(load())
    with pytest.raises(
        Exception, match=r"programs\.signer_key is not set.*`precedent audit keys --programs` prints it"
    ):
        program_key(load())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ledger: {pkcs11: {module: /m.so, token: t, key: k}}", "either pkcs11.pin_env or pkcs11.pin_file"),
        ("ledger: {pkcs11: {module: /m.so, token: t, key: k, pin_env: A, pin_file: /p}}", "either pkcs11.pin_env or"),
        ("ledger: {pkcs11: {module: /m.so, token: t, key: k, pin: '1234'}}", "pin"),
        ("ledger: {pkcs11: {module: /m.so, token: '', key: k, pin_env: A}}", "token"),
        ("ledger: {pkcs11: {module: /m.so, token: t, key: k, pin_env: a b}}", "never the key itself"),
        (f"ledger: {{signer: 'https://s', signer_key: {LINE}, pkcs11: {{module: /m.so, token: t, key: k, pin_env: A}}}}",
         "either ledger.signer or ledger.pkcs11"),
        (f"programs: {{signer_key: {LINE}}}", "programs.signer_key together with programs.pkcs11"),
        ("programs: {key: /k, pkcs11: {module: /m.so, token: t, key: k, pin_env: A}}", "either programs.key or"),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_does_not_fit_together_is_refused(offline, tmp_path, monkeypatch, text, says):
    file = tmp_path / "precedent.yaml"
    file.write_text(text)
    monkeypatch.setenv("PRECEDENT_CONFIG", str(file))
    with pytest.raises(ConfigurationError) as refused:
        load()
    assert says in str(refused.value)
    assert "1234" not in str(refused.value)
