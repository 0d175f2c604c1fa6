"""The URL of a bucket, and where its key is read."""

import json

import pytest

from adapters.content.s3_address import S3Address
from adapters.content.s3_credentials import AccessKey, ContentCredentialsRefused, of_environment, of_file

SECRET = "s3cr3t-of-the-bucket"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (
            "s3://blobs/a/b?endpoint=http://127.0.0.1:8333&region=eu",
            S3Address("blobs", "a/b", "http://127.0.0.1:8333", "eu"),
        ),
        ("s3://blobs?endpoint=https%3A%2F%2FHost.example", S3Address("blobs", "", "https://host.example", "us-east-1")),
        ("s3://blobs/?endpoint=http://[::1]:9/", S3Address("blobs", "", "http://[::1]:9", "us-east-1")),
        (
            "s3://b.l-0/x?region=eu-central-1",
            S3Address("b.l-0", "x", "https://s3.amazonaws.com", "eu-central-1"),
        ),
    ],
    ids=["all of it", "encoded", "IPv6", "Amazon's"],
)
def test_it_is_read_and_written_the_same(url, address):
    assert S3Address.parse(url) == address
    assert S3Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3:",
        "s3://",
        "s3://blobs",
        "s3://blobs?",
        "s3://Blobs?region=r",
        "s3://b?region=r",
        "s3://a..b?region=r",
        f"s3://{'b' * 64}?region=r",
        "s3://blobs/../other?region=r",
        "s3://blobs/a//b?region=r",
        "s3://blobs/a b?region=r",
        "s3://blobs/%2e%2e?region=r",
        "s3://blobs?region=r#f",
        "s3://blobs?region=",
        "s3://blobs?region=r%0d%0aX: y",
        "s3://blobs?region=r&region=s",
        "s3://blobs?region=r&secret=x",
        "s3://blobs?endpoint=",
        "s3://blobs?endpoint=host:1",
        "s3://blobs?endpoint=ftp://h",
        "s3://blobs?endpoint=http://h/path",
        "s3://blobs?endpoint=http://h?x",
        "s3://blobs?endpoint=http://h:99999",
        "s3://blobs?endpoint=http://h:1:2",
        "s3://blobs?endpoint=http://h%0d%0aX",
        "s3://[::1?region=r",
        f"s3://blobs/{'x' * 10}\0?region=r",
        f"s3://key:{SECRET}@blobs?region=r",
        f"s3://blobs?endpoint=http://key:{SECRET}@h",
        f"s3://blobs?region=r&secret_key={SECRET}",
    ],
)
def test_anything_else_is_refused_and_not_repeated(url):
    with pytest.raises(ValueError) as refused:
        S3Address.parse(url)
    assert SECRET not in str(refused.value)


def private(path, data):
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_the_key_in_a_file_is_read_anew_each_time(tmp_path):
    keys = of_file(private(tmp_path / "key.json", b'{"access_key": "a", "secret_key": "b"}'))
    assert keys() == AccessKey("a", "b")
    private(tmp_path / "key.json", b'{"access_key": "c", "secret_key": "d"}')
    assert keys() == AccessKey("c", "d")


def test_no_key_is_shown():
    assert repr(AccessKey("acc3ss", SECRET)) == "AccessKey()"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused(tmp_path, mode):
    path = private(tmp_path / "key.json", json.dumps({"access_key": "a", "secret_key": SECRET}).encode())
    path.chmod(mode)
    with pytest.raises(ContentCredentialsRefused, match=f"has the mode {mode:04o}.*chmod 600 {path}") as refused:
        of_file(path)()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"[" * 9_000,
        b"\xff\xfe",
        b'{"access_key": "a"}',
        b'{"access_key": "a", "secret_key": ""}',
        b'{"access_key": "a b", "secret_key": "s3cr3t-of-the-bucket"}',
        b'{"access_key": "a\\r\\nX: y", "secret_key": "s3cr3t-of-the-bucket"}',
        b'{"access_key": "\\u00e9", "secret_key": "s3cr3t-of-the-bucket"}',
        b'{"access_key": ["a"], "secret_key": "s3cr3t-of-the-bucket"}',
        b'{"access_key": "a", "secret_key": "s3cr3t-of-the-bucket"' + b" " * 20_000 + b"}",
    ],
    ids=lambda data: ascii(data[-14:]) + str(len(data)),
)
def test_a_file_that_holds_no_key_is_refused_and_not_repeated(tmp_path, data):
    path = private(tmp_path / "key.json", data)
    with pytest.raises(ContentCredentialsRefused, match=f"{path}: a JSON object with") as refused:
        of_file(path)()
    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ContentCredentialsRefused, match="No such file"):
        of_file(tmp_path / "key.json")()


def test_the_key_in_the_environment(monkeypatch):
    keys = of_environment("BLOBS_ACCESS", "BLOBS_SECRET")
    monkeypatch.setenv("BLOBS_ACCESS", "a")
    with pytest.raises(ContentCredentialsRefused, match="BLOBS_SECRET is not set"):
        keys()
    monkeypatch.setenv("BLOBS_SECRET", f"{SECRET}\nX: y")
    with pytest.raises(ContentCredentialsRefused, match="BLOBS_SECRET holds no access key") as refused:
        keys()
    assert SECRET not in str(refused.value)
    monkeypatch.setenv("BLOBS_SECRET", SECRET)
    assert keys() == AccessKey("a", SECRET)
