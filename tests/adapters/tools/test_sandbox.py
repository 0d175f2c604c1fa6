"""Real commands in the real sandbox, written by someone who wants out."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from adapters.tools.sandbox.availability import SandboxUnavailable
from adapters.tools.sandbox.bubblewrap import run_sandboxed
from adapters.tools.sandbox.confinement import HOST_USER, USER, interpreter
from adapters.tools.sandbox.limits import MEBIBYTE, SandboxedCommand, SandboxLimits, SandboxResult
from adapters.tools.sandbox.memory import _descendants
from adapters.tools.sandbox.syscalls import DENIED
from tests.adapters.tools.calling import needs_sandbox

pytestmark = needs_sandbox

AS_ROOT = os.geteuid() == 0
CHECKOUT = Path(__file__).parents[3]


async def shell(script: str, **request: object) -> SandboxResult:
    limits = SandboxLimits(**request.pop("limits", {"seconds": 20}))
    return await run_sandboxed(SandboxedCommand(argv=("/bin/sh", "-c", script), **request), limits)


async def python(code: str, **request: object) -> SandboxResult:
    limits = SandboxLimits(**request.pop("limits", {"seconds": 20}))
    command = SandboxedCommand(argv=(interpreter(), "-S", "-c", code), interpreter=True, **request)
    return await run_sandboxed(command, limits)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that everyone may read."""
    folder = tmp_path / "root"
    folder.mkdir(mode=0o755)
    (folder / "data.txt").write_text("data")
    return folder


MARK = f"1000.{os.getpid():07d}"
"""Seconds to sleep that no other process on this machine sleeps: by them a command's processes are found again."""


def marked() -> list[psutil.Process]:
    """Processes anywhere on the machine that a marked command started and that still live."""
    return [found for found in psutil.process_iter(["cmdline"]) if MARK in " ".join(found.info["cmdline"] or ())]


class TestIdentity:
    async def test_it_is_an_unprivileged_user_without_capabilities_under_the_filter(self) -> None:
        result = await shell("id -u; grep -E '^(Cap(Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status")
        lines = result.stdout.decode().split()
        assert lines[0] == str(USER)
        assert dict(zip(lines[1::2], lines[2::2], strict=True)) == {
            "CapPrm:": "0" * 16,
            "CapEff:": "0" * 16,
            "CapBnd:": "0" * 16,
            "CapAmb:": "0" * 16,
            "NoNewPrivs:": "1",
            "Seccomp:": "2",
        }

    async def test_outside_it_is_never_root(self) -> None:
        task = asyncio.create_task(shell(f"exec sleep {MARK}"))
        try:
            deadline = time.monotonic() + 10
            while not (found := [process for process in marked() if process.name() == "sleep"]):
                assert time.monotonic() < deadline, "the command did not start"
                await asyncio.sleep(0.01)
            expected = HOST_USER if AS_ROOT else os.geteuid()
            assert found[0].uids() == (expected, expected, expected)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert marked() == []

    async def test_nothing_of_the_workers_environment_or_descriptors_is_there(self, monkeypatch) -> None:
        monkeypatch.setenv("API_KEY", "secret")
        result = await shell("env; echo --; ls /proc/self/fd")
        environment, descriptors = result.stdout.decode().split("--\n")
        assert {line.split("=")[0] for line in environment.split()} == {"PATH", "HOME", "TMPDIR", "LANG", "TZ", "PWD"}
        assert descriptors.split() == ["0", "1", "2", "3"]  # 3 is the folder that ls itself lists

    async def test_there_is_no_terminal_to_type_into(self) -> None:
        assert (await shell("echo typed > /dev/tty")).exit_code != 0


