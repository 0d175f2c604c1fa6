"""What a sandboxed command may use, what it is asked, and what it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """The ceilings of one sandboxed command. Each is enforced by the kernel or by the caller's clock, never by trust.

    `memory_bytes` and `file_bytes` hold for each process; `tree_bytes` and `processes` for the whole tree, and
    `scratch_bytes` is what /tmp and the private working directory may hold (each).
    """

    seconds: float = 30.0
    """Wall-clock time until the whole process tree is killed."""
    cpu_seconds: int = 30
    """Processor time of one process."""
    memory_bytes: int = 512 * MEBIBYTE
    """Address space of one process."""
    tree_bytes: int = 1024 * MEBIBYTE
    """Memory in use by all processes together, each page counted once; looked at some times a second."""
    file_bytes: int = 16 * MEBIBYTE
    """Size of one written file."""
    scratch_bytes: int = 64 * MEBIBYTE
    """Size of each private writable folder (they live in memory)."""
    processes: int = 32
    """Processes and threads at once, in the whole tree."""
    open_files: int = 128
    """File descriptors of one process."""
    output_bytes: int = 256 * 1024
    """Bytes kept of standard output, and of standard error; more is counted and left out."""
    flood_bytes: int = 64 * MEBIBYTE
    """Bytes of output after which the command is killed."""


@dataclass(frozen=True, kw_only=True)
class SandboxedCommand:
    """One command to run where it can neither reach the network nor change this machine."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    root: Path | None = None
    """A folder that becomes the working directory; without it the working directory is private, empty and writable."""
    root_writable: bool = False
    hidden: tuple[Path, ...] = ()
    """Files and folders of which nothing is seen, should they lie beneath the root."""
    interpreter: bool = False
    """Whether this process's Python installation is readable in the sandbox, at `PYTHON`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Absolute path in the sandbox -> content of a read-only file to put there."""


@dataclass(frozen=True, kw_only=True)
class SandboxResult:
    """How a sandboxed command ended, with what it printed."""

    exit_code: int | None
    """As a shell reports it (128 + signal for a killed command); None when the sandbox killed the tree."""
    stdout: bytes
    stderr: bytes
    stdout_omitted: int
    """Bytes of standard output beyond the limit, which were left out."""
    stderr_omitted: int
    duration: float
    """Seconds of wall-clock time."""
    timed_out: bool
    flooded: bool
    """Whether it was killed for printing without end."""
    overfull: bool = False
    """Whether it was killed for what its processes held together."""

    def transcript(self) -> bytes:
        """Both streams with headings, as a person reads them; what was left out is said."""
        return b"".join(
            [
                _section(b"stdout", self.stdout, self.stdout_omitted),
                _section(b"stderr", self.stderr, self.stderr_omitted),
            ]
        )


def _section(name: bytes, kept: bytes, omitted: int) -> bytes:
    end = b"" if not kept or kept.endswith(b"\n") else b"\n"
    note = b"[%d more bytes left out]\n" % omitted if omitted else b""
    return b"--- %s\n" % name + kept + end + note
