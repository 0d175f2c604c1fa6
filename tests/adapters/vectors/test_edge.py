import asyncio
import fcntl
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from adapters.vectors.edge import EdgeVectorIndex
from adapters.vectors.frames import LONGEST, SOCKET
from commands.indexes import Point
from domain.kernel.embedding import EmbeddingInvalid
from domain.kernel.errors import ServiceUnreachable
from tests.contracts.vector_index import DIMENSIONS, EMBEDDER, VectorIndexContract, X, id_of, ids, point, scattered

SMALL = 64
"""Kilobytes: small enough for the engine to build its graph in these tests."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="precedent-vectors-") as made:
        yield Path(made) / "index"


def opened(folder: Path, embedder: str = EMBEDDER, dimensions: int = DIMENSIONS, start: float = 30) -> EdgeVectorIndex:
    return EdgeVectorIndex(folder, embedder, dimensions, kilobytes=SMALL, start=start)


def many(count: int, first: int = 1, **labels: str) -> list[Point]:
    return [Point(id_of(first + place), each, labels) for place, each in enumerate(scattered(count))]


async def until(holds: Callable[[], bool]) -> None:
    """Look again and again; pytest's time limit ends it."""
    while not holds():  # noqa: ASYNC110  # other processes have no event for us
        await asyncio.sleep(0.005)


async def ended(pid: int) -> None:
    await until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[EdgeVectorIndex]:
    """One process for the contract, whose cases only need it empty."""
    with tempfile.TemporaryDirectory(prefix="precedent-vectors-") as made:
        async with opened(Path(made)) as index:
            yield index


class TestEdgeVectorIndex(VectorIndexContract):
    @pytest.fixture
    async def index(self, shared: EdgeVectorIndex) -> EdgeVectorIndex:
        await shared.clear()
        return shared

    async def settle(self, index: EdgeVectorIndex) -> None:
        assert await index.optimize()


async def test_what_was_put_is_there_after_the_process_ended_in_order(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put([point(1, 1, kind="kept"), point(2, 1)])
        await index.remove([id_of(2)])
        first = await index.process()
    await ended(first)
    async with opened(folder) as index:
        assert ids(list(await index.search(X, {"kind": "kept"}, 10))) == [1]
        assert await index.count() == 1


async def test_nothing_is_started_or_made_before_the_first_call(folder: Path) -> None:
    async with opened(folder):
        pass
    assert not folder.exists()


async def test_several_adapters_share_one_process_which_ends_with_the_last(folder: Path) -> None:
    async with opened(folder) as one:
        async with opened(folder) as other:
            await asyncio.gather(one.put([point(1, 1)]), other.put([point(2, 1)]))
            pid = await other.process()
            assert await one.process() == pid
            assert await one.count() == await other.count() == 2
        assert await one.process() == pid
    await ended(pid)


async def test_a_killed_process_is_started_again_and_the_call_repeated(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(100))
        os.kill(first := await index.process(), signal.SIGKILL)
        assert await index.count() == 100
        assert await index.process() != first


async def test_a_kill_in_the_middle_of_a_put_loses_nothing(folder: Path) -> None:
    async with opened(folder) as index, opened(folder) as watching:
        putting = asyncio.create_task(index.put(many(5_000)))
        while await watching.count() < 500:
            assert not putting.done()
        os.kill(await watching.process(), signal.SIGKILL)
        await putting
        assert await watching.count() == 5_000


async def test_it_ends_when_the_process_that_uses_it_is_killed(folder: Path) -> None:
    script = (
        "import asyncio, os, sys\n"
        "from pathlib import Path\n"
        "from adapters.vectors.edge import EdgeVectorIndex\n"
        f"index = EdgeVectorIndex(Path(sys.argv[1]), {EMBEDDER!r}, {DIMENSIONS})\n"
        "async def main():\n"
        "    print(await index.process(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    user = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script, str(folder)], check=False, stdout=subprocess.PIPE, cwd=Path.cwd()
    )
    assert user.returncode == -signal.SIGKILL
    await ended(int(user.stdout))


async def test_sigterm_closes_it_in_order_and_the_next_call_starts_it_again(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(10))
        os.kill(pid := await index.process(), signal.SIGTERM)
        await ended(pid)
        assert not (folder / SOCKET).exists()
        assert await index.count() == 10


async def test_a_folder_that_is_taken_away_means_an_empty_index_in_a_new_one(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(10))
        pid = await index.process()
        shutil.rmtree(folder)
        assert await index.count() == 0
        await index.put(many(3))
        assert await index.count() == 3
        await ended(pid)


def _garbage(file: Path) -> None:
    file.write_bytes(os.urandom(file.stat().st_size))


def _emptied(file: Path) -> None:
    os.truncate(file, 0)


def _halved(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("damage", "indexed"),
    [(_garbage, False), (_emptied, False), (_garbage, True), (_halved, True), (Path.unlink, True)],
    ids=["garbage", "emptied", "garbage for a graph", "halved graph", "gone"],
)
async def test_a_damaged_index_is_set_aside_and_says_that_it_is_empty(folder: Path, damage, indexed: bool) -> None:
    async with opened(folder) as index:
        await index.put(many(1_200))
        if indexed:
            assert await index.optimize()
    generation = folder / (folder / "current").read_text()
    for file in [file for file in generation.rglob("*") if file.is_file()]:
        damage(file)
    async with opened(folder) as index:
        assert await index.count() == 0
        assert (folder / "damaged").is_dir()
        await index.put(many(5))
        assert await index.count() == 5
    async with opened(folder) as index:
        assert await index.count() == 5


@pytest.mark.parametrize("current", ["", "g-nowhere", "g-/../.."])
async def test_a_name_of_no_generation_means_empty(folder: Path, current: str) -> None:
    async with opened(folder) as index:
        await index.put(many(3))
    (folder / "current").write_text(current)
    async with opened(folder) as index:
        assert await index.count() == 0
        await index.put(many(3))
    async with opened(folder) as index:
        assert await index.count() == 3


async def test_points_of_another_embedder_are_left_alone(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(3))
        for embedder, dimensions in (("lexical@2", DIMENSIONS), (EMBEDDER, 8)):
            async with opened(folder, embedder, dimensions) as other:
                with pytest.raises(EmbeddingInvalid, match=f"points of {EMBEDDER} .* another folder"):
                    await other.count()
    async with opened(folder, "lexical@2") as other:
        with pytest.raises(EmbeddingInvalid, match=f"points of {EMBEDDER} .* another folder"):
            await other.count()
    async with opened(folder) as index:
        assert await index.count() == 3


async def test_a_folder_that_another_process_holds_is_refused_with_its_name(folder: Path) -> None:
    folder.mkdir()
    with (folder / "lock").open("w") as lock:
        lock.write(str(os.getpid()))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with opened(folder, start=4) as index:
            with pytest.raises(ServiceUnreachable, match=rf"process {os.getpid()} has the vector index in {folder}"):
                await index.count()


async def test_a_folder_that_cannot_be_made_is_reported_with_its_path(folder: Path) -> None:
    folder.write_text("in the way")
    async with opened(folder) as index:
        with pytest.raises(ServiceUnreachable, match=str(folder)):
            await index.count()


async def test_only_its_owner_can_reach_it(folder: Path) -> None:
    async with opened(folder) as index:
        await index.count()
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600


async def test_a_deep_folder_is_no_obstacle(folder: Path) -> None:
    deep = folder.joinpath(*["deep" * 12] * 6)
    async with opened(deep) as index, opened(deep) as other:
        await index.put(many(3))
        assert await other.count() == 3


@pytest.mark.parametrize(
    "hostile",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        (LONGEST + 1).to_bytes(4, "little") + bytes(5),
        (4).to_bytes(4, "little") + bytes(4) + b"\xff" + bytes(4),
        (12).to_bytes(4, "little") + bytes(4) + b"\x04" + (8).to_bytes(4, "little") + b"{nothing",
        (0).to_bytes(4, "little") + bytes(4) + b"\x04",
        (6).to_bytes(4, "little") + bytes(4) + b"\x40" + (2).to_bytes(4, "little") + b"{}",
        b"\x01",
        b"",
    ],
    ids=["http", "too long", "unknown kind", "no json", "no head", "an answer", "torn", "nothing"],
)
async def test_who_does_not_speak_like_a_client_disturbs_nobody(shared: EdgeVectorIndex, hostile: bytes) -> None:
    await shared.clear()
    await shared.put(many(3))
    pid = await shared.process()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(str(shared.folder / SOCKET))
        stranger.sendall(hostile)
    assert await shared.count() == 3
    assert await shared.process() == pid


