"""Files that appear complete, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def appearing(path: Path, *, durably: bool = True, replacing: bool = True) -> Iterator[BinaryIO]:
    """Write a file that only its owner can read, and that gets its name at the end of the block.

    What fails within the block leaves nothing behind; a crash leaves at most a file whose name ends in ``.partial``.

    ``durably``: its bytes are on the disk before it has its name; that the folder has that name is for the caller to
    flush. ``replacing``: also in the place of another file.

    Raises ``OSError`` as the system does; ``FileExistsError`` where it may not replace.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(8)}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            if durably:
                file.flush()
                os.fsync(descriptor)
        if replacing:
            partial.rename(path)
        else:
            path.hardlink_to(partial)  # as a rename would, but never in the place of another file
    finally:
        partial.unlink(missing_ok=True)
