"""What the process with a PKCS#11 module says to whoever speaks to it, without any token."""

import io

import orjson
import pytest

from adapters.crypto.token_process import raw_public, serve

KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("point", "public"),
    [
        (KEY, KEY),
        (b"\x04\x20" + KEY, KEY),
        (b"\x03\x21\x00" + KEY, KEY),
        (b"", None),
        (KEY[:-1], None),
        (b"\x04\x20" + KEY + b"\0", None),
        (b"\x05\x20" + KEY, None),
        (b"\x04\x39" + b"\1" * 57, None),  # Ed448
    ],
    ids=["bare", "octets", "bits", "empty", "short", "long", "another tag", "another curve"],
)
def test_a_public_key_as_modules_spell_it(point, public):
    assert raw_public(point) == public


@pytest.mark.parametrize(
    "line", [b"\xff\n", b"[]\n", b"{}\n", b'{"module": 1, "token": 2, "key": 3, "pin": 4}\n', b"null\n"], ids=range(5)
)
def test_nonsense_is_answered_and_holds_no_secret(line):
    answers = io.BytesIO()
    serve(io.BytesIO(line), answers)
    answer = orjson.loads(answers.getvalue())
    assert set(answer) <= {"failed", "refused"}
