"""A ledger that grows step by step has the tree and the tiles of one that was made at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.errors import StoredDataInvalid
from domain.kernel.merkle import Tree, leaf_hash, root_of
from domain.ledger.growth import Growth
from domain.ledger.tiles import node_of, tiles_of


def leaves(count):
    return [b"leaf %d" % index for index in range(count)]


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_growth_in_steps_with_restarts(data):
    entries = leaves(data.draw(st.sampled_from([0, 1, 255, 256, 257, 700, 3000])))
    kept, growth, at = {}, Growth(), 0
    while at < len(entries):
        step = data.draw(st.integers(1, 900))
        growth.append(entries[at : at + step])
        at = min(len(entries), at + step)
        kept.update({tile.path: written for tile, written in growth.take()})
        assert growth.size == at
        root = root_of(map(leaf_hash, entries[:at]))
        assert growth.tree().root() == root
        assert {tile.path for tile in tiles_of(at)} <= kept.keys()
        assert Tree.at(at, node_of(lambda tile: kept[tile.path], at)).root() == root
        if data.draw(st.booleans()):
            growth = Growth.at(at, lambda tile: kept[tile.path])
            assert growth.size == at
            assert growth.tree().root() == root


def test_a_tree_of_three_levels():
    count = 256 * 256 + 300
    growth = Growth()
    growth.append(leaves(count))
    tiles = dict(growth.take())
    assert [tile.path for tile in tiles if tile.level == 2] == ["tile/2/000.p/1"]
    assert set(tiles) == set(tiles_of(count))
    assert growth.take() == [(tile, tiles[tile]) for tile in tiles if tile.width < 256]


def test_full_tiles_are_given_once():
    growth = Growth()
    growth.append(leaves(256))
    assert [tile.path for tile, _ in growth.take()] == ["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]
    assert [tile.path for tile, _ in growth.take()] == ["tile/1/000.p/1"]


def test_damaged_tiles_are_refused():
    with pytest.raises(StoredDataInvalid):
        Growth.at(5, lambda _: b"x")
