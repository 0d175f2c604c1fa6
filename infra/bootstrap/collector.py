"""Python's collector of garbage, for processes that make and forget many small objects."""

from __future__ import annotations

import gc


def relieve_collector() -> None:
    """Look for garbage less often, and not in what a process starts with, which lives as long as it does.

    The defaults took a quarter of the processor time of a worker under load, and doubled its slowest steps; of a replay
    of many runs they took a seventh. What is young is looked through after 2,000 objects: after 10,000 it takes the
    same time altogether, in pauses of 4 to 6 ms, since a program that was loaded leaves cycles behind.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(2_000, 20, 25)