class TestFiles:
    @pytest.mark.parametrize(
        "path",
        ["/root", "/home", str(CHECKOUT), "/etc/passwd", "/etc/shadow", "/var", "/opt", "/srv", "/mnt", "/run", "/sys",
         "/proc/1/root/root", "/proc/1/cwd/../root", "/dev/sda", "/dev/vda", "/dev/mem", "/dev/kmsg"],
    )  # fmt: skip
    async def test_the_machine_is_not_there(self, path: str) -> None:
        result = await shell(f"ls -d {path}")
        assert (result.exit_code, result.stdout) == (2, b"")

    @pytest.mark.parametrize(
        "path",
        ["/usr/x", "/usr/bin/sh", "/x", "/etc/x", "/etc/ld.so.cache", "/dev/x", "/dev/shm/x", "/proc/x", "/lib/x",
         "/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger"],
    )  # fmt: skip
    async def test_the_system_cannot_be_written(self, path: str) -> None:
        assert (await shell(f"echo x > {path}")).exit_code == 2

    async def test_private_folders_are_writable_and_forgotten(self) -> None:
        script = "pwd; ls -A . /tmp; echo kept > here; echo kept > /tmp/there; cat here /tmp/there"
        for _ in range(2):
            assert (await shell(script)).stdout == b"/workspace\n.:\n\n/tmp:\nkept\nkept\n"

    async def test_private_folders_are_bounded(self) -> None:
        script = "for f in . /tmp; do (for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/zero > $f/$i; done) 2>&1; done"
        result = await shell(script, limits={"seconds": 20, "scratch_bytes": 4 * MEBIBYTE})
        assert result.stdout.count(b"No space left") >= 2

    async def test_a_root_is_the_working_directory_and_read_only(self, root: Path) -> None:
        result = await shell("pwd; cat data.txt; echo x > data.txt; echo x > new; rm data.txt", root=root)
        assert result.stdout == b"/workspace\ndata"
        assert result.stderr.count(b"Read-only file system") == 3
        assert [path.name for path in root.iterdir()] == ["data.txt"]

    async def test_a_link_in_the_root_leads_nowhere(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        (root / "link").symlink_to(tmp_path / "secret")
        (root / "up").symlink_to("../secret")
        result = await shell("cat link; cat up", root=root)
        assert (result.exit_code, result.stdout) == (1, b"")

    async def test_a_root_may_be_writable(self, root: Path) -> None:
        if AS_ROOT:
            os.chown(root, 1000, 1000)
        result = await shell("echo new > new && cat new", root=root, root_writable=True)
        assert result.stdout == b"new\n"
        assert (root / "new").read_text() == "new\n"

    @pytest.mark.skipif(not AS_ROOT, reason="only root can have folders of root")
    async def test_a_folder_of_root_is_not_written_as_root(self, root: Path) -> None:
        with pytest.raises(SandboxUnavailable, match=r"belongs to root.*chown -R 1000:1000"):
            await shell("true", root=root, root_writable=True)

    async def test_given_files_are_there_to_read_only(self) -> None:
        result = await shell("cat /given; echo x > /given", files={"/given": b"content"})
        assert result.stdout == b"content"
        assert result.exit_code == 2


class TestNetworkAndProcesses:
    async def test_a_server_of_this_machine_cannot_be_reached(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
            result = await python(code)
        assert result.exit_code == 1
        assert b"Address family not supported" in result.stderr

    @pytest.mark.parametrize("family", ["AF_INET", "AF_INET6", "AF_NETLINK", "AF_PACKET", "AF_VSOCK", "AF_ALG"])
    async def test_only_unix_sockets_exist(self, family: str) -> None:
        code = f"import socket; socket.socketpair(); socket.socket(socket.{family}, socket.SOCK_RAW)"
        result = await python(code)
        assert result.exit_code == 1
        assert b"Errno 97" in result.stderr

    async def test_an_abstract_unix_socket_of_this_machine_cannot_be_reached(self) -> None:
        name = f"\0precedent-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(name)
            server.listen()
            result = await python(f"import socket; socket.socket(socket.AF_UNIX).connect({name!r})")
        assert b"ConnectionRefusedError" in result.stderr

    async def test_other_processes_are_neither_seen_nor_signalled(self) -> None:
        code = f"""
import os
print(sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[-1] < 10)
for pid in ({os.getpid()}, {os.getppid()}):
    try:
        os.kill(pid, 9)
    except ProcessLookupError:
        print("no such process")
"""
        assert (await python(code)).stdout == b"True\nno such process\nno such process\n"

    async def test_no_denied_call_works(self) -> None:
        import pyseccomp

        numbers = {name: pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in DENIED}
        numbers = {name: number for name, number in numbers.items() if number >= 0}
        assert len(numbers) > 40
        code = """
import ctypes, json, sys
libc = ctypes.CDLL(None, use_errno=True)
answers = {}
for name, number in json.load(sys.stdin).items():
    ctypes.set_errno(0)
    answers[name] = (libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno())
print(json.dumps(answers))
"""
        result = await python(code, stdin=json.dumps(numbers).encode())
        answers = json.loads(result.stdout)
        assert {name for name, answer in answers.items() if answer != [-1, 1]} == set()  # 1 is EPERM

    @pytest.mark.parametrize("flag", ["CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWNET", "CLONE_NEWPID"])
    async def test_no_new_namespace_is_opened_by_clone_either(self, flag: str) -> None:
        flags = {"CLONE_NEWUSER": 1 << 28, "CLONE_NEWNS": 1 << 17, "CLONE_NEWNET": 1 << 30, "CLONE_NEWPID": 1 << 29}
        import pyseccomp

        clone, clone3 = (pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name) for name in ("clone", "clone3"))
        code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall({clone}, {flags[flag]} | 17, 0, 0, 0, 0), ctypes.get_errno())
