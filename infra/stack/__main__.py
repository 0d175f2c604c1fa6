"""The process behind ``precedent up --detach``; it is started by ``up_detached`` and by nothing else."""

from __future__ import annotations

import logging
import sys

from infra.stack.commands import run_detached

if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    sys.exit(run_detached(sys.stdin.buffer.read(), int(sys.argv[1])))