async def test_what_changes_while_a_copy_is_optimized_is_in_it(folder: Path) -> None:
    async with opened(folder) as index, opened(folder) as searching:
        await index.put(many(6_000, kind="old"))
        optimizing = asyncio.create_task(index.optimize())
        searches = 0
        while not optimizing.done():
            if searches == 3_000:  # what is replaced and what is removed are a half of the points each
                await optimizing
                break
            number = 10_000 + searches
            await index.put([point(number, 1, kind="new"), point(1 + searches, 1, kind="replaced")])
            await index.remove([id_of(3_001 + searches), id_of(number - 1)])
            assert ids(list(await searching.search(X, {"kind": "new"}, 10))) == [number]
            searches += 1
        assert optimizing.result()
        assert searches > 1
        assert await index.count() == 6_000 + 1 - searches
        assert len(await index.search(X, {"kind": "replaced"}, 10_000)) == searches
        assert len(await index.search(X, {"kind": "old"}, 10_000)) == 6_000 - 2 * searches
    async with opened(folder) as index:
        assert await index.count() == 6_000 + 1 - searches


async def optimizer_of(index: EdgeVectorIndex) -> psutil.Process:
    process = psutil.Process(await index.process())
    await until(lambda: bool(process.children()))
    return process.children()[0]


async def test_an_optimizer_that_dies_leaves_the_index_as_it_was(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(3_000))
        optimizing = asyncio.create_task(index.optimize())
        (await optimizer_of(index)).kill()
        assert await optimizing is False
        assert await index.count() == 3_000
        assert len(list(folder.glob("g-*"))) == 1


async def test_an_index_cleared_while_a_copy_is_optimized_stays_empty(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(3_000))
        optimizing = asyncio.create_task(index.optimize())
        await optimizer_of(index)
        await index.clear()
        await optimizing
        assert await index.count() == 0
        assert len(list(folder.glob("g-*"))) == 1


async def test_after_a_bulk_load_it_is_optimized_without_being_asked(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(3_000))
        generation = (folder / "current").read_text()
        await until(lambda: (folder / "current").read_text() != generation)
        assert await index.count() == 3_000


async def test_an_optimizer_ends_with_the_process_that_wants_its_copy(folder: Path) -> None:
    async with opened(folder) as index:
        await index.put(many(6_000))
        optimizing = asyncio.create_task(index.optimize())
        optimizer = await optimizer_of(index)
        os.kill(await index.process(), signal.SIGKILL)
        await ended(optimizer.pid)
        assert await optimizing
        assert await index.count() == 6_000
