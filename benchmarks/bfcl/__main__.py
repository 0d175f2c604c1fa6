"""``python -m benchmarks.bfcl``: the BFCL benchmark without the installed command, with its knobs."""

from __future__ import annotations

import argparse
import sys

from infra.bench.bfcl.command import CONCURRENT, DURABILITIES, bench


def main() -> int:
    """Exit with 0 when it passed, 1 when not."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bfcl", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--entries", type=int, help="only the first so many of the 800")
    parser.add_argument("--concurrent", type=int, default=CONCURRENT, help="runs at once (default %(default)s)")
    parser.add_argument("--durability", choices=DURABILITIES, action="append", help="only this; default both")
    given = parser.parse_args()
    durabilities = given.durability or DURABILITIES
    passed = bench(as_json=given.json, durabilities=durabilities, concurrent=given.concurrent, entries=given.entries)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
