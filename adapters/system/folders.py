"""Folders on the disk."""

from __future__ import annotations

import os
from pathlib import Path


def flush_folder(folder: Path) -> None:
    """Put on the disk which files a folder has: a new name can be lost in a power cut even when its bytes are not.

    Raises ``OSError``, as the system does.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
