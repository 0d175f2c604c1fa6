import stat

import pytest

from adapters.content.tiles import FileTileStore
from domain.kernel.errors import ServiceUnreachable
from domain.ledger.tiles import ENTRIES, Tile
from tests.contracts.ledger import TileStoreContract, shard

__all__ = ["shard"]


class TestFileTiles(TileStoreContract):
    @pytest.fixture
    def tiles(self, tmp_path):
        return FileTileStore(tmp_path / "ledger")

    async def test_they_lie_where_other_clients_look(self, tiles, tmp_path):
        await tiles.put_tiles(3, [(Tile(ENTRIES, 1000, 9), b"x"), (Tile(2, 5, 256), b"y")])
        found = [path for path in (tmp_path / "ledger").rglob("*") if path.is_file()]
        assert {str(path.relative_to(tmp_path / "ledger")) for path in found} == {
            "3/tile/entries/x001/000.p/9",
            "3/tile/2/005",
        }
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in found)

    async def test_a_folder_that_cannot_be_made(self, tmp_path):
        (tmp_path / "ledger").write_text("a file")
        with pytest.raises(ServiceUnreachable, match="the tile store cannot write"):
            await FileTileStore(tmp_path / "ledger").put_tiles(0, [(Tile(0, 0, 1), b"x")])
        with pytest.raises(ServiceUnreachable, match="the tile store cannot read"):
            await FileTileStore(tmp_path / "ledger").tile(0, Tile(0, 0, 1))
