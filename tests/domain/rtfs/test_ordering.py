"""The order of definitions that need one another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from domain.rtfs.compiler.ordering import components

GRAPHS = st.integers(0, 8).flatmap(
    lambda size: st.lists(st.lists(st.integers(0, max(0, size - 1)), max_size=4), min_size=size, max_size=size)
)


def reachable(needs, start):
    seen, pending = set(), [start]
    while pending:
        for each in needs[pending.pop()]:
            if each not in seen:
                seen.add(each)
                pending.append(each)
    return seen


@given(GRAPHS)
def test_each_comes_after_what_it_needs_and_together_with_what_needs_it(edges):
    needs = {number: tuple(sorted(set(given))) for number, given in enumerate(edges)}
    found = components(needs)
    assert sorted(number for group in found for number in group) == sorted(needs)
    place = {number: at for at, group in enumerate(found) for number in group}
    for number, others in needs.items():
        assert all(place[other] <= place[number] for other in others)
        for other in needs:
            together = other == number or (other in reachable(needs, number) and number in reachable(needs, other))
            assert (place[other] == place[number]) is together


def test_what_needs_nothing_keeps_its_order():
    assert components({0: (), 1: (), 2: ()}) == [[0], [1], [2]]
    assert components({0: (2,), 1: (), 2: ()}) == [[2], [0], [1]]


def test_long_chains_take_no_stack():
    size = 20_000
    needs = {number: (number + 1,) if number < size - 1 else () for number in range(size)}
    assert components(needs)[0] == [size - 1]
