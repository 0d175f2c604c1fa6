"""What a deployment may say, where from, and what is refused with which words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from adapters.tools.sandbox.limits import MEBIBYTE, SandboxLimits
from adapters.tools.settings import ToolSettings
from infra.bootstrap.tools import reach
from infra.settings import ConfigurationError, HttpModel, RecordedModel, Settings, effective, load
from infra.settings.model import default_data_directory
from infra.settings.show import without_password


@pytest.fixture(autouse=True)
def an_empty_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PRECEDENT_")]:
        monkeypatch.delenv(name)
    return tmp_path


def write(text: str, file: Path = Path("precedent.yaml")) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_nothing_said_means_the_embedded_defaults():
    settings = load()
    assert settings.data == default_data_directory()
    assert settings.content.url == f"file:{settings.data}/content"
    assert (settings.nats.url, settings.database.url, settings.durability) == (None, None, "fsync")
    assert settings.http.allow == settings.tools == ()
    assert {line.origin for line in effective(settings)} == {"default"}


def test_the_default_data_directory_is_in_the_checkout_and_for_root_below_var_lib(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert default_data_directory() == tmp_path / ".precedent"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert default_data_directory().parent == Path("/var/lib/precedent")
    assert default_data_directory().name.startswith(tmp_path.name[:40])


def test_the_command_line_wins_over_the_environment_over_the_file_over_the_default(monkeypatch: pytest.MonkeyPatch):
    write("{durability: flush, tenant: file, workers: 3, nats: {url: 'nats://file:4222', user: u, password: hidden}}")
    monkeypatch.setenv("PRECEDENT_TENANT", "environment")
    monkeypatch.setenv("PRECEDENT_WORKERS", "5")
    monkeypatch.setenv("PRECEDENT_NATS__URL", "nats://environment:4222")
    settings = load(workers=8, tenant=None, nats={"url": None})
    assert (settings.durability, settings.tenant, settings.workers) == ("flush", "environment", 8)
    assert (settings.nats.url, settings.nats.user) == ("nats://environment:4222", "u")
    origins = {line.key: line.origin for line in effective(settings)}
    assert origins["durability"] == origins["nats.user"] == str(Path.cwd() / "precedent.yaml")
    assert origins["tenant"] == "environment PRECEDENT_TENANT"
    assert origins["nats.url"] == "environment PRECEDENT_NATS__URL"
    assert origins["workers"] == "command line"
    assert origins["limits.seconds"] == "default"


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch):
    write("database: {url: 'postgresql://reader:s3cret@db.example.org/precedent'}")
    monkeypatch.setenv("PRECEDENT_NATS__USER", "worker")
    monkeypatch.setenv("PRECEDENT_NATS__PASSWORD", "s3cret")
    monkeypatch.setenv("PRECEDENT_NATS__URL", "nats://n:4222")
    settings = load()
    shown = {line.key: line.value for line in effective(settings)}
    assert settings.nats.password is not None
    assert settings.nats.password.get_secret_value() == "s3cret"
    assert "s3cret" not in str(shown) + repr(settings)
    assert shown["database.url"] == "postgresql://reader:********@db.example.org/precedent"


def test_models_are_an_address_or_a_transcript():
    write("answers", Path("demo/transcript.jsonl"))
    write(
        "models:\n"
        "  default: {url: 'http://127.0.0.1:8000/v1', model: qwen3, api_key_env: VLLM_KEY, tier: large, timeout: 30}\n"
        "  offline: recorded:transcript.jsonl\n",
        Path("demo/precedent.yaml"),
    )
    models = load(Path("demo/precedent.yaml")).models
    assert models["default"] == HttpModel(
        url="http://127.0.0.1:8000/v1", model="qwen3", api_key_env="VLLM_KEY", tier="large", timeout=30
    )
    assert models["offline"] == RecordedModel(recorded=Path.cwd() / "demo/transcript.jsonl")


def test_a_model_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch):
    file = write("answers", Path("transcript.jsonl"))
    monkeypatch.setenv("PRECEDENT_MODELS__DEFAULT", f"recorded:{file}")
    monkeypatch.setenv("PRECEDENT_MODELS__LOCAL__URL", "http://127.0.0.1:8000/v1")
    monkeypatch.setenv("PRECEDENT_MODELS__LOCAL__MODEL", "qwen3")
    models = load().models
    assert models["default"] == RecordedModel(recorded=file)
    assert models["local"] == HttpModel(url="http://127.0.0.1:8000/v1", model="qwen3")


def test_paths_in_a_file_start_at_the_file():
    file = write("{data: var, content: {url: 'file:blobs'}}", Path("site/precedent.yaml"))
    settings = load(file)
    assert settings.data == Path.cwd() / "site/var"
    assert settings.content.url == f"file:{Path.cwd()}/site/blobs"


def test_what_tools_reach_is_configured():
    Path("site/docs").mkdir(parents=True)
    write(
        "toolbox:\n"
        "  root: docs\n"
        "  databases: {crm: 'postgresql://reader:s3cret@db/crm'}\n"
        "  query_seconds: 5\n"
        "  result_mb: 2\n"
        "  sandbox: {memory_mb: 100, tree_mb: 200, processes: 4}\n"
        "http: {allow: ['localhost:8080', '*.example.org']}\n",
        Path("site/precedent.yaml"),
    )
    settings = load(Path("site/precedent.yaml"))
    given = reach(settings)
    assert given.root == Path.cwd() / "site/docs"
    assert given.databases == {"crm": "postgresql://reader:s3cret@db/crm"}
    assert (given.query_seconds, given.result_bytes) == (5.0, 2 * MEBIBYTE)
    assert (given.sandbox.memory_bytes, given.sandbox.tree_bytes) == (100 * MEBIBYTE, 200 * MEBIBYTE)
    assert (given.sandbox.processes, given.sandbox.file_bytes) == (4, SandboxLimits().file_bytes)
    assert given.http_hosts == ("localhost:8080", "*.example.org")
    shown = {line.key: line.value for line in effective(settings)}
    assert shown["toolbox.databases.crm"] == "postgresql://reader:********@db/crm"
    assert "s3cret" not in repr(settings)


def test_without_configuration_tools_have_their_defaults():
    given = reach(load())
    assert given.root == Path.cwd()
    assert given.sandbox == SandboxLimits()
    assert given.model_dump(exclude={"root", "hidden"}) == ToolSettings().model_dump(exclude={"root", "hidden"})


def test_the_file_can_be_named_in_the_environment(monkeypatch: pytest.MonkeyPatch):
    file = write("tenant: acme", Path("elsewhere.yaml"))
    monkeypatch.setenv("PRECEDENT_CONFIG", str(file))
    assert load().tenant == "acme"
    assert load().config_file == file.absolute()


REFUSED = {
    "an unknown durability": (
        "durability: fast",
        "durability: input should be 'fsync', 'replicated' or 'flush', not 'fast'",
    ),
    "replicated on one server": ("durability: replicated", "needs nats.url of a cluster of three brokers"),
    "an unknown key": ("durabilty: fsync", "durabilty: unknown key; did you mean durability?"),
    "an unknown key in a section": ("nats: {uri: 'nats://h'}", "nats.uri: unknown key; did you mean nats.url?"),
    "an unknown limit": ("limits: {euros: 3}", "limits.euros: unknown key; allowed: limits.seconds, limits.tokens"),
    "another broker's URL": (
        "nats: {url: 'http://h:1'}",
        "nats.url: expected a URL that starts with nats:// or tls://",
    ),
    "a broker's URL with a password": (
        "nats: {url: 'nats://u:p@h'}",
        "nats.url: expected a URL without a password in it",
    ),
    "another database's URL": (
        "database: {url: 'mysql://h/d'}",
        "database.url: expected a URL that starts with postgresql://",
    ),
    "a bucket of no server": ("content: {url: 's3://bucket'}", "content.url: expected an endpoint or, for Amazon's S3"),
    "another content store": ("content: {url: 'ftp://h/d'}", "content.url: expected file: and a directory"),
    "a bucket's key in its URL": (
        "content: {url: 's3://k:s3cret@bucket?region=r'}",
        "content.url: expected an S3 URL without credentials in it",
    ),
    "a key for a folder": (
        "content: {url: 'file:/c', credentials: key.json}",
        "content.credentials and content.*_env only with content.url of a bucket",
    ),
    "two keys of a bucket": (
        "content: {url: 's3://bucket?region=r', credentials: key.json, access_key_env: A}",
        "either content.credentials or content.access_key_env",
    ),
    "two credentials": (
        "nats: {url: 'nats://h', credentials: c.json, user: u, password: p}",
        "nats: expected either nats.credentials or nats.user with nats.password",
    ),
    "a user without password": (
        "nats: {url: 'nats://h', user: u}",
        "nats: expected nats.user and nats.password together",
    ),
    "a tenant that is no token": ("tenant: 'acme.*'", "tenant: expected 1 to 64 letters, digits, - and _"),
    "no worker": ("workers: 0", "workers: input should be greater than or equal to 1"),
    "words for a number": ("workers: many", "workers: input should be a valid integer"),
    "a negative limit": ("limits: {usd: -1}", "limits.usd: input should be greater than or equal to 0"),
    "a limit of no seconds": ("limits: {seconds: 0}", "limits.seconds: input should be greater than 0"),
    "a file as tool": ("tools: [tools.py/x]", "tools.0: expected the dotted name of a Python module"),
    "a text where a list belongs": ("tools: acme.tools", "tools: input should be a valid tuple"),
    "a root that is not there": ("toolbox: {root: nowhere}", "toolbox: expected toolbox.root of an existing folder"),
    "another database": (
        "toolbox: {databases: {crm: 'mysql://h/d'}}",
        "toolbox.databases.crm: expected a URL that starts",
    ),
    "a database without a name": (
        "toolbox: {databases: {'': 'postgresql://h/d'}}",
        "a name of at most 64 lower-case letters",
    ),
    "too patient a query": (
        "toolbox: {query_seconds: 60}",
        "toolbox.query_seconds: expected a number from 0.1 to 25, not 60",
    ),
    "a tree below one process": (
        "toolbox: {sandbox: {tree_mb: 64, memory_mb: 128}}",
        "toolbox.sandbox.tree_mb of at least toolbox.sandbox.memory_mb",
    ),
    "an unknown limit of the sandbox": ("toolbox: {sandbox: {memory: 5}}", "toolbox.sandbox.memory: unknown key"),
    "no processes": ("toolbox: {sandbox: {processes: 0}}", "toolbox.sandbox.processes: input should be greater than"),
    "a huge result": ("toolbox: {result_mb: 100000}", "toolbox.result_mb: input should be less than or equal to 1024"),
    "a host with no port": ("http: {allow: ['h:0']}", "http.allow.0: expected a host name"),
    "every host": ("http: {allow: ['*']}", "http.allow.0: expected a host name such as example.org, or *.example.org"),
    "a URL as host": ("http: {allow: ['https://h/']}", "http.allow.0: expected a host name"),
    "a model without address": ("models: {default: {model: m}}", "models.default.url: this key is required"),
    "a model's unknown key": (
        "models: {default: {url: 'http://h', model: m, temp: 1}}",
        "models.default.temp: unknown key",
    ),
    "an unknown tier": (
        "models: {d: {url: 'http://h', model: m, tier: huge}}",
        "models.d.tier: input should be 'small'",
    ),
    "a missing transcript": (
        "models: {d: 'recorded:none.jsonl'}",
        "models.d: expected recorded: and the path of a transcript;",
    ),
    "a model's bad name": ("models: {'a b': 'recorded:x'}", "expected a name of at most 64 lower-case letters"),
    "a list as file": ("- durability", "a mapping of keys to values is expected"),
    "no YAML": ("a: [", ", line 1, column 5: expected a value, but found the end of the file"),
    "a tab": ("nats:\n\turl: x", ", line 2, column 1: a tab; indent with spaces"),
    "a colon in a text": ("data: a: b", ", line 1, column 8: no `key: value` can stand here"),
    "a quote left open": (
        "data: 'x",
        ", line 1, column 9: the file ends too early, in the quote that begins at line 1",
    ),
    "a brace left open": (
        "nats: {url: x\ntools: [a]",
        ", line 2, column 6: expected ',' or '}', but got ':', in the { that begins at line 1, column 7",
    ),
    "a key in a list": ("- a\nb: 1", ", line 2, column 1: check the indentation"),
    "a character of control": ("data: \x01", ": the character '\\x01' at position 6 cannot stand in YAML"),
    "two documents": ("data: a\n--- data: b", ", line 2, column"),
    "no number": ("workers: !!int x", "invalid literal"),
    "nested too deeply": ("[" * 10_000, "recursion"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_the_file(case: str):
    text, words = REFUSED[case]
    file = write(text)
    with pytest.raises(ConfigurationError) as refusal:
        load()
    assert words in str(refusal.value)
    if case != "replicated on one server":
        assert str(refusal.value).startswith(str(file.absolute()))


def test_what_is_no_yaml_is_told_in_one_line():
    for text, words in REFUSED.values():
        if not words.startswith(", line"):
            continue
        write(text)
        with pytest.raises(ConfigurationError) as refusal:
            load()
        assert "\n" not in str(refusal.value)
        assert "<" not in str(refusal.value), "the parser's own words"


def test_a_file_that_is_no_text_is_refused():
    Path("precedent.yaml").write_bytes(b"data: \xff")
    with pytest.raises(ConfigurationError, match=r"precedent.yaml: this is not UTF-8 text \(byte 6\)"):
        load()


def test_every_wrong_value_is_named_at_once():
    write("{durability: fast, workers: 0, htp: {}}")
    with pytest.raises(ConfigurationError) as refusal:
        load()
    assert [line.split(": ")[1] for line in str(refusal.value).splitlines()] == ["durability", "workers", "htp"]


def test_a_key_given_for_its_name_is_refused_and_not_printed():
    write("models: {d: {url: 'http://h', model: m, api_key_env: sk-proj-s3cret}}")
    with pytest.raises(ConfigurationError, match="the name of an environment variable that holds the key") as refusal:
        load()
    assert "s3cret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PRECEDENT_DURABILITY", "fast", "environment PRECEDENT_DURABILITY: durability: input should be"),
        (
            "PRECEDENT_NATS_URL",
            "nats://h",
            "environment PRECEDENT_NATS_URL: unknown key; did you mean PRECEDENT_NATS__URL?",
        ),
        ("PRECEDENT_TOOLS", "acme.tools", "a list is written as JSON"),
        ("PRECEDENT_LIMITS__SECONDS", "soon", "environment PRECEDENT_LIMITS__SECONDS: limits.seconds: input should be"),
    ],
)
def test_refused_in_the_environment(monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refusal:
        load()
    assert words in str(refusal.value)


def test_a_password_of_the_wrong_kind_is_refused_and_not_printed():
    write("nats: {url: 'nats://h', user: u, password: 20261121}")
    with pytest.raises(ConfigurationError, match=r"nats\.password: input should be a valid string$"):
        load()


def test_a_missing_file_is_refused():
    with pytest.raises(ConfigurationError, match="there is no such configuration file"):
        load(Path("none.yaml"))


def test_settings_made_in_code_read_neither_file_nor_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    write("tenant: file")
    monkeypatch.setenv("PRECEDENT_TENANT", "environment")
    assert Settings.model_validate({"data": tmp_path}).tenant == "default"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:s3cret@h/d", "postgresql://u:********@h/d"),
        ("postgresql://u:s3:c@ret@h/d", "postgresql://u:********@h/d"),
        ("postgresql://u@h/d?password=s3cret&sslmode=require", "postgresql://u@h/d?password=********&sslmode=require"),
        ("postgresql:///d?host=/run&PassWord=s%33cret", "postgresql:///d?host=/run&PassWord=********"),
        ("postgresql://h/d?sslkey=k&sslpassword=s3cret#x", "postgresql://h/d?sslkey=k&sslpassword=********#x"),
        ("postgresql://h/d?application_name=password", "postgresql://h/d?application_name=password"),
    ],
)
def test_a_password_is_masked_wherever_it_stands_in_a_url(url: str, shown: str):
    assert without_password(url) == shown
