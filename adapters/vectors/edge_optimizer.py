"""``python -m adapters.vectors.edge_optimizer SHARD PARENT [now]``: build the indexes of a copied shard, and end.

The engine holds the interpreter's lock all the while, a minute or more, in which the index process must answer.
Processors are taken only while nobody else wants them: beside a process that is merely nice, whoever wakes up waits
for milliseconds until its slice has ended. With ``now`` it is merely nice, for a machine that is never idle.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import Final

from qdrant_edge import EdgeShard

PR_SET_PDEATHSIG: Final = 1
LESS_URGENT: Final = 10


def main(path: str, parent: int, *, is_urgent: bool) -> None:
    """Optimize the shard in ``path``, at a low priority, and only while ``parent`` is there to take it."""
    if sys.platform == "linux":  # prctl(2)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit("the index process ended first")
    os.nice(LESS_URGENT)
    if sys.platform == "linux" and not is_urgent:  # sched(7)
        with suppress(OSError):  # some sandboxes forbid it
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    shard = EdgeShard.load(path)
    shard.optimize()
    shard.flush()
    shard.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), is_urgent="now" in sys.argv[3:])
