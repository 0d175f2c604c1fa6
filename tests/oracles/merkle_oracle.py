"""Trees and proofs as pymerkle computes them, for who asks over JSON lines. Runs in ``.venv-oracles`` alone.

A request ``{"leaves": ["<hex>", …], "sizes": [n, …], "inclusion": [[index, size], …], "consistency": [[old, new], …]}``
is answered with ``{"roots": […], "inclusion": [[…], …], "consistency": [[…], …]}``, hashes in hex. Indices count from 0.

How its proofs map to RFC 9162 (each is verified by pymerkle itself before it is mapped):

- An inclusion path (2.1.3.1) begins with the leaf's own hash, which the RFC leaves out; the rest is the same.
- A consistency path (2.1.4.1) goes down to the leaf after the older tree, where the RFC stops at the subtree that begins
  there. So what precedes the first hash of the older tree is folded to that subtree's hash; it and that first hash
  change places, and the first is left out where it is the older tree's root. Between equal trees the RFC proves nothing.
"""

import json
import sys
from hashlib import sha256

from pymerkle import InmemoryTree, verify_consistency, verify_inclusion


def node(left, right):
    return sha256(b"\x01" + left + right).digest()


def included(tree, index, size):
    proof = tree.prove_inclusion(index + 1, size)
    verify_inclusion(tree.get_leaf(index + 1), tree.get_root(size), proof)
    return proof.path[1:]


def consistent(tree, old, new):
    proof = tree.prove_consistency(old, new)
    verify_consistency(tree.get_root(old), tree.get_root(new), proof)
    if old == new:
        return []
    after, place = proof.path[0], 1
    while not proof.subset[place]:
        bit, beside = proof.rule[place - 1], proof.path[place]
        after = node(beside, after) if bit else node(after, beside)
        place += 1
    is_root = old & (old - 1) == 0
    return [*([] if is_root else [proof.path[place]]), after, *proof.path[place + 1 :]]


def answered(request):
    tree = InmemoryTree(algorithm="sha256")
    for leaf in request["leaves"]:
        tree.append_entry(bytes.fromhex(leaf))
    return {
        "roots": [tree.get_root(size).hex() for size in request["sizes"]],
        "inclusion": [[each.hex() for each in included(tree, *of)] for of in request["inclusion"]],
        "consistency": [[each.hex() for each in consistent(tree, *of)] for of in request["consistency"]],
    }


for line in sys.stdin:
    sys.stdout.write(json.dumps(answered(json.loads(line))) + "\n")
    sys.stdout.flush()
