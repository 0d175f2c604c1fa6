from pathlib import Path

import pytest

from adapters.content.epochs import FileEpochStore
from adapters.memory.epochs import MemoryEpochStore
from domain.kernel.errors import ServiceUnreachable, StoredDataInvalid
from tests.contracts.epochs import EpochStoreContract, made


class TestFileEpochStore(EpochStoreContract):
    @pytest.fixture
    def epochs(self, tmp_path: Path) -> FileEpochStore:
        return FileEpochStore(tmp_path / "ledger")

    @pytest.fixture
    def again(self, tmp_path: Path) -> FileEpochStore:
        return FileEpochStore(tmp_path / "ledger")

    def test_other_files_and_what_is_half_written_count_for_nothing(
        self, epochs: FileEpochStore, tmp_path: Path
    ) -> None:
        epochs.keep(*made(0))
        for name in ("1.index", "2.json.0badcafe.partial", "-1.json", "x.json", "3.jsonl"):
            (tmp_path / "ledger/0/epochs" / name).write_bytes(b"x")
        assert [closed.epoch for closed in epochs.closed(0)] == [0]

    @pytest.mark.parametrize("data", [b"", b"{}", b"null", b"\xff", b"[" * 2000])
    def test_what_was_damaged_is_refused(self, epochs: FileEpochStore, tmp_path: Path, data: bytes) -> None:
        epochs.keep(*made(0))
        (tmp_path / "ledger/0/epochs/0.json").write_bytes(data)
        with pytest.raises(StoredDataInvalid, match=r"0\.json"):
            epochs.closed(0)

    def test_what_was_renamed_is_refused(self, epochs: FileEpochStore, tmp_path: Path) -> None:
        epochs.keep(*made(0))
        (tmp_path / "ledger/0/epochs/0.json").rename(tmp_path / "ledger/0/epochs/1.json")
        with pytest.raises(StoredDataInvalid, match="renamed"):
            epochs.closed(0)

    def test_a_folder_that_is_none_is_told(self, tmp_path: Path) -> None:
        (tmp_path / "ledger").write_text("x")
        epochs = FileEpochStore(tmp_path / "ledger")
        with pytest.raises(ServiceUnreachable, match="ledger"):
            epochs.keep(*made(0))
        with pytest.raises(ServiceUnreachable, match="ledger"):
            epochs.closed(0)


class TestMemoryEpochStore(EpochStoreContract):
    @pytest.fixture
    def epochs(self) -> MemoryEpochStore:
        return MemoryEpochStore()

    @pytest.fixture
    def again(self, epochs: MemoryEpochStore) -> MemoryEpochStore:
        return epochs
