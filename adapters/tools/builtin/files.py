"""`fs.*`: files beneath the root."""

import fnmatch
import hashlib
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal, TypedDict

from adapters.tools.builtin.rooted import (
    Identity,
    Place,
    faults,
    identities,
    identity,
    kind_of,
    located,
    opened_file,
    opened_folder,
)
from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import tool

_LARGEST_READ = 4 * 1024 * 1024
_LARGEST_SEARCHED = 8 * 1024 * 1024
_LONGEST_LINE = 500
_MOST_ENTRIES = 100_000

Kind = Literal["file", "folder", "link", "other"]


class Entry(TypedDict):
    """One entry of a folder."""

    path: str
    kind: Kind
    size: int


class Status(TypedDict):
    """What is known of a path."""

    path: str
    kind: Kind
    size: int
    modified: datetime


class Match(TypedDict):
    """One line that holds the searched text; lines count from 1."""

    path: str
    line: int
    text: str


class Matches(TypedDict):
    """What a search found; `truncated` when there is more, `skipped` counts files that are binary or very large."""

    matches: list[Match]
    truncated: bool
    skipped: int


class Written(TypedDict):
    """What now stands in a file."""

    path: str
    size: int
    digest: str


@tool("fs.list", effects="read", timeout=20, tags=("files",))
def list_folder(context: ToolContext, path: str = ".", recursive: bool = False, pattern: str = "*") -> list[Entry]:
    """Entries of a folder, with kind and size in bytes, in order of names; links are listed, not followed.

    `pattern` is a shell pattern for the names, like "*.txt".
    """
    entries = []
    for found_path, status in _entries(context, path, recursive):
        if fnmatch.fnmatchcase(found_path.rpartition("/")[2], pattern):
            entries.append(Entry(path=found_path, kind=_kind(status), size=status.st_size))
        if len(entries) > _MOST_ENTRIES:
            raise ToolFault("fs.too-large", f"{path!r} has more than {_MOST_ENTRIES} entries; list a part of it")
    return entries


@tool("fs.read", effects="read", timeout=20, tags=("files",))
def read_file(context: ToolContext, path: str, offset: int = 0, length: int | None = None) -> str:
    """Text of a UTF-8 file.

    A file above 4 MiB is read in parts: the characters that begin in the `length` bytes from `offset` on.
    """
    with located(context.settings, path) as place, opened_file(place) as file, faults(path):
        size = os.fstat(file.fileno()).st_size
        wanted = max(size - offset, 0) if length is None else length
        if not (offset >= 0 and 0 <= wanted <= _LARGEST_READ):
            raise ToolFault(
                "fs.too-large",
                f"{path!r} has {size} bytes; read at most {_LARGEST_READ} at once, with an offset of 0 or more",
            )
        file.seek(offset)
        data = file.read(wanted + 3)
    try:
        return _whole_characters(data, wanted, offset).decode()
    except UnicodeDecodeError:
        raise ToolFault("fs.binary", f"{path!r} is not UTF-8 text") from None


@tool("fs.stat", effects="read", timeout=10, tags=("files",))
def stat_path(context: ToolContext, path: str) -> Status | None:
    """Kind, size in bytes and time of last change of a path, links followed within the root; nil if there is none."""
    with located(context.settings, path) as place:
        status = place.status
        if status is None:
            return None
        modified = datetime.fromtimestamp(status.st_mtime, UTC)
        return Status(path=place.path, kind=_kind(status), size=status.st_size, modified=modified)


@tool("fs.search", effects="read", timeout=60, tags=("files",))
def search_files(
    context: ToolContext,
    text: str,
    path: str = ".",
    pattern: str = "*",
    *,
    ignore_case: bool = False,
    limit: int = 200,
) -> Matches:
    """Lines that hold a text (taken literally), in files whose names match a shell pattern."""
    if not text or "\n" in text or not 1 <= limit <= 10_000:
        raise ToolFault("fs.search-refused", "give one line of text, not empty, and a limit between 1 and 10000")
    matches: list[Match] = []
    skipped = 0
    needle = text.casefold() if ignore_case else text
    for found_path, status in _entries(context, path, recursive=True):
        if _kind(status) != "file" or not fnmatch.fnmatchcase(found_path.rpartition("/")[2], pattern):
            continue
        content = _searchable(context, found_path, status)
        if content is None:
            skipped += 1
            continue
        for number, line in enumerate(content.split("\n"), 1):
            if needle in (line.casefold() if ignore_case else line):
                if len(matches) == limit:
                    return Matches(matches=matches, truncated=True, skipped=skipped)
                matches.append(Match(path=found_path, line=number, text=line[:_LONGEST_LINE]))
    return Matches(matches=matches, truncated=False, skipped=skipped)


