import asyncio
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.content.files import FileContentStore
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from tests.contracts.content_store import ContentStoreContract, address


@pytest.fixture
def store(tmp_path: Path) -> FileContentStore:
    return FileContentStore(tmp_path / "content")


def stored_file(folder: Path, data: bytes) -> Path:
    name = address(data).removeprefix("sha256:")
    return folder / "content" / "acme" / name[:2] / name


class TestFileContentStore(ContentStoreContract):
    async def test_damaged_bytes_are_never_returned(self, store: FileContentStore, tmp_path: Path) -> None:
        digest = await store.put("acme", b"honest", "text/plain")
        stored_file(tmp_path, b"honest").write_bytes(b"forged")
        with pytest.raises(StoredDataInvalid, match=r"6 bytes that do not have the digest .* restore it"):
            await store.get("acme", digest)

    async def test_putting_onto_damaged_bytes_says_so_instead_of_promising(
        self, store: FileContentStore, tmp_path: Path
    ) -> None:
        await store.put("acme", b"honest", "text/plain")
        stored_file(tmp_path, b"honest").write_bytes(b"")
        with pytest.raises(StoredDataInvalid):
            await store.put("acme", b"honest", "text/plain")

    async def test_a_second_store_on_the_folder_sees_the_content(self, store: FileContentStore, tmp_path: Path) -> None:
        digest = await store.put("acme", b"shared", "text/plain")
        assert await FileContentStore(tmp_path / "content").get("acme", digest) == b"shared"

    async def test_nothing_but_the_blob_is_left_and_only_the_owner_reads_it(
        self, store: FileContentStore, tmp_path: Path
    ) -> None:
        await store.put("acme", b"one", "text/plain")
        files = [path for path in (tmp_path / "content").rglob("*") if path.is_file()]
        assert files == [stored_file(tmp_path, b"one")]
        assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "content" / "acme").stat().st_mode) == 0o700

    async def test_it_lists_every_blob_and_nothing_else(self, store: FileContentStore, tmp_path: Path) -> None:
        assert [each async for each in store.listed()] == []
        wanted = {(tenant, await store.put(tenant, data, "")) for tenant in ("acme", "g-2_X") for data in (b"a", b"b")}
        digits = stored_file(tmp_path, b"a").name
        for stranger in (f".ledger/ab/{digits}", "acme/ab/short", f"acme/{digits[:2]}/{digits}.12.partial", "README"):
            (tmp_path / "content" / stranger).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "content" / stranger).write_bytes(b"?")
        assert {each async for each in store.listed()} == wanted

    async def test_a_folder_that_cannot_be_made_is_reported_with_its_path(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        store = FileContentStore(tmp_path / "file")
        with pytest.raises(ServiceUnreachable, match=str(tmp_path / "file")):
            await store.put("acme", b"x", "text/plain")

    async def test_a_writer_killed_in_the_middle_leaves_nothing_readable(self, tmp_path: Path) -> None:
        script = (
            "import asyncio, os, sys\n"
            "from pathlib import Path\n"
            "from adapters.content.files import FileContentStore\n"
            "os.fsync = lambda descriptor: os.kill(os.getpid(), 9)\n"
            "asyncio.run(FileContentStore(Path(sys.argv[1])).put('acme', b'half', 'text/plain'))\n"
        )
        folder = tmp_path / "content"
        stored_file(tmp_path, b"half").parent.mkdir(parents=True)
        killed = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script, str(folder)], check=False, cwd=Path.cwd(), env=os.environ
        )
        assert killed.returncode == -9
        assert not stored_file(tmp_path, b"half").exists()
        store = FileContentStore(folder)
        digest = await store.put("acme", b"half", "text/plain")
        assert await store.get("acme", digest) == b"half"
