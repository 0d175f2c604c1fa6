"""The Merkle mathematics against an implementation that shares nothing with ours (``make oracles`` installs it)."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.merkle import (
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_of,
    verifies_consistency,
    verifies_inclusion,
)

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-oracles" / "bin" / "python"
ORACLE = Path(__file__).with_name("merkle_oracle.py")

needs_oracle = pytest.mark.skipif(not PYTHON.exists(), reason="the oracle is not installed: make oracles")


class Oracle:
    """The process that computes trees."""

    def __init__(self):
        self.process = subprocess.Popen(
            [PYTHON, "-I", ORACLE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, leaves, sizes=(), inclusion=(), consistency=()):
        request = {
            "leaves": [each.hex() for each in leaves],
            "sizes": sizes,
            "inclusion": inclusion,
            "consistency": consistency,
        }
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        proofs = [
            [[bytes.fromhex(each) for each in proof] for proof in answer[kind]] for kind in ("inclusion", "consistency")
        ]
        return [bytes.fromhex(each) for each in answer["roots"]], *proofs

    def close(self):
        self.process.communicate(timeout=30)
        assert self.process.returncode == 0


@pytest.fixture(scope="module")
def oracle():
    made = Oracle()
    yield made
    made.close()


def nodes_of(leaves):
    return lambda level, index: root_of(leaves[index << level : (index + 1) << level])


def compared(oracle, data, inclusion, consistency):
    """Roots of every size, and these proofs: theirs are ours to the byte, and verify."""
    sizes = range(len(data) + 1)
    leaves = [leaf_hash(each) for each in data]
    node = nodes_of(leaves)
    roots, included, consistent = oracle.ask(data, list(sizes), inclusion, consistency)
    assert roots == [root_of(leaves[:size]) for size in sizes]
    for (index, size), theirs in zip(inclusion, included, strict=True):
        assert theirs == inclusion_proof(index, size, node)
        assert verifies_inclusion(leaves[index], index, size, theirs, roots[size])
    for (old, new), theirs in zip(consistency, consistent, strict=True):
        assert theirs == consistency_proof(old, new, node)
        assert verifies_consistency(old, new, theirs, roots[old], roots[new])


@needs_oracle
def test_every_proof_of_every_small_tree(oracle):
    data = [b"%d" % place for place in range(34)]
    sizes = range(1, len(data) + 1)
    inclusion = [(index, size) for size in sizes for index in range(size)]
    consistency = [(old, new) for new in sizes for old in range(1, new + 1)]
    compared(oracle, data, inclusion, consistency)


@needs_oracle
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_trees_that_are_drawn(oracle, data):
    leaves = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=300))
    size = st.integers(1, len(leaves))
    pair = st.tuples(size, size).map(sorted)
    within = pair.map(lambda both: (both[0] - 1, both[1]))
    compared(oracle, leaves, data.draw(st.lists(within, max_size=20)), data.draw(st.lists(pair, max_size=20)))


@needs_oracle
@pytest.mark.parametrize("size", [1023, 1024, 1025, 4097])
def test_larger_trees_at_the_edges_of_powers_of_two(oracle, size):
    edges = sorted({1, 2, 255, 256, 257, 511, 512, 513, size // 2, size - 1, size})
    edges = [each for each in edges if each <= size]
    data = [place.to_bytes(4, "big") for place in range(size)]
    leaves = [leaf_hash(each) for each in data]
    (root,), included, consistent = oracle.ask(
        data, [size], [(each - 1, size) for each in edges], [(each, size) for each in edges]
    )
    assert root == root_of(leaves)
    for old, proof, shown in zip(edges, included, consistent, strict=True):
        assert verifies_inclusion(leaves[old - 1], old - 1, size, proof, root)
        assert verifies_consistency(old, size, shown, root_of(leaves[:old]), root)


def test_nothing_of_ours_imports_the_oracle():
    imports = re.compile(r"^\s*(?:from|import)\s+pymerkle\b", re.MULTILINE)
    folders = [
        ROOT / each
        for each in ("domain", "commands", "projections", "adapters", "infra", "tests", "benchmarks", "examples")
    ]
    found = [file for folder in folders for file in folder.rglob("*.py") if imports.search(file.read_text("utf-8"))]
    assert found == [ORACLE]
    for listing in ("pyproject.toml", "constraints.txt"):
        assert "pymerkle" not in (ROOT / listing).read_text()
