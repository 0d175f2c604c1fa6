"""The command line of bubblewrap, and what is imposed on its first process before it goes on."""

import os
import resource
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from adapters.tools.sandbox.availability import SandboxUnavailable
from adapters.tools.sandbox.limits import SandboxedCommand, SandboxLimits

USER = 1000
"""Identity inside the sandbox."""
HOST_USER = 231072
"""Outside identity of sandboxed code when the worker is root: an id that owns nothing (subordinate ids live there)."""
WORKSPACE = "/workspace"
"""Working directory inside the sandbox: the given root, or a private folder."""
PYTHON = Path("/python")
"""Where this process's Python installation is found inside, unless it lies under /usr anyway."""
GO = b"12"
"""What bubblewrap waits for: a byte when its user is mapped, and one more at its second look (see below)."""

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime")
_PREFIX = Path(sys.base_prefix).resolve()


def bubblewrap_arguments(
    command: SandboxedCommand, limits: SandboxLimits, *, info: int, mapped: int, seccomp: int, files: Mapping[str, int]
) -> list[str]:
    """Everything after `bwrap`; the numbers are descriptors that it inherits."""
    return [
        *("--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup"),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox"),
        # Waiting for the same descriptor once more makes bubblewrap close it before the command starts.
        *("--info-fd", str(info), "--userns-block-fd", str(mapped), "--block-fd", str(mapped)),
        *("--seccomp", str(seccomp)),
        *_mounts(command, limits, files),
        *_environment(command),
        *(("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP") if _is_root() else ()),
        "--",
        *(_drop_root() if _is_root() else ()),
        *command.argv,
    ]


def confine(process: int, command: SandboxedCommand, limits: SandboxLimits) -> None:
    """Map the user and set the limits of a first process that waits for it."""
    user, group = host_identity(command.root)
    folder = Path(f"/proc/{process}")
    if _is_root():
        # Root inside is only what setpriv starts from; the command itself runs as USER without capabilities.
        (folder / "uid_map").write_text(f"0 0 1\n{USER} {user} 1\n")
        (folder / "gid_map").write_text(f"0 0 1\n{USER} {group} 1\n")
    else:
        (folder / "setgroups").write_text("deny")
        (folder / "uid_map").write_text(f"{USER} {user} 1\n")
        (folder / "gid_map").write_text(f"{USER} {group} 1\n")
    for kind, wanted in _resource_limits(limits):
        _, ceiling = resource.prlimit(process, kind)
        value = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
        resource.prlimit(process, kind, (value, value))


def host_identity(root: Path | None) -> tuple[int, int]:
    """User and group that sandboxed code has outside: ours, or never root's."""
    if not _is_root():
        return os.geteuid(), os.getegid()
    owner = root.stat() if root else None
    return (owner.st_uid if owner else 0) or HOST_USER, (owner.st_gid if owner else 0) or HOST_USER


def refuse_root_owned(command: SandboxedCommand) -> None:
    """Sandboxed code may write where the worker may, but never as root of the machine."""
    if _is_root() and command.root and command.root_writable and command.root.stat().st_uid == 0:
        raise SandboxUnavailable(
            f"{command.root} belongs to root, and sandboxed commands that write never run as root; start the worker "
            f"as an unprivileged user, or run: chown -R 1000:1000 {command.root}"
        )


def interpreter() -> str:
    """Path inside the sandbox of this process's Python, for commands with `interpreter`."""
    inside = Path(sys.executable).resolve()
    return str(inside if _under_usr() else PYTHON / "bin" / f"python3.{sys.version_info.minor}")


def _mounts(command: SandboxedCommand, limits: SandboxLimits, files: Mapping[str, int]) -> Iterator[str]:
    yield from ("--ro-bind", "/usr", "/usr", "--perms", "0755", "--dir", "/etc")
    for name in _SYSTEM:
        yield from _system_folder(Path("/", name))
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    if command.interpreter and not _under_usr():
        yield from ("--ro-bind", str(_PREFIX), str(PYTHON))
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from ("--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", "/tmp")  # noqa: S108  # its own
    if command.root is None:
        yield from ("--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", WORKSPACE)
    else:
        yield from ("--bind" if command.root_writable else "--ro-bind", str(command.root), WORKSPACE)
        covered = {hidden.resolve() for hidden in command.hidden}
        for hidden in sorted(covered):
            if covered.isdisjoint(hidden.parents):  # else it is gone with what it lies in
                yield from _cover(hidden, command.root.resolve())
    for path, descriptor in files.items():
        yield from ("--perms", "0444", "--ro-bind-data", str(descriptor), path)
    # These two live in memory without a size: nothing may be added to them.
    yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORKSPACE)


def _cover(hidden: Path, root: Path) -> tuple[str, ...]:
    """Something empty in the place of what is hidden; a place that is covered cannot be moved or removed either."""
    if not hidden.is_relative_to(root) or not hidden.exists():
        return ()
    inside = str(Path(WORKSPACE, hidden.relative_to(root)))
    if hidden.is_dir():
        return ("--perms", "0555", "--size", "4096", "--tmpfs", inside, "--remount-ro", inside)
    return ("--ro-bind", "/dev/null", inside)


def _system_folder(path: Path) -> tuple[str, ...]:
    if path.is_symlink():
        return ("--symlink", str(path.readlink()), str(path))
    return ("--ro-bind", str(path), str(path)) if path.is_dir() else ()


def _environment(command: SandboxedCommand) -> Iterator[str]:
    fixed = {
        "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/tmp",  # noqa: S108  # its own
        "TMPDIR": "/tmp",  # noqa: S108  # its own
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    if command.interpreter and not _under_usr():
        fixed["LD_LIBRARY_PATH"] = str(PYTHON / "lib")
    yield "--clearenv"
    for name, value in {**fixed, **command.environment}.items():
        yield from ("--setenv", name, value)


def _drop_root() -> tuple[str, ...]:
    setpriv = shutil.which("setpriv") or "setpriv"
    user = ("--reuid", str(USER), "--regid", str(USER), "--clear-groups")
    return (setpriv, *user, "--bounding-set=-all", "--inh-caps=-all", "--")


def _resource_limits(limits: SandboxLimits) -> tuple[tuple[int, int], ...]:
    return (
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CORE, 0),
    )


def _under_usr() -> bool:
    return _PREFIX.is_relative_to("/usr")


def _is_root() -> bool:
    return os.geteuid() == 0
