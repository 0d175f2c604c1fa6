"""Become another program that dies with its supervisor: ``launch.py PARENT SIGNAL UID:GID|- PROGRAM ARGUMENT...``.

It is run as a script of its own, between fork and exec, because the same steps in a ``preexec_fn`` run Python in a
forked child whose other threads' locks nobody will release.

1. Give up the account, when one is named. This comes before step 2, whose setting a change of account clears, and
   after every import, as the account may not be able to read this Python.
2. Ask the kernel for SIGNAL when the parent thread ends, however it ends (Linux: prctl(2), PR_SET_PDEATHSIG).
3. Stop if the parent ended before step 2.
4. Become the program, keeping the process id.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, signal_number: int, account: str, argv: list[str]) -> None:
    """Carry out the numbered steps above."""
    libc = ctypes.CDLL(None, use_errno=True)
    # 1
    if account != "-":
        uid, gid = map(int, account.split(":"))
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # 2
    if sys.platform == "linux":
        if libc.prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0) != 0:
            sys.exit(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    # 3
    if os.getppid() != parent:
        sys.exit("the supervisor ended while this process started")
    # 4
    os.execv(argv[0], argv)  # noqa: S606


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
