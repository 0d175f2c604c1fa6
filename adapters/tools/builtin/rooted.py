"""Finds files beneath one folder, whatever the path says and whoever changes the folder meanwhile.

A path is walked one name at a time from an open descriptor, and no name is followed blindly: a symbolic link is read
and walked in the same way, so that neither `..`, nor an absolute path, nor a link (even one put there a moment ago)
leads outside. What is found is opened by its name in its open folder and then compared with what was found. What is
hidden is known by what it is, and not by its name: a second name of it leads there as little.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from adapters.tools.context import ToolFault
from adapters.tools.settings import ToolSettings

Identity: TypeAlias = tuple[int, int]
"""Device and number of a file: what it is, whatever it is called."""

_MOST_LINKS = 40
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}


@dataclass(frozen=True, slots=True)
class Place:
    """A name in an open folder; the folder is closed by whoever asked for the place."""

    folder: int
    name: str
    """`.` for the folder itself."""
    path: str
    """Path from the root, without links and dots."""
    status: os.stat_result | None
    """None when nothing of that name exists."""


@contextlib.contextmanager
def located(settings: ToolSettings, path: str, *, make_folders: bool = False) -> Iterator[Place]:
    """Find a place beneath the root. Fails as `fs.outside-root`, `fs.not-found`, `fs.not-a-folder`, `fs.denied`."""
    walk = _Walk(settings.root, path, make_folders, identities(settings.hidden))
    try:
        with faults(path):
            place = walk.run()
        yield place
    finally:
        walk.close()


@contextlib.contextmanager
def faults(path: str) -> Iterator[None]:
    """Translate what the system says about a path, once."""
    try:
        yield
    except FileNotFoundError:
        raise ToolFault("fs.not-found", f"{path!r} does not exist in the root") from None
    except NotADirectoryError:
        raise ToolFault("fs.not-a-folder", f"a part of {path!r} is not a folder") from None
    except PermissionError:
        raise ToolFault("fs.denied", f"the worker may not open {path!r}") from None
    except (OSError, ValueError) as error:
        raise ToolFault("fs.failed", f"{path[:200]!r}: {getattr(error, 'strerror', None) or error}") from error


@contextlib.contextmanager
def opened_file(place: Place) -> Iterator[BinaryIO]:
    """Open a regular file for reading. Fails as `fs.not-found`, or `fs.not-a-file` for anything that is no file."""
    if place.status is None:
        raise ToolFault("fs.not-found", f"{place.path!r} does not exist in the root")
    if not stat.S_ISREG(place.status.st_mode):
        raise ToolFault("fs.not-a-file", f"{place.path!r} is a {kind_of(place.status)}, not a file with content")
    with faults(place.path):
        descriptor = os.open(place.name, _FILE, dir_fd=place.folder)
    with os.fdopen(descriptor, "rb") as file:
        _check_same(place, os.fstat(descriptor))
        yield file


@contextlib.contextmanager
def opened_folder(place: Place) -> Iterator[int]:
    """Open a folder for listing; gives its descriptor."""
    with faults(place.path):
        descriptor = os.open(place.name, _FOLDER, dir_fd=place.folder)
    try:
        if place.status is not None:
            _check_same(place, os.fstat(descriptor))
        yield descriptor
    finally:
        os.close(descriptor)


def _check_same(place: Place, found: os.stat_result) -> None:
    if place.status is None or identity(found) != identity(place.status):
        raise ToolFault("fs.changed", f"{place.path!r} was replaced while it was opened", retryable=True)


def identity(status: os.stat_result) -> Identity:
    """What a file is."""
    return status.st_dev, status.st_ino


def identities(paths: Iterable[Path]) -> frozenset[Identity]:
    """What lies at these paths now; where nothing does, there is nothing to be seen either."""
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found.add(identity(path.stat()))
    return frozenset(found)


def kind_of(status: os.stat_result) -> str:
    """Name the kind of a directory entry: file, folder, link, other."""
    return KINDS.get(stat.S_IFMT(status.st_mode), "other")


class _Walk:
    def __init__(self, root: Path, path: str, make_folders: bool, hidden: frozenset[Identity]) -> None:
        self._path = path
        self._hidden = hidden
        self._make_folders = make_folders
        self._links = 0
        self._pending = self._parts(path)
        self._names: list[str] = []
        self._folders: list[int] = []
        try:
            self._folders.append(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except OSError as error:
            raise ToolFault("fs.root", f"the root {root} (toolbox.root) cannot be opened: {error.strerror}") from error

    def run(self) -> Place:
        while self._pending:
            name = self._pending.pop()
            if name == "..":
                self._up()
                continue
            status = self._status(name)
            if status is not None and stat.S_ISLNK(status.st_mode):
                self._follow(name)
            elif not self._pending:
                return Place(self._folders[-1], name, "/".join([*self._names, name]), status)
            else:
                self._down(name, status)
        return Place(self._folders[-1], ".", "/".join(self._names) or ".", self._seen(os.fstat(self._folders[-1])))

    def close(self) -> None:
        while self._folders:
            os.close(self._folders.pop())

    def _parts(self, path: str) -> list[str]:
        if path.startswith("/"):
            raise self._outside("it is absolute; paths start at the root")
        return [part for part in reversed(path.split("/")) if part not in ("", ".")]

    def _status(self, name: str) -> os.stat_result | None:
        try:
            return self._seen(os.stat(name, dir_fd=self._folders[-1], follow_symlinks=False))
        except FileNotFoundError:
            return None

    def _seen(self, status: os.stat_result) -> os.stat_result:
        if identity(status) in self._hidden:
            raise ToolFault("fs.denied", f"{self._path[:200]!r} leads to what is Precedent's own; no tool sees that")
        return status

    def _up(self) -> None:
        if len(self._folders) == 1:
            raise self._outside("its '..' leads above the root")
        os.close(self._folders.pop())
        self._names.pop()

    def _down(self, name: str, status: os.stat_result | None) -> None:
        if status is None and self._make_folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o777, dir_fd=self._folders[-1])
        self._folders.append(os.open(name, _FOLDER, dir_fd=self._folders[-1]))
        self._names.append(name)
        self._seen(os.fstat(self._folders[-1]))  # another may have taken its name since

    def _follow(self, name: str) -> None:
        self._links += 1
        if self._links > _MOST_LINKS:
            raise ToolFault("fs.failed", f"{self._path!r} goes through more than {_MOST_LINKS} links")
        target = os.readlink(name, dir_fd=self._folders[-1])
        if target.startswith("/"):
            raise self._outside(f"the link {name!r} in it leads to an absolute path")
        self._pending.extend(self._parts(target))

    def _outside(self, reason: str) -> ToolFault:
        return ToolFault("fs.outside-root", f"{self._path[:200]!r} leaves the root: {reason}")
