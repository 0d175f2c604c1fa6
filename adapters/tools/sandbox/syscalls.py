"""The system calls that a sandboxed command may not make, compiled to a seccomp filter.

Namespaces hide the machine; this filter takes away what could reach the kernel behind them: calls that mount, trace,
load code into the kernel, open new namespaces or talk over anything but Unix sockets. Calls of another architecture
kill the process (libseccomp's default), so that a 32-bit call cannot pass under the 64-bit rules.
"""

import errno
import socket
import tempfile
from functools import cache

import pyseccomp

DENIED = (
    # mounts and roots
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr", "swapon", "swapoff", "quotactl", "name_to_handle_at", "open_by_handle_at",
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "pidfd_open",
    # namespaces
    "unshare", "setns",
    # kernel code and memory
    "bpf", "userfaultfd", "perf_event_open", "init_module", "finit_module", "delete_module", "kexec_load",
    "kexec_file_load", "iopl", "ioperm", "modify_ldt", "io_uring_setup", "io_uring_enter", "io_uring_register",
    "move_pages", "migrate_pages", "mbind", "set_mempolicy", "get_mempolicy", "vmsplice", "lookup_dcookie",
    # keys, accounting, the machine itself
    "add_key", "request_key", "keyctl", "acct", "syslog", "reboot", "sethostname", "setdomainname", "vhangup",
    "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "personality", "fanotify_init",
)  # fmt: skip

# From linux/sched.h: NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_NAMESPACE_FLAGS = (0x80, 0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000)
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


@cache
def compiled_filter() -> bytes:
    """The filter as the BPF program that bubblewrap loads."""
    rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    refused = pyseccomp.ERRNO(errno.EPERM)
    for name in DENIED:
        rules.add_rule(refused, name)
    for flag in _NAMESPACE_FLAGS:
        rules.add_rule(refused, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    # The flags of clone3 lie in memory, where a filter cannot look; libc falls back to clone when it is missing.
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
    rules.add_rule(pyseccomp.ERRNO(errno.EAFNOSUPPORT), "socket", pyseccomp.Arg(0, pyseccomp.NE, int(socket.AF_UNIX)))
    for request in (_TIOCSTI, _TIOCLINUX):  # typing into the caller's terminal
        rules.add_rule(refused, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, 0xFFFFFFFF, request))
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return file.read()
