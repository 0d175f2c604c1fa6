"""A reader that stops reading: one signal ends whoever writes, and what is written is whole where it is read."""

from __future__ import annotations

import fcntl
import select
import signal
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from infra.cli import exits

ROOT = Path(__file__).parents[3]
SIZE = 4 * 1024 * 1024
"""More than any pipe holds."""

WRITER = f"""
import sys
from infra.cli.invocation import complete
from infra.cli.piping import write_out
from infra.cli import exits


async def work():
    print("ready", file=sys.stderr, flush=True)
    for number in range(256):
        await write_out(bytes([97 + number % 26]) * {SIZE // 256})
    return exits.DONE


try:
    sys.exit(complete(work()))
except KeyboardInterrupt:
    sys.exit(exits.INTERRUPTED)
except exits.Terminated:
    sys.exit(exits.TERMINATED)
except BrokenPipeError:
    import os

    os._exit(exits.READER_GONE)
"""


def writer() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )


def until_it_waits(process: subprocess.Popen[bytes]) -> None:
    """Until the pipe is full: nothing more can be written to it."""
    assert process.stderr is not None
    assert process.stderr.readline() == b"ready\n"
    assert process.stdout is not None
    held, full = bytearray(4), fcntl.fcntl(process.stdout, fcntl.F_GETPIPE_SZ) - select.PIPE_BUF
    while int.from_bytes(held, sys.byteorder) <= full:
        select.select([], [], [], 0.01)
        fcntl.ioctl(process.stdout, termios.FIONREAD, held)


@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, exits.INTERRUPTED), (signal.SIGTERM, exits.TERMINATED)], ids=["ctrl-c", "term"]
)
def test_one_signal_ends_who_waits_for_a_reader(sent: signal.Signals, code: int) -> None:
    with writer() as process:
        until_it_waits(process)
        process.send_signal(sent)
        assert process.wait(timeout=30) == code
        assert process.stderr is not None
        assert process.stderr.read() == b"", "no traceback"


def test_what_is_read_late_is_whole() -> None:
    with writer() as process:
        until_it_waits(process)
        assert process.stdout is not None
        read = process.stdout.read()
        assert read == b"".join(bytes([97 + number % 26]) * (SIZE // 256) for number in range(256))
        assert process.wait(timeout=30) == exits.DONE


def test_a_reader_that_goes_away_ends_it() -> None:
    with writer() as process:
        until_it_waits(process)
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=30) == exits.READER_GONE


def test_files_and_what_is_no_file_are_written_to_as_ever(tmp_path: Path) -> None:
    file = tmp_path / "out"
    with file.open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", WRITER], cwd=ROOT, stdout=out, stderr=subprocess.DEVNULL, check=False
        )
    assert (done.returncode, file.stat().st_size) == (exits.DONE, SIZE)
