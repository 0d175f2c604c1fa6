"""The verifier in another language agrees with ours on every archive, genuine or not."""

import asyncio
import gzip
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from adapters.content.segments import FileSegmentStore
from adapters.crypto.signing import FileSigner
from adapters.memory.ledger import MemoryCheckpointLog, MemoryStoredLog, MemoryTileStore
from commands.archive import ArchivedLog, Copy, Damages
from commands.audits import Audits, Trust, rotations_in
from commands.ledger import Ledger
from domain.kernel.ids import Position, StreamId
from domain.ledger.segments import FULL_COUNT, read, read_open, written
from tests.commands.test_ledger import Identity, Ticks
from tests.domain.ledger.logs import log
from tests.domain.ledger.logs import stored as begun
from tests.domain.ledger.test_epochs import gone_on, mark, moved

VERIFIER = Path(__file__).parents[3] / "infra" / "verifier" / "verify.mjs"
NODE = shutil.which("node")
SIGNER = FileSigner.generated("precedent.test")
FIRST = Position(0, 0, 1)

pytestmark = pytest.mark.skipif(NODE is None, reason="the second verifier needs Node.js: apt-get install nodejs")


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A folder with one sealed segment and one that grows, and the checkpoint beside them."""
    folder = tmp_path_factory.mktemp("archive")
    stored = MemoryStoredLog()
    stored.messages[0] = log(FULL_COUNT + 50)
    checkpoints, store = MemoryCheckpointLog(), FileSegmentStore(folder)
    parts = {"log": stored, "tiles": MemoryTileStore(), "checkpoints": checkpoints, "clock": Ticks()}
    asyncio.run(Ledger(0, Identity(SIGNER), copy=Copy(store, FIRST), **parts).catch_up())
    store.release(0)
    (folder / "checkpoint").write_text(asyncio.run(checkpoints.newest(0))[1])
    return folder


async def ours(folder, key):
    store, damages, checkpoints = FileSegmentStore(folder), Damages(0), MemoryCheckpointLog()
    await checkpoints.publish(0, (folder / "checkpoint").read_text(), 0)
    stored = ArchivedLog(store, damages.add)
    trust = Trust(key=key)
    rotations = await rotations_in(stored, 0)
    report = await Audits(stored, checkpoints, MemoryTileStore()).verify(0, trust, rotations)
    return {(each.kind.value, each.first and str(each.first)) for each in [*damages.findings(), *report.findings]}


def theirs(folder, key):
    arguments = [NODE, VERIFIER, "--segments", folder / "0/segments", folder / "checkpoint", str(key)]
    done = subprocess.run(arguments, capture_output=True, check=False, timeout=120)
    assert done.returncode in {0, 4}, done.stderr
    found = json.loads(done.stdout)
    assert found["sound"] == (done.returncode == 0)
    return {(each["kind"], each.get("first")) for each in found["findings"]}


def opened(folder):
    (file,) = (folder / "0/segments").glob("*.open")
    return file


def sealed(folder):
    (file,) = (folder / "0/segments").glob("*.gz")
    return file


def edit_sealed(change):
    """Change the messages of the sealed segment, and seal it again, as whoever owns the machine can."""

    def edit(folder):
        messages = read(gzip.decompress(sealed(folder).read_bytes())).messages
        change(messages)
        sealed(folder).write_bytes(gzip.compress(written(FIRST, messages)))

    return edit


def replace_in(place, part, before, after):
    def change(messages):
        value = getattr(messages[place], part)
        assert before in value
        messages[place] = messages[place]._replace(**{part: value.replace(before, after, 1)})

    return change


def swap(messages):
    messages[70], messages[71] = messages[71], messages[70]


def damage(file):
    def change(folder):
        data = bytearray(file(folder).read_bytes())
        data[len(data) // 2] ^= 1
        file(folder).write_bytes(data)

    return change


def cut_open(folder):
    data = opened(folder).read_bytes()
    assert len(read_open(data).messages) == 50
    opened(folder).write_bytes(data[:-100])


TAMPERINGS = {
    "nothing": (lambda _: None, set()),
    "a body": (edit_sealed(replace_in(99, "body", b'"n":99', b'"n":98')), {("rewritten", "0.0:1")}),
    "a header": (
        edit_sealed(replace_in(99, "headers", b"content-type", b"X-Hidden: 1\r\ncontent-type")),
        {("rule", "0.0:100")},
    ),
    "a subject": (
        edit_sealed(replace_in(99, "subject", "RunThought", "RunThoughs")),
        {("rule", "0.0:100"), ("rewritten", "0.0:1")},
    ),
    "a head": (
        edit_sealed(replace_in(99, "headers", b"Sequence: 93", b"Sequence: 92")),
        {("rule", "0.0:100")},
    ),
    "two exchanged": (edit_sealed(swap), None),
    "no text in a body": (edit_sealed(replace_in(99, "body", b'"n":99', b'"n":\xff9')), None),
    "a sealed file": (damage(sealed), {("damaged", "0.0:1"), ("deleted", "0.0:1"), ("rule", None)}),
    "an open file": (lambda folder: opened(folder).write_bytes(b"nothing"), None),
    "the end": (cut_open, {("truncated", f"0.0:{FULL_COUNT + 50}")}),
    "a removed segment": (lambda folder: sealed(folder).unlink(), None),
    "a removed end": (lambda folder: opened(folder).unlink(), {("truncated", f"0.0:{FULL_COUNT + 1}")}),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_both_say_the_same(archive, tmp_path, what):
    change, told = TAMPERINGS[what]
    folder = tmp_path / "copy"
    shutil.copytree(archive, folder)
    change(folder)
    found = asyncio.run(ours(folder, SIGNER.key))
    assert found == theirs(folder, SIGNER.key)
    assert bool(found) == (what != "nothing")
    if told is not None and ("rule", None) not in told:
        assert found == told
    elif told is not None:
        assert {each for each in found if each[0] != "rule"} == told - {("rule", None)}


def test_both_refuse_a_stranger_s_key(archive):
    stranger = FileSigner.generated("precedent.test").key
    assert {each[0] for each in theirs(archive, stranger)} == {"signature"}
    assert ("signature", None) in asyncio.run(ours(archive, stranger))


MARKS = {
    "nothing": (lambda e, s: e, set()),
    "no mark": (lambda e, s: [*e[:30], e[31]._replace(position=Position(1, 0, 31))], {"1.0:31"}),
    "two marks": (lambda e, s: [*e[:31], mark(e[29], s, 32)], {"1.0:32"}),
    "another place": (lambda e, s: [*e[:30], mark(e[29], s, 31, position="0.0:29")], {"1.0:31"}),
    "another digest": (lambda e, s: [*e[:30], mark(e[29], s, 31, digest="sha256:0")], {"1.0:31"}),
    "another version": (lambda e, s: [*e[:30], mark(e[29], s, 31, version=6)], {"1.0:31"}),
    "another stream": (lambda e, s: [*e[:30], mark(e[28], StreamId("acme", "run", "other"), 31)], {"1.0:31"}),
    "an epoch left out": (
        lambda e, s: [*e[:30], moved(begun(StreamId("acme", "run", "other"), 1, 0, 31, {}), 2)],
        {"2.0:31"},
    ),
    "other epochs": (lambda e, s: [moved(each, 4) for each in e[:30]], {"4.0:1"}),
    "another epoch": (
        lambda e, s: [*e[:30], e[30]._replace(headers=e[30].headers.replace(b"EVENTS_1", b"EVENTS_7"))],
        {"1.0:31"},
    ),
}


@pytest.mark.parametrize("what", MARKS)
def test_both_say_the_same_of_streams_that_go_on_in_a_new_epoch(tmp_path, what):
    """The ledger takes what the log has, so that the rules alone are broken."""
    change, places = MARKS[what]
    stored = MemoryStoredLog()
    stored.messages[0] = change(*gone_on())
    checkpoints, store = MemoryCheckpointLog(), FileSegmentStore(tmp_path)
    parts = {"log": stored, "tiles": MemoryTileStore(), "checkpoints": checkpoints, "clock": Ticks()}
    asyncio.run(Ledger(0, Identity(SIGNER), copy=Copy(store, FIRST), **parts).catch_up())
    store.release(0)
    (tmp_path / "checkpoint").write_text(asyncio.run(checkpoints.newest(0))[1])
    found = theirs(tmp_path, SIGNER.key)
    assert found == asyncio.run(ours(tmp_path, SIGNER.key)) == {("rule", place) for place in places}
