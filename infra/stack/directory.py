"""The data directory: what lies where, who may read it, and the lock that keeps a second supervisor out."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pwd
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from infra.stack.errors import DataDirectoryRefused, StackAlreadyRunning

#: A Unix socket's path has 108 bytes with its closing zero on Linux and 104 elsewhere.
_LONGEST_SOCKET_PATH = 103
_SOCKET_NAME = ".s.PGSQL.5432"
_LOCK = "stack.lock"
#: The content store's directory, which may be used before any stack runs here.
_CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Account:
    """A system account that a server runs as."""

    name: str
    uid: int
    gid: int


def account_for_database() -> Account | None:
    """The account PostgreSQL runs as; None for our own. PostgreSQL refuses to run as root, and so root gives it away.

    Raises:
        DataDirectoryRefused: root has no account to give it to.

    """
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise DataDirectoryRefused(
            "PostgreSQL does not run as root and this system has no account 'nobody' for it: "
            "run as an ordinary user, or set database.url to a server of your own"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """Paths below one data directory."""

    root: Path
    account: Account | None

    @property
    def broker(self) -> Path:
        """JetStream's store."""
        return self.root / "nats"

    @property
    def broker_config(self) -> Path:
        """Written at each start."""
        return self.root / "nats.conf"

    @property
    def database(self) -> Path:
        """PostgreSQL's cluster."""
        return self.root / "postgres"

    @property
    def logs(self) -> Path:
        """One file a component."""
        return self.root / "logs"

    @property
    def ready_files(self) -> Path:
        """Where services say that they are ready."""
        return self.root / "ready"

    @property
    def sockets(self) -> Path:
        """Where PostgreSQL listens: in the data directory, or in a short one of its own where that path is too long."""
        inside = self.root / "pg"
        if len(os.fsencode(inside / _SOCKET_NAME)) <= _LONGEST_SOCKET_PATH:
            return inside
        digest = hashlib.sha256(os.fsencode(self.root)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"precedent-{os.geteuid()}-{digest}"

    def tidy(self) -> None:
        """Remove what lies outside the data directory, when the stack has stopped."""
        if self.sockets.parent != self.root:
            with suppress(OSError):
                self.sockets.rmdir()

    @classmethod
    def prepare(cls, root: Path) -> DataDirectory:
        """Make the directories with their owners and modes.

        Raises:
            DataDirectoryRefused: it cannot be made, or PostgreSQL's account could not reach it.

        """
        account = account_for_database()
        directory = cls(root.resolve(), account)
        if account is not None:
            _refuse_private_parent(directory.root, account)
        _refuse_foreign_files(directory.root)
        try:
            _make(directory.root, account)
            for ours in (directory.broker, directory.logs, directory.ready_files):
                _own(ours, None)
            _own(directory.sockets, account)
        except OSError as error:
            raise DataDirectoryRefused(
                f"data: {directory.root}: {error.strerror} ({error.filename}); "
                "name another directory as `data` in precedent.yaml or in PRECEDENT_DATA"
            ) from None
        return directory


def _make(root: Path, account: Account | None) -> None:
    for missing in [parent for parent in reversed(root.parents) if not parent.exists()]:
        missing.mkdir()
        if account is not None:
            missing.chmod(0o755)
    root.mkdir(exist_ok=True)
    # As root, another account must walk through; nobody but us may list what lies here.
    root.chmod(0o711 if account else 0o700)
    (root / _LOCK).touch(0o600)


def _own(directory: Path, account: Account | None) -> None:
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    owner = account.uid if account else os.geteuid()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (owner, os.geteuid()):
        raise PermissionError(1, "belongs to someone else", str(directory))
    directory.chmod(0o700)
    if account is not None:
        os.chown(directory, account.uid, account.gid)


def _refuse_foreign_files(root: Path) -> None:
    # Its mode is about to change: someone's --data /tmp must not close /tmp to everyone else.
    if not root.exists() or (root / _LOCK).exists():
        return
    if not root.is_dir() or {entry.name for entry in root.iterdir()} - {_CONTENT}:
        raise DataDirectoryRefused(
            f"data: {root}: this holds other files: name a directory of its own with --data, it is made when missing"
        )


def _refuse_private_parent(root: Path, account: Account) -> None:
    for parent in reversed(root.parents):
        if parent.exists() and not may_enter(parent, account):
            raise DataDirectoryRefused(
                f"data: {root}: as root, PostgreSQL runs as '{account.name}', which may not enter {parent}: "
                f"use --data /var/lib/precedent/{root.name.lstrip('.') or 'data'} (or PRECEDENT_DATA), "
                f"or run as an ordinary user, or set database.url"
            )


def may_enter(directory: Path, account: Account) -> bool:
    """Whether the account may walk through the directory, by owner, group and mode."""
    found = directory.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)


class StackLock:
    """Held by the one supervisor of a data directory. The kernel lets go when its holder ends, however it ends."""

    def __init__(self, root: Path) -> None:
        """Name the lock of a data directory; nothing is taken yet."""
        self._root = root
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it, or say who has it.

        Raises:
            StackAlreadyRunning: another supervisor has it.

        """
        descriptor = os.open(self._root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode() or "unknown"
            os.close(descriptor)
            raise StackAlreadyRunning(
                f"the stack of {self._root} already runs, under process {holder}: use it, stop it with "
                f"`precedent down --data {self._root}`, or name another directory with --data"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let go."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
