"""The tree against RFC 9162's own recursive definitions, its published vectors, and the laws of proofs."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.merkle import (
    EMPTY_ROOT,
    Tree,
    consistency_proof,
    full_nodes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verifies_consistency,
    verifies_inclusion,
)

# The leaves and roots of the reference tests of Certificate Transparency (RFC 6962 and RFC 9162 hash alike).
VECTOR_LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
VECTOR_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(leaves):
    """MTH of RFC 9162, 2.1.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(definition(leaves[:split]), definition(leaves[split:]))


def nodes_of(leaves):
    return lambda level, index: definition(leaves[index << level : (index + 1) << level])


def hashes(count, seed=b""):
    return [leaf_hash(seed + index.to_bytes(4, "big")) for index in range(count)]


def test_the_published_roots():
    assert root_of([]) == EMPTY_ROOT
    for size, root in enumerate(VECTOR_ROOTS, start=1):
        assert root_of(map(leaf_hash, VECTOR_LEAVES[:size])).hex() == root


@pytest.mark.parametrize("size", range(1, 70))
def test_every_proof_of_small_trees(size):
    leaves = hashes(size)
    node, root = nodes_of(leaves), definition(leaves)
    assert root_of(leaves) == Tree.at(size, node).root() == root
    for index in range(size):
        assert verifies_inclusion(leaves[index], index, size, inclusion_proof(index, size, node), root)
    for old in range(size + 1):
        proof = consistency_proof(old, size, node)
        assert verifies_consistency(old, size, proof, definition(leaves[:old]), root)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_proof_shows_nothing_else(data):
    size = data.draw(st.integers(1, 130))
    leaves = hashes(size)
    node, root = nodes_of(leaves), definition(leaves)
    index = data.draw(st.integers(0, size - 1))
    proof = inclusion_proof(index, size, node)
    other = data.draw(st.integers(0, size - 1))
    assert verifies_inclusion(leaves[other], other, size, proof, root) == (other == index)
    assert not verifies_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not verifies_inclusion(leaves[index], index, size, [*proof, root], root)
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        broken = [*proof]
        broken[place] = sha256(broken[place]).digest()
        assert not verifies_inclusion(leaves[index], index, size, broken, root)
        assert not verifies_inclusion(leaves[index], index, size, proof[:-1], root)


@given(st.integers(1, 130), st.data())
@settings(max_examples=300, deadline=None)
def test_a_rewritten_past_has_no_consistency_proof(new, data):
    leaves = hashes(new)
    old = data.draw(st.integers(1, new))
    edited = data.draw(st.integers(0, old - 1))
    rewritten = [*leaves]
    rewritten[edited] = leaf_hash(b"rewritten")
    proof = consistency_proof(old, new, nodes_of(rewritten))
    assert not verifies_consistency(old, new, proof, definition(leaves[:old]), definition(rewritten))
    good = consistency_proof(old, new, nodes_of(leaves))
    assert not verifies_consistency(old, new, good, definition(leaves[:old]), definition(rewritten))
    if good:
        assert not verifies_consistency(old, new, good[:-1], definition(leaves[:old]), definition(leaves))
        assert not verifies_consistency(old, new, [*good, good[0]], definition(leaves[:old]), definition(leaves))


@given(st.binary(max_size=64), st.integers(-3, 40), st.integers(-3, 40), st.lists(st.binary(max_size=40), max_size=8))
def test_hostile_proofs_are_refused_without_an_error(root, index, size, proof):
    assert not verifies_inclusion(root, index, size, proof, b"\0" * 32)
    if proof:
        assert not verifies_consistency(index, size, proof, b"\0" * 32, b"\1" * 32)


def test_proofs_grow_with_the_logarithm():
    size = 2**20 + 12345
    proof = inclusion_proof(777_777, size, lambda level, index: b"%32d" % (level * 2**40 + index))
    assert len(proof) <= 21
    assert len(full_nodes(0, size)) == size.bit_count()


def test_wrong_sizes_are_refused():
    with pytest.raises(ValueError, match="leaf 3 is not in a tree of 3"):
        inclusion_proof(3, 3, nodes_of(hashes(3)))
    with pytest.raises(ValueError, match="not larger"):
        consistency_proof(4, 3, nodes_of(hashes(3)))
    with pytest.raises(ValueError, match="2 full subtrees, not 1"):
        Tree(3, [b""])
