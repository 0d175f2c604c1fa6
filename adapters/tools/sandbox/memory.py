"""Bounds the memory of a whole tree of sandboxed processes.

The kernel bounds each process (its address space); a control group could bound their sum, but to have one is the
business of whoever starts the worker. So the sum is looked at, some times a second, and a tree that holds too much is
ended. What is counted first is cheap and counts shared pages once for each process; a sum above the limit is counted
again by proportional shares (PSS), where every page counts once. See proc_pid_status(5) and proc_pid_smaps(5).
"""

import asyncio
from collections.abc import Iterator
from pathlib import Path

EVERY = 0.1
"""Seconds between two looks: at a gigabyte a second on each of a few processors, a limit is passed by some 100 MiB."""

_COUNTED = ("RssAnon:", "RssShmem:")
_KIBIBYTE = 1024


class MemoryExceeded(Exception):
    """The tree holds more than it may."""


async def watch_memory(first: int, most: int) -> None:
    """Look, for ever, at what the processes of a namespace hold; ``first`` is its first process, as seen from outside.

    Raises `MemoryExceeded` when they hold more than ``most`` bytes.
    """
    while True:
        await asyncio.sleep(EVERY)
        processes = _processes(first)
        if sum(map(_held, processes)) > most and await asyncio.to_thread(_shared_out, processes) > most:
            raise MemoryExceeded


def _processes(first: int) -> list[Path]:
    """Folders of the namespace's processes: from its own /proc, or from the machine's where that cannot be seen."""
    inside = Path("/proc", str(first), "root", "proc")
    try:
        # To us, who are not in it, nobody is `self` there; before it is mounted, the machine's own is seen.
        if (inside / "self").is_symlink() and (inside / "self").readlink():
            return []
    except FileNotFoundError:
        return [folder for folder in _numbered(inside) if _text(folder / "status")]
    except OSError:
        return list(_descendants(first))
    return []


def _numbered(folder: Path) -> list[Path]:
    try:
        return [each for each in folder.iterdir() if each.name.isdecimal()]
    except OSError:
        return []


def _descendants(first: int) -> Iterator[Path]:
    """A process whose parent has ended belongs to the first one, so that a walk down from there meets all."""
    children: dict[str, list[Path]] = {}
    for folder in _numbered(Path("/proc")):
        children.setdefault(_field(_text(folder / "status"), "PPid:"), []).append(folder)
    waiting = [Path(f"/proc/{first}")]
    while waiting:
        folder = waiting.pop()
        yield folder
        waiting.extend(children.get(folder.name, ()))


def _held(process: Path) -> int:
    status = _text(process / "status")
    return sum(int(_field(status, name) or 0) for name in _COUNTED) * _KIBIBYTE


def _shared_out(processes: list[Path]) -> int:
    """What the processes hold, each page counted once; where that cannot be read, as it was counted before."""
    return sum(_share(process) for process in processes)


def _share(process: Path) -> int:
    share = _field(_text(process / "smaps_rollup"), "Pss:")
    return int(share) * _KIBIBYTE if share else _held(process)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:  # it has ended, or is not ours to look at
        return ""


def _field(text: str, name: str) -> str:
    """The number of a line like ``RssAnon:  1024 kB``; empty where there is none."""
    _, found, rest = text.partition(name)
    return rest.split(maxsplit=1)[0] if found and rest.strip() else ""
