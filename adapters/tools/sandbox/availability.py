"""Whether this machine can run a sandbox, and the command that makes it so."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from domain.kernel.errors import PrecedentError

_NAMESPACES = (
    "--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup",
)  # fmt: skip
_INSTALL = {
    "debian": "sudo apt-get install -y {0}",
    "ubuntu": "sudo apt-get install -y {0}",
    "fedora": "sudo dnf install -y {0}",
    "rhel": "sudo dnf install -y {0}",
    "alpine": "sudo apk add {0}",
    "arch": "sudo pacman -S --noconfirm {0}",
    "suse": "sudo zypper install -y {0}",
}
_PERMIT = {
    Path("/proc/sys/kernel/unprivileged_userns_clone"): ("0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"): (
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    Path("/proc/sys/user/max_user_namespaces"): ("0", "sudo sysctl -w user.max_user_namespaces=10000"),
}


class SandboxUnavailable(PrecedentError):
    """Run the command that the message ends with; until then only tools without a sandbox can be called."""

    code = "sandbox.unavailable"


@cache
def unavailable_reason() -> str | None:
    """Say why no sandbox can be had here and which command changes that; None where it works.

    Tried once a process by really opening the namespaces, because kernels, container engines and security modules
    each refuse them in their own way.
    """
    if sys.platform != "linux":
        return f"sandboxed tools need Linux namespaces, which {sys.platform} lacks; run the worker in a Linux container"
    bubblewrap = shutil.which("bwrap")
    if bubblewrap is None:
        return f"bubblewrap is not installed; run: {_install('bubblewrap')}"
    if shutil.which("setpriv") is None:
        return f"setpriv (util-linux) is not installed; run: {_install('util-linux')}"
    return _filter_problem() or _namespace_problem(bubblewrap)


def _filter_problem() -> str | None:
    try:
        from adapters.tools.sandbox.syscalls import compiled_filter  # noqa: PLC0415  # needs libseccomp at import

        compiled_filter()
    except (ImportError, OSError, RuntimeError) as error:
        return f"no seccomp filter can be made ({error}); run: {_install('libseccomp2')}"
    return None


def _namespace_problem(bubblewrap: str) -> str | None:
    probe = subprocess.run(  # noqa: S603  # a fixed command
        [bubblewrap, *_NAMESPACES, "--ro-bind", "/", "/", "--proc", "/proc", "true"],
        capture_output=True,
        timeout=20,
        check=False,
    )
    if probe.returncode == 0:
        return None
    complaint = probe.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {probe.returncode}"]
    return f"bubblewrap may not open namespaces ({complaint[-1]}); {_permission()}"


def _permission() -> str:
    for path, (closed, command) in _PERMIT.items():
        if path.exists() and path.read_text().strip() == closed:
            return f"run: {command}"
    unconfined = "--security-opt seccomp=unconfined --security-opt systempaths=unconfined"
    return f"in a container, start that with: docker run {unconfined}"


def _install(package: str) -> str:
    release = Path("/etc/os-release")
    lines = dict(
        line.split("=", 1) for line in (release.read_text() if release.exists() else "").splitlines() if "=" in line
    )
    families = f"{lines.get('ID', '')} {lines.get('ID_LIKE', '')}".replace('"', "").split()
    command = next((_INSTALL[family] for family in families if family in _INSTALL), _INSTALL["debian"])
    return command.format(package)
