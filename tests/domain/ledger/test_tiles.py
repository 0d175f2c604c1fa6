"""Tiles: named as C2SP names them, and every proof is made from them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.errors import InvalidInput, StoredDataInvalid
from domain.kernel.merkle import (
    Tree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verifies_consistency,
    verifies_inclusion,
)
from domain.ledger.leaf import leaf_data, parts_of
from domain.ledger.tiles import ENTRIES, Tile, bundle, entries_of, node_of, tile_root, tiles_of


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0, 256), "tile/0/000"),
        (Tile(0, 0, 7), "tile/0/000.p/7"),
        (Tile(2, 1234067, 256), "tile/2/x001/x234/067"),
        (Tile(ENTRIES, 1000, 1), "tile/entries/x001/000.p/1"),
    ],
)
def test_paths(tile, path):
    assert tile.path == path


def written(leaves, steps):
    """The tiles that a ledger writes which grows in these steps."""
    kept, before = {}, 0
    for size in [*steps, len(leaves)]:
        for tile in tiles_of(size, before):
            if tile.level < 0:
                continue
            span = 256**tile.level
            first = tile.number * 256
            hashes = [root_of(leaves[at * span : (at + 1) * span]) for at in range(first, first + tile.width)]
            kept[tile.path] = b"".join(hashes)
        before = size
    return lambda tile: kept[tile.path]


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_proofs_are_made_from_tiles(data):
    size = data.draw(st.integers(1, 1500))
    leaves = [leaf_hash(index.to_bytes(4, "big")) for index in range(size)]
    steps = sorted(data.draw(st.lists(st.integers(1, size), max_size=3)))
    node, root = node_of(written(leaves, steps), size), root_of(leaves)
    assert Tree.at(size, node).root() == root
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    assert verifies_inclusion(leaves[index], index, size, inclusion_proof(index, size, node), root)
    assert verifies_consistency(old, size, consistency_proof(old, size, node), root_of(leaves[:old]), root)


def test_which_tiles_are_new():
    assert [tile.path for tile in tiles_of(70_000, 69_999)] == [
        "tile/entries/273.p/112",
        "tile/0/273.p/112",
    ]
    assert [tile.path for tile in tiles_of(512, 255)] == [
        "tile/entries/000",
        "tile/entries/001",
        "tile/0/000",
        "tile/0/001",
        "tile/1/000.p/2",
    ]
    assert list(tiles_of(5, 5)) == []
    assert list(tiles_of(0)) == []


def test_a_tile_stands_under_the_tile_above():
    leaves = [leaf_hash(b"%d" % index) for index in range(256)]
    assert tile_root(leaves) == root_of(leaves)


def test_entry_bundles():
    entries = [leaf_data(f"evt.0.t.run.r.{n}.X", f"id-{n}", b"x" * n) for n in range(5)]
    tile = Tile(ENTRIES, 0, 5)
    assert entries_of(bundle(entries), tile) == entries
    for wrong in (bundle(entries)[:-1], bundle(entries[:4]), bundle(entries) + b"\0", b"\xff"):
        with pytest.raises(StoredDataInvalid, match=r"entries/000\.p/5 does not hold 5 entries"):
            entries_of(wrong, tile)
    with pytest.raises(StoredDataInvalid, match="has 31 bytes, not 32"):
        node_of(lambda _: b"\0" * 31, 1)(0, 0)


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=20))
def test_a_leaf_says_one_thing_only(subject, identity, body):
    subject, identity = (each.encode(errors="replace").decode() for each in (subject, identity))
    read = parts_of(leaf_data(subject, identity, body))
    assert read[:2] == (subject, identity)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_leaf_or_refused(data):
    with pytest.raises(InvalidInput):
        parts_of(data)


def test_parts_too_long_for_a_leaf():
    with pytest.raises(InvalidInput, match="fits no leaf"):
        leaf_data("x" * 70_000, "id", b"")
