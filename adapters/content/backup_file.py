"""A backup as one file: a plain tar archive of few kinds of files, the last of them a list of all with their digests.

So a backup that was cut or damaged is told before anything of it is used, and where; that its events are genuine is
told by the signed checkpoint inside, to whoever brings the key.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar, Final, Self

from adapters.system.folders import flush_folder
from adapters.system.whole_files import appearing
from domain.kernel.errors import PrecedentError

FORMAT: Final = "precedent-backup/1"
LIST: Final = "manifest.json"
LARGEST_LIST: Final = 1024 * 1024 * 1024
"""Bytes of the list of files."""

_NAME: Final = re.compile(
    r"checkpoints\.jsonl|configuration\.yaml|ledger\.key"
    r"|segments/0/[0-9]{20}-[0-9]{20}\.segment\.gz|content/[A-Za-z0-9_-]{1,64}/[0-9a-f]{2}/[0-9a-f]{64}"
)
_CHUNK: Final = 1024 * 1024


class BackupNotWritten(PrecedentError):
    """Free some space, or name a file that can be written; what was begun is gone, and nothing else was touched."""

    code: ClassVar[str] = "backup.not-written"


class BackupDamaged(PrecedentError):
    """The backup is not what was written: take another copy of it; nothing was restored from this one."""

    code: ClassVar[str] = "backup.damaged"


class BackupInvalid(PrecedentError):
    """Name a file that `precedent backup` wrote."""

    code: ClassVar[str] = "backup.invalid"


class BackupWriter:
    """Writes one backup. It appears under its name complete, or not at all."""

    def __init__(self) -> None:
        """Use ``writing``."""
        self._files: dict[str, dict[str, Any]] = {}

    @classmethod
    @contextmanager
    def writing(cls, path: Path) -> Iterator[Self]:
        """Write within a block; what fails there leaves nothing behind. Raises ``BackupNotWritten``."""
        if path.exists():
            raise BackupNotWritten(f"{path}: this is there already; name another file")
        writer = cls()
        try:
            with (
                appearing(path) as file,
                tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive,
            ):
                writer._archive = archive
                yield writer
            _flush_folder(path.parent)
        except OSError as error:
            raise BackupNotWritten(f"{path}: {error.strerror or error}") from error

    def add(self, name: str, data: bytes) -> None:
        """Add a file."""
        self._files[name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        self._put(name, data)

    def finish(self, about: dict[str, Any]) -> None:
        """Add the list of files, with what else there is to know. The last thing to do."""
        document = {"format": FORMAT, **about, "files": self._files}
        self._put(LIST, json.dumps(document, indent=1).encode())

    def _put(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(data), 0o600
        self._archive.addfile(member, io.BytesIO(data))

    _archive: tarfile.TarFile


class BackupReader:
    """Reads one backup, and believes nothing of it."""

    def __init__(self, path: Path, archive: tarfile.TarFile) -> None:
        """Use ``reading``."""
        self._path = path
        self._archive = archive
        self._members = self._listed()
        self.about = self._about()

    @classmethod
    @contextmanager
    def reading(cls, path: Path) -> Iterator[Self]:
        """Read within a block. Raises ``BackupInvalid``, ``BackupDamaged``."""
        try:
            file = path.open("rb")
        except OSError as error:
            raise BackupInvalid(f"{path}: {error.strerror}; name a backup that can be read") from None
        with file:
            try:
                archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115  # closed with the file
            except (tarfile.TarError, ValueError) as error:
                raise BackupInvalid(f"{path}: this is no backup, or its beginning was damaged: {error}") from None
            yield cls(path, archive)

    def names(self) -> list[str]:
        """Every file but the list itself."""
        return list(self._members)

    def copy(self, name: str, target: IO[bytes]) -> None:
        """Give a file's bytes, verified. Raises ``BackupDamaged``."""
        digest = hashlib.sha256()
        source = self._archive.extractfile(self._members[name])
        assert source is not None
        try:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
                target.write(chunk)
        except tarfile.TarError as error:
            raise self._damaged(name, str(error)) from None
        if digest.hexdigest() != self.about["files"][name]["sha256"]:
            raise self._damaged(name, "its bytes do not have the digest that the list of files says")

    def read(self, name: str) -> bytes:
        """Give a small file's bytes. Raises as ``copy``."""
        target = io.BytesIO()
        self.copy(name, target)
        return target.getvalue()

    def _listed(self) -> dict[str, tarfile.TarInfo]:
        members: dict[str, tarfile.TarInfo] = {}
        try:
            for member in self._archive:
                if (
                    member.name in members
                    or not member.isreg()
                    or not (_NAME.fullmatch(member.name) or member.name == LIST)
                ):
                    raise self._damaged(member.name[:200], "no backup has such a file, or not twice")
                members[member.name] = member
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise self._cut(members, str(error)) from None
        if LIST not in members:
            raise self._cut(members, "the list of files at its end is missing")
        return members

    def _about(self) -> dict[str, Any]:
        member = self._members.pop(LIST)
        source = self._archive.extractfile(member)
        assert source is not None
        if member.size > LARGEST_LIST:
            raise self._damaged(LIST, f"it has {member.size} bytes")
        try:
            about = json.loads(source.read())
            if about["format"] != FORMAT:
                raise BackupInvalid(f"{self._path}: this is a {str(about['format'])[:40]!r}, not a {FORMAT}")
            files = {name: (int(each["size"]), str(each["sha256"])) for name, each in about["files"].items()}
            str(about["checkpoint"]), int(about["events"])
        except (ValueError, KeyError, TypeError, AttributeError, tarfile.TarError, RecursionError) as error:
            raise self._damaged(LIST, f"it cannot be read ({error})") from None
        for name in files.keys() ^ self._members.keys():
            raise self._damaged(name, "it is missing" if name in files else "it is not in the list of files")
        for name, (size, _) in files.items():
            if self._members[name].size != size:
                raise self._damaged(name, f"it has {self._members[name].size} bytes, not {size}")
        return dict(about)

    def _damaged(self, name: str, problem: str) -> BackupDamaged:
        return BackupDamaged(f"{self._path}: {name}: {problem}")

    def _cut(self, members: dict[str, tarfile.TarInfo], problem: str) -> BackupDamaged:
        last = next(reversed(members), None)
        where = f"after {last} (byte {members[last].offset_data})" if last else "at its beginning"
        return BackupDamaged(f"{self._path}: it was cut or damaged {where}: {problem}")


def _flush_folder(folder: Path) -> None:
    try:
        flush_folder(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing, as of a memory stick
            raise
