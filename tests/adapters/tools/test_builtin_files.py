import asyncio
import os
import socket
import stat
import subprocess
import threading
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from tests.adapters.tools.calling import BuiltIn


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("alpha\nbeta\n")
    (folder / "sub" / "b.txt").write_text("Alpha beta\n")
    (folder / "sub" / "deep" / "c.md").write_text("gamma\n")
    (tmp_path / "secret").write_text("secret alpha")
    return folder


@pytest.fixture
def tools(root: Path) -> BuiltIn:
    return BuiltIn(root)


class TestList:
    async def test_entries_are_in_order_of_names(self, tools: BuiltIn) -> None:
        entries = await tools.value("fs.list")
        assert [(entry["path"], entry["kind"]) for entry in entries] == [("a.txt", "file"), ("sub", "folder")]
        assert entries[0]["size"] == 11

    async def test_folders_may_be_entered_and_names_chosen(self, tools: BuiltIn) -> None:
        entries = await tools.value("fs.list", path="sub", recursive=True, pattern="*.*")
        assert [entry["path"] for entry in entries] == ["sub/b.txt", "sub/deep/c.md"]

    async def test_links_are_listed_and_not_followed(self, tools: BuiltIn, root: Path) -> None:
        (root / "sub" / "loop").symlink_to("..")
        (root / "out").symlink_to("/etc")
        kinds = {entry["path"]: entry["kind"] for entry in await tools.value("fs.list", recursive=True)}
        assert kinds["out"] == kinds["sub/loop"] == "link"
        assert not [path for path in kinds if path.startswith(("out/", "sub/loop/"))]

    async def test_names_that_are_no_text_are_left_out(self, tools: BuiltIn, root: Path) -> None:
        os.close(os.open(os.fsencode(root) + b"/\xff", os.O_CREAT | os.O_WRONLY))
        assert [entry["path"] for entry in await tools.value("fs.list")] == ["a.txt", "sub"]

    async def test_what_is_no_folder_is_refused(self, tools: BuiltIn) -> None:
        assert (await tools.failure("fs.list", path="a.txt")).type == "fs.not-a-folder"
        assert (await tools.failure("fs.list", path="none")).type == "fs.not-found"

    async def test_a_very_deep_tree_is_listed_or_refused(self, tools: BuiltIn, root: Path) -> None:
        folder = os.open(root, os.O_RDONLY)
        for _ in range(3000):
            os.mkdir("d", dir_fd=folder)
            inner = os.open("d", os.O_RDONLY, dir_fd=folder)
            os.close(folder)
            folder = inner
        os.close(folder)
        try:
            failed = await tools.failure("fs.list", recursive=True)
        finally:
            # Too deep for pytest's own cleaning.
            await asyncio.to_thread(subprocess.run, ["rm", "-rf", root / "d"], check=True)
        assert failed.type in ("fs.failed", "tool.raised")
        assert await tools.value("fs.read", path="a.txt") == "alpha\nbeta\n"