@tool("fs.write", effects="write", idempotent=True, timeout=30, tags=("files",))
def write_file(context: ToolContext, path: str, text: str) -> Written:
    """Replace a file's content, making folders as needed. Readers see the old content or the new, never a part."""
    data = text.encode()
    with located(context.settings, path, make_folders=True) as place:
        if place.status is not None and kind_of(place.status) != "file":
            raise ToolFault("fs.not-a-file", f"{path!r} is a {kind_of(place.status)}; it is not replaced by a file")
        with faults(path):
            _replace(place, data)
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        return Written(path=place.path, size=len(data), digest=digest)


def _replace(place: Place, data: bytes) -> None:
    mode = 0o666 if place.status is None else place.status.st_mode & 0o777
    partial = f".{secrets.token_hex(8)}.partial"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(partial, flags, mode, dir_fd=place.folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        os.rename(partial, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    except OSError:
        os.unlink(partial, dir_fd=place.folder)
        raise
    os.fsync(place.folder)


def _entries(context: ToolContext, path: str, recursive: bool) -> Iterator[tuple[str, os.stat_result]]:
    with located(context.settings, path) as place:
        if place.status is None:
            raise ToolFault("fs.not-found", f"{path!r} does not exist in the root")
        if kind_of(place.status) != "folder":
            raise ToolFault("fs.not-a-folder", f"{path!r} is a {kind_of(place.status)}, not a folder")
        prefix = "" if place.path == "." else place.path + "/"
        with opened_folder(place) as folder:
            yield from _walk(folder, prefix, recursive, identities(context.settings.hidden))


def _walk(
    folder: int, prefix: str, recursive: bool, hidden: frozenset[Identity]
) -> Iterator[tuple[str, os.stat_result]]:
    with faults(prefix), os.scandir(folder) as scan:
        # Names that are not UTF-8 cannot be written in the language, so they cannot be asked for either.
        names = sorted(entry.name for entry in scan if _is_text(entry.name))
    for name in names:
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:  # removed since it was listed
            continue
        if identity(status) in hidden:
            continue
        yield prefix + name, status
        if recursive and kind_of(status) == "folder":
            yield from _walk_into(folder, name, prefix, status, hidden)


def _walk_into(
    folder: int, name: str, prefix: str, status: os.stat_result, hidden: frozenset[Identity]
) -> Iterator[tuple[str, os.stat_result]]:
    try:
        with opened_folder(Place(folder, name, prefix + name, status)) as inner:
            yield from _walk(inner, f"{prefix}{name}/", recursive=True, hidden=hidden)
    except ToolFault as fault:
        if fault.type not in ("fs.denied", "fs.not-found", "fs.not-a-folder", "fs.changed"):
            raise


def _searchable(context: ToolContext, path: str, status: os.stat_result) -> str | None:
    if status.st_size > _LARGEST_SEARCHED:
        return None
    try:
        with located(context.settings, path) as place, opened_file(place) as file:
            data = file.read(_LARGEST_SEARCHED)
        return None if b"\0" in data else data.decode()
    except (ToolFault, UnicodeDecodeError):
        return None


def _whole_characters(data: bytes, wanted: int, offset: int) -> bytes:
    """The characters that begin in the wanted bytes, so that page after page gives each of them once."""
    start, end = 0, min(wanted, len(data))
    while offset and start < end and _continues(data[start]):
        start += 1
    while start < end < len(data) and _continues(data[end]):
        end += 1
    return data[start:end]


def _continues(byte: int) -> bool:
    return byte & 0xC0 == 0x80


def _kind(status: os.stat_result) -> Kind:
    return kind_of(status)  # type: ignore[return-value]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
