"""The verifier in another language agrees with ours on every bundle, genuine or not."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from domain.ledger.bundle import BundleInvalid, read, verify, written
from domain.ledger.rotation import rotation_text
from tests.domain.ledger.test_bundle import (
    FILES_THAT_ARE_NO_BUNDLES,
    KEY,
    LINES,
    NEXT_KEY,
    NEXT_PRIVATE,
    ODD_SPELLINGS,
    WHAT_WAS_CHANGED,
    exported,
    note,
)

VERIFIER = Path(__file__).parents[3] / "infra" / "verifier" / "verify.mjs"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="the second verifier needs Node.js: apt-get install nodejs")


def ours(lines, key):
    try:
        found = verify(read(lines), key)
    except BundleInvalid:
        return 2, None
    return (
        (0, None)
        if found.sound
        else (4, {(each.kind.value, each.first and str(each.first)) for each in found.findings})
    )


def theirs(lines, key, folder):
    file = folder / "bundle.jsonl"
    file.write_bytes(b"".join(line if line.endswith(b"\n") else line + b"\n" for line in lines))
    done = subprocess.run([NODE, VERIFIER, file, str(key)], capture_output=True, check=False, timeout=60)
    if done.returncode != 4:
        return done.returncode, None
    return 4, {(each["kind"], each.get("first")) for each in json.loads(done.stdout)["findings"]}


@pytest.mark.parametrize("lines", [*WHAT_WAS_CHANGED, *FILES_THAT_ARE_NO_BUNDLES, *ODD_SPELLINGS[:-1], LINES])
def test_both_say_the_same_of_a_bundle(lines, tmp_path):
    assert theirs(lines, KEY, tmp_path) == ours(lines, KEY)


@pytest.mark.parametrize("key", [KEY, NEXT_KEY], ids=["trusted", "next"])
@pytest.mark.parametrize("rotated", [True, False])
def test_both_follow_a_rotation(key, rotated, tmp_path):
    rotations = [note(rotation_text(KEY, NEXT_KEY))] if rotated else []
    lines = list(written(exported(NEXT_PRIVATE, NEXT_KEY, rotations)))
    assert theirs(lines, key, tmp_path) == ours(lines, key)


def test_both_say_the_same_of_bundles_with_a_flipped_bit(tmp_path):
    chance = random.Random(9162)
    for _ in range(60):
        number = chance.randrange(len(LINES) - 1)
        line = bytearray(LINES[number])
        line[chance.randrange(len(line) - 1)] ^= 1 << chance.randrange(8)
        lines = [*LINES[:number], bytes(line), *LINES[number + 1 :]]
        assert (theirs(lines, KEY, tmp_path)[0] == 0) == (ours(lines, KEY)[0] == 0), bytes(line)


@pytest.mark.parametrize("arguments", [[], ["x"], ["x", "y", "z"], ["missing.jsonl", str(KEY)], [str(VERIFIER), "key"]])
def test_wrong_usage(arguments):
    done = subprocess.run([NODE, VERIFIER, *arguments], capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stderr