print(libc.syscall({clone3}, 0, 0), ctypes.get_errno())
"""
        assert (await python(code)).stdout == b"-1 1\n-1 38\n"  # EPERM, ENOSYS


class TestLimits:
    async def test_a_fork_bomb_is_bounded_and_cleared_away(self) -> None:
        code = f"""# {MARK}
import os, time
children = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
    except BlockingIOError:
        break
    children += 1
print(children, flush=True)
os._exit(0)
"""
        result = await python(code, limits={"seconds": 20, "processes": 20})
        assert 10 <= int(result.stdout) < 20
        assert marked() == []

    async def test_a_fork_bomb_that_never_stops_ends_with_the_time(self) -> None:
        result = await shell(f"b() {{ b | b & }}; b; sleep {MARK}", limits={"seconds": 1, "processes": 40})
        assert result.timed_out
        assert result.exit_code is None
        assert marked() == []

    async def test_memory_is_bounded(self) -> None:
        result = await python("x = bytearray(300 * 2**20)", limits={"seconds": 20, "memory_bytes": 200 * MEBIBYTE})
        assert result.exit_code == 1
        assert b"MemoryError" in result.stderr

    @pytest.mark.parametrize("shared", [False, True])
    async def test_the_memory_of_a_tree_is_bounded(self, shared: bool) -> None:
        flags = "mmap.MAP_SHARED" if shared else "mmap.MAP_PRIVATE"
        code = f"""# {MARK}
import mmap, os, time
for _ in range(12):
    if os.fork() == 0:
        held = mmap.mmap(-1, 40 * 2**20, flags={flags} | mmap.MAP_ANONYMOUS)
        for page in range(0, len(held), 4096):
            held[page] = 1
        time.sleep(1000)
time.sleep(1000)
"""
        limits = {"seconds": 60, "memory_bytes": 400 * MEBIBYTE, "tree_bytes": 200 * MEBIBYTE}
        result = await python(code, limits=limits)
        assert (result.overfull, result.timed_out, result.exit_code) == (True, False, None)
        assert marked() == []

    async def test_a_fork_bomb_of_memory_eaters_is_ended(self) -> None:
        code = f"""# {MARK}
import os
held = []
while True:
    held.append(b"x" * 2**20)
    try:
        os.fork()
    except OSError:
        pass
"""
        limits = {"seconds": 60, "processes": 24, "memory_bytes": 400 * MEBIBYTE, "tree_bytes": 150 * MEBIBYTE}
        result = await python(code, limits=limits)
        assert (result.overfull, result.timed_out) == (True, False)
        assert marked() == []

    async def test_pages_that_processes_share_count_once(self) -> None:
        code = """
import os, time
held = b"x" * (60 * 2**20)
children = []
for _ in range(8):
    if (pid := os.fork()) == 0:
        time.sleep(1000)
    children.append(pid)
if len(children) == 8:
    time.sleep(1)
    print(len(held), flush=True)
    os._exit(0)
