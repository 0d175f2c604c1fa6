"""The order in which the definitions of a module can be worked out: each after what it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def components(needs: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """Give groups of numbers that need one another, each after the groups that it needs (Tarjan 1972).

    Where the order is free it is that of the numbers. No recursion, so that long chains are no matter.
    """
    order: list[list[int]] = []
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: list[int] = []
    held: set[int] = set()
    for root in sorted(needs):
        if root in index:
            continue
        work = [(root, 0)]
        while work:
            number, place = work.pop()
            if place == 0:
                index[number] = low[number] = len(index)
                waiting.append(number)
                held.add(number)
            following = needs[number]
            if place < len(following):
                work.append((number, place + 1))
                other = following[place]
                if other not in index:
                    work.append((other, 0))
                elif other in held:
                    low[number] = min(low[number], index[other])
                continue
            for other in following:
                if other in held:
                    low[number] = min(low[number], low[other])
            if low[number] == index[number]:
                group = [waiting.pop()]
                while group[-1] != number:
                    group.append(waiting.pop())
                held.difference_update(group)
                order.append(sorted(group))
    return order