class TestRead:
    async def test_text_is_given_whole(self, tools: BuiltIn) -> None:
        assert await tools.value("fs.read", path="./sub/../sub//deep/c.md") == "gamma\n"

    async def test_parts_join_to_the_whole_at_any_cut(self, tools: BuiltIn, root: Path) -> None:
        text = "aé€😀" * 20
        (root / "text").write_text(text)
        for length in (1, 2, 3, 4, 5, 7):
            parts = [
                await tools.value("fs.read", path="text", offset=offset, length=length)
                for offset in range(0, len(text.encode()), length)
            ]
            assert "".join(parts) == text

    @pytest.mark.parametrize(("offset", "length"), [(-1, 5), (0, -1), (0, 5 * 2**20)])
    async def test_parts_have_limits(self, tools: BuiltIn, offset: int, length: int) -> None:
        assert (await tools.failure("fs.read", path="a.txt", offset=offset, length=length)).type == "fs.too-large"

    async def test_reading_past_the_end_gives_nothing(self, tools: BuiltIn) -> None:
        assert await tools.value("fs.read", path="a.txt", offset=1000) == ""

    async def test_a_huge_file_is_refused_with_its_size_and_read_in_parts(self, tools: BuiltIn, root: Path) -> None:
        with (root / "huge").open("wb") as file:
            file.truncate(10 * 2**30)
        failed = await tools.failure("fs.read", path="huge")
        assert failed.type == "fs.too-large"
        assert str(10 * 2**30) in failed.message
        assert await tools.value("fs.read", path="huge", offset=2**33, length=2) == "\0\0"

    async def test_binary_files_are_refused(self, tools: BuiltIn, root: Path) -> None:
        (root / "image").write_bytes(b"\x89PNG\xff\xfe")
        assert (await tools.failure("fs.read", path="image")).type == "fs.binary"

    async def test_what_is_no_file_is_refused_without_waiting_for_it(self, tools: BuiltIn, root: Path) -> None:
        os.mkfifo(root / "fifo")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(root / "socket"))
        for path in ("fifo", "socket", "sub"):
            assert (await tools.failure("fs.read", path=path)).type == "fs.not-a-file"

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can make devices")
    async def test_devices_are_refused(self, tools: BuiltIn, root: Path) -> None:
        os.mknod(root / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        assert (await tools.failure("fs.read", path="zero")).type == "fs.not-a-file"


class TestStat:
    async def test_a_path_is_described(self, tools: BuiltIn, root: Path) -> None:
        os.utime(root / "a.txt", (1_700_000_000, 1_700_000_000))
        assert await tools.value("fs.stat", path="sub/../a.txt") == {
            "path": "a.txt",
            "kind": "file",
            "size": 11,
            "modified": datetime.fromtimestamp(1_700_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        assert (await tools.value("fs.stat", path="."))["kind"] == "folder"

    async def test_nothing_is_nil(self, tools: BuiltIn) -> None:
        assert await tools.value("fs.stat", path="none") is None


class TestSearch:
    async def test_lines_are_found_in_order(self, tools: BuiltIn) -> None:
        assert await tools.value("fs.search", text="beta") == {
            "matches": [
                {"path": "a.txt", "line": 2, "text": "beta"},
                {"path": "sub/b.txt", "line": 1, "text": "Alpha beta"},
            ],
            "truncated": False,
            "skipped": 0,
        }

    async def test_case_names_and_number_may_be_chosen(self, tools: BuiltIn) -> None:
        found = await tools.value("fs.search", text="ALPHA", ignore_case=True, pattern="*.txt", limit=1)
        assert ([match["path"] for match in found["matches"]], found["truncated"]) == (["a.txt"], True)
        assert (await tools.value("fs.search", text="ALPHA"))["matches"] == []

    async def test_the_text_is_taken_literally(self, tools: BuiltIn, root: Path) -> None:
        (root / "pattern").write_text("(a+)+$\n")
        found = await tools.value("fs.search", text="(a+)+$")
        assert [match["path"] for match in found["matches"]] == ["pattern"]

    async def test_binary_files_and_links_are_not_searched(self, tools: BuiltIn, root: Path) -> None:
        (root / "binary").write_bytes(b"beta\0beta")
        (root / "link").symlink_to("../secret")
        found = await tools.value("fs.search", text="secret")
        assert (found["matches"], found["skipped"]) == ([], 1)

    @pytest.mark.parametrize("text", ["", "a\nb"])
    async def test_what_no_line_holds_is_refused(self, tools: BuiltIn, text: str) -> None:
        assert (await tools.failure("fs.search", text=text)).type == "fs.search-refused"


class TestWrite:
    async def test_a_file_and_its_folders_are_made(self, tools: BuiltIn, root: Path) -> None:
        written = await tools.value("fs.write", path="new/folder/file.txt", text="héllo")
        assert (root / "new/folder/file.txt").read_text() == "héllo"
        digest = "sha256:" + sha256("héllo".encode()).hexdigest()
        assert written == {"path": "new/folder/file.txt", "size": 6, "digest": digest}

    async def test_writing_again_gives_the_same_and_leaves_nothing_beside_it(self, tools: BuiltIn, root: Path) -> None:
        first = await tools.value("fs.write", path="sub/file", text="x")
        assert await tools.value("fs.write", path="sub/file", text="x") == first
        assert sorted(path.name for path in (root / "sub").iterdir()) == ["b.txt", "deep", "file"]

    async def test_a_readers_old_file_stays_whole(self, tools: BuiltIn, root: Path) -> None:
        (root / "a.txt").chmod(0o640)
        with (root / "a.txt").open() as reader:
            await tools.value("fs.write", path="a.txt", text="replaced")
            assert reader.read() == "alpha\nbeta\n"
        assert (root / "a.txt").read_text() == "replaced"
        assert stat.S_IMODE((root / "a.txt").stat().st_mode) == 0o640

    async def test_what_is_no_file_is_not_replaced(self, tools: BuiltIn, root: Path) -> None:
        os.mkfifo(root / "fifo")
        for path in ("sub", ".", "fifo"):
            assert (await tools.failure("fs.write", path=path, text="x")).type == "fs.not-a-file"
        assert (await tools.failure("fs.write", path="a.txt/x", text="x")).type == "fs.not-a-folder"


OUTSIDE = [
    "/etc/passwd",
    "../secret",
    "sub/../../secret",
    "sub/deep/../../../secret",
    "..",
    "absolute-link",
    "relative-link",
    "folder-link/secret",
    "chain",
    "absolute-link/../secret",
]


class TestNothingLeadsOutside:
    @pytest.fixture(autouse=True)
    def links(self, root: Path, tmp_path: Path) -> None:
        (root / "absolute-link").symlink_to(tmp_path / "secret")
        (root / "relative-link").symlink_to("../secret")
        (root / "folder-link").symlink_to("..")
        (root / "chain").symlink_to("sub/hop")
        (root / "sub" / "hop").symlink_to("../relative-link")

    @pytest.mark.parametrize("path", OUTSIDE)
    @pytest.mark.parametrize("name", ["fs.read", "fs.list", "fs.stat", "fs.search", "fs.write"])
    async def test_no_path_and_no_link(self, tools: BuiltIn, tmp_path: Path, name: str, path: str) -> None:
        more = {"fs.write": {"text": "owned"}, "fs.search": {"text": "secret"}}.get(name, {})
        failed = await tools.failure(name, path=path, **more)
        assert failed.type == "fs.outside-root"
        assert "secret alpha" not in failed.message
        assert (tmp_path / "secret").read_text() == "secret alpha"

    @pytest.mark.parametrize("path", ["a\0b", "x" * 300, "x/" * 3000, "loop"])
    async def test_hostile_names_are_failures(self, tools: BuiltIn, root: Path, path: str) -> None:
        (root / "loop").symlink_to("loop")
        failed = await tools.failure("fs.read", path=path)
        assert failed.type in ("fs.failed", "fs.not-found")

    async def test_a_link_within_the_root_is_followed(self, tools: BuiltIn, root: Path) -> None:
        (root / "sub" / "within").symlink_to("../a.txt")
        assert await tools.value("fs.read", path="sub/within") == "alpha\nbeta\n"
        await tools.value("fs.write", path="sub/within", text="through")
        assert (root / "a.txt").read_text() == "through"

    async def test_a_path_that_changes_under_the_walk_gives_no_secret(
        self, tools: BuiltIn, root: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "file").write_text("secret")
        (root / "real").mkdir()
        (root / "real" / "file").write_text("open")
        stop = threading.Event()

        def swap() -> None:
            while not stop.is_set():
                (root / "real").rename(root / "aside")
                (root / "real").symlink_to("../outside")
                (root / "real").unlink()
                (root / "aside").rename(root / "real")

        swapping = threading.Thread(target=swap)
        swapping.start()
        try:
            outcomes = [await tools.outcome("fs.read", path="real/file") for _ in range(300)]
        finally:
            stop.set()
            swapping.join()
        seen = {getattr(outcome, "value", None) or outcome.type for outcome in outcomes}
        assert seen <= {"open", "fs.outside-root", "fs.not-found", "fs.not-a-folder", "fs.failed"}

    async def test_a_root_that_is_not_there_says_which(self, tmp_path: Path) -> None:
        failed = await BuiltIn(tmp_path / "gone").failure("fs.list")
        assert failed.type == "fs.root"
        assert str(tmp_path / "gone") in failed.message