time.sleep(1000)
"""
        limits = {"seconds": 60, "memory_bytes": 400 * MEBIBYTE, "tree_bytes": 200 * MEBIBYTE}
        result = await python(code, limits=limits)
        assert (result.overfull, result.stdout) == (False, b"62914560\n")

    async def test_what_is_seen_without_the_namespace_is_the_same_tree(self) -> None:
        command = [
            sys.executable,
            "-c",
            "import os, time; os.fork(); os.fork(); print(1, flush=True); time.sleep(1000)",
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        try:
            for _ in range(4):
                await process.stdout.readline()
            assert len(list(_descendants(process.pid))) == 4
        finally:
            for folder in _descendants(process.pid):
                os.kill(int(folder.name), 9)
            await process.wait()

    async def test_processor_time_is_bounded(self) -> None:
        result = await python("while True: pass", limits={"seconds": 20, "cpu_seconds": 1})
        assert result.exit_code in (128 + 24, 128 + 9)
        assert not result.timed_out

    async def test_the_size_of_a_file_is_bounded(self) -> None:
        result = await shell("head -c 3000000 /dev/zero > big", limits={"seconds": 20, "file_bytes": MEBIBYTE})
        assert result.exit_code != 0

    async def test_open_files_are_bounded(self) -> None:
        code = "files = [open('/dev/null') for _ in range(100)]"
        result = await python(code, limits={"seconds": 20, "open_files": 50})
        assert b"Too many open files" in result.stderr

    async def test_output_is_kept_up_to_a_limit_and_the_rest_is_counted(self) -> None:
        script = "head -c 5000 /dev/zero | tr '\\0' x; head -c 70 /dev/zero | tr '\\0' y >&2"
        result = await shell(script, limits={"seconds": 20, "output_bytes": 60})
        assert (result.exit_code, result.stdout, result.stdout_omitted) == (0, b"x" * 60, 4940)
        assert (result.stderr, result.stderr_omitted) == (b"y" * 60, 10)
        assert result.transcript() == (
            b"--- stdout\n" + b"x" * 60 + b"\n[4940 more bytes left out]\n"
            b"--- stderr\n" + b"y" * 60 + b"\n[10 more bytes left out]\n"
        )

    async def test_output_without_end_ends_the_command(self) -> None:
        result = await shell(f"yes {MARK}", limits={"seconds": 20, "flood_bytes": MEBIBYTE, "output_bytes": 1000})
        assert result.flooded
        assert result.exit_code is None
        assert len(result.stdout) == 1000
        assert marked() == []

    async def test_the_time_ends_a_whole_tree_with_what_it_printed_kept(self) -> None:
        result = await shell(f"echo begun; setsid sleep {MARK} & sleep {MARK}", limits={"seconds": 0.5})
        assert result.timed_out
        assert result.stdout == b"begun\n"
        assert marked() == []

    async def test_what_a_command_leaves_in_the_background_ends_with_it(self) -> None:
        result = await shell(f"setsid sleep {MARK} & echo done")
        assert (result.exit_code, result.stdout) == (0, b"done\n")
        assert marked() == []

    async def test_cancelling_ends_the_tree(self) -> None:
        task = asyncio.create_task(shell(f"sleep {MARK} & sleep {MARK}"))
        deadline = time.monotonic() + 10
        while "sleep" not in [process.name() for process in marked()]:
            assert time.monotonic() < deadline, "the command did not start"
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert marked() == []

    async def test_input_that_nobody_reads_is_no_error(self) -> None:
        assert (await shell("exit 3", stdin=b"x" * MEBIBYTE)).exit_code == 3

    async def test_a_command_killed_by_a_signal_says_so(self) -> None:
        assert (await shell("kill -9 $$")).exit_code == 128 + 9


WITHOUT_BUBBLEWRAP = """
import asyncio
from adapters.tools.registry import BUILT_IN, ToolRegistry, tools_of_modules
from adapters.tools.runner import LocalToolRunner
from adapters.tools.settings import ToolSettings
from domain.tools import CallContext

runner = LocalToolRunner(ToolRegistry(tools_of_modules(BUILT_IN)), ToolSettings())
call = CallContext(tenant="acme", run="r1", effect="0")
for name, argument in ("shell.run", "command"), ("code.python", "code"):
    failed = asyncio.run(runner.run(name, {argument: "true"}, call))
    print(failed.type, failed.message, sep=": ")
"""


def test_without_bubblewrap_sandboxed_tools_are_refused_with_the_command_that_adds_it() -> None:
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_BUBBLEWRAP],
        env={"PATH": "/nonexistent"},
        cwd=CHECKOUT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name, line in zip(("shell.run", "code.python"), found.stdout.splitlines(), strict=True):
        assert line.startswith(f"tool.sandbox-unavailable: {name}: bubblewrap is not installed; run: sudo ")
        assert line.endswith(" bubblewrap")
