"""Files with secrets, which only their owner may read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

LARGEST: Final = 10_000
"""Bytes that are read: keys, PINs and credentials are shorter."""


class ReadableByOthers(Exception):  # says what is wrong
    """Others than its owner may read a file; the message names it and the way out."""


def read_private(path: Path, way_out: str) -> bytes:
    """Give the beginning of a file that only its owner can read.

    ``way_out``: what to do where others may have read it. Raises ``ReadableByOthers``, ``OSError``.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)  # of what is read, whatever has the name by then
        if mode & 0o077:
            raise ReadableByOthers(
                f"{path} has the mode {mode:04o}, so that others can read it: chmod 600 {path}, and {way_out} if they "
                "may have"
            )
        return file.read(LARGEST)
