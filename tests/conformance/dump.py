"""``python -m tests.conformance.dump``: everything that is seen of every case, one line each."""

from __future__ import annotations

import sys

from tests.conformance.cases import Case, every_case
from tests.conformance.driving import drive


def line(case: Case) -> str:
    """Tell all of a case: its bytes, its source map, how it ended, what it asked, what it used up."""
    return f"{case.name} {drive(case)!r}"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line(case)}\n" for case in every_case())
