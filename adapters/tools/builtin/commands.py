"""`shell.*` and `code.*`: commands and programs in the sandbox."""

from dataclasses import replace
from typing import TypedDict

from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import tool
from adapters.tools.sandbox.bubblewrap import run_sandboxed
from adapters.tools.sandbox.confinement import interpreter
from adapters.tools.sandbox.limits import MEBIBYTE, SandboxedCommand

_LONGEST_COMMAND = 100 * 1024
"""The system takes no single argument above 128 KiB; long data goes in through the input."""
_LONGEST_CODE = 256 * 1024
_MOST_SECONDS = 120.0
# The sandbox keeps the time; the declared timeout only catches a sandbox that cannot be killed.
_TIMEOUT = _MOST_SECONDS + 30
_CODE = "/code.py"
_ALONE = ("-s", "-S", "-P")
"""No site packages and no modules beside the program: the standard library only."""


class Execution(TypedDict):
    """How a command ended; `truncated` when it printed more than was kept."""

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool


@tool("shell.run", effects="read", isolation="sandbox", timeout=_TIMEOUT, tags=("commands",))
async def run_shell(context: ToolContext, command: str, stdin: str = "", seconds: float = 30.0) -> Execution:
    """Run a shell command that can read the root (its working directory) and write nothing but /tmp. No network.

    Fails as `shell.timeout` after `seconds` (at most 120).
    """
    settings = context.settings
    request = SandboxedCommand(
        argv=("/bin/sh", "-c", command), stdin=stdin.encode(), root=settings.root, hidden=settings.hidden
    )
    return await _execute(context, request, seconds, "shell")


@tool("shell.edit", effects="external", isolation="sandbox", timeout=_TIMEOUT, tags=("commands",))
async def run_editing_shell(context: ToolContext, command: str, stdin: str = "", seconds: float = 30.0) -> Execution:
    """Run a shell command that can read and write the root (its working directory) and /tmp. No network.

    Fails as `shell.timeout` after `seconds` (at most 120).
    """
    settings = context.settings
    request = SandboxedCommand(
        argv=("/bin/sh", "-c", command),
        stdin=stdin.encode(),
        root=settings.root,
        root_writable=True,
        hidden=settings.hidden,
    )
    return await _execute(context, request, seconds, "shell")


@tool("code.python", effects="read", isolation="sandbox", timeout=_TIMEOUT, tags=("commands",))
async def run_python(context: ToolContext, code: str, stdin: str = "", seconds: float = 30.0) -> Execution:
    """Run a Python program with the standard library, in an empty private folder. No files of the root, no network.

    Give it data through `stdin` and print what it finds. Fails as `code.timeout` after `seconds` (at most 120).
    """
    if len(code.encode()) > _LONGEST_CODE or "\0" in code:
        raise ToolFault("code.refused", f"code is text of at most {_LONGEST_CODE} bytes without null characters")
    request = SandboxedCommand(
        argv=(interpreter(), *_ALONE, _CODE),
        stdin=stdin.encode(),
        files={_CODE: code.encode()},
        interpreter=True,
        # Sets have one order in every execution.
        environment={"PYTHONHASHSEED": "0"},
    )
    return await _execute(context, request, seconds, "code")


async def _execute(context: ToolContext, request: SandboxedCommand, seconds: float, family: str) -> Execution:
    if not 0 < seconds <= _MOST_SECONDS:
        raise ToolFault(f"{family}.refused", f"seconds are above 0 and up to {_MOST_SECONDS:g}")
    if any("\0" in argument or len(argument.encode()) > _LONGEST_COMMAND for argument in request.argv):
        raise ToolFault(
            f"{family}.refused", f"a command is text of at most {_LONGEST_COMMAND} bytes without null characters"
        )
    if request.root is not None and not request.root.is_dir():
        raise ToolFault("fs.root", f"the root {request.root} (toolbox.root) is no folder")
    result = await run_sandboxed(request, replace(context.settings.sandbox, seconds=seconds))
    context.transcript = result.transcript()
    may_have_written = request.root_writable
    if result.timed_out:
        raise ToolFault(
            f"{family}.timeout", f"killed after {seconds:g} s", retryable=True, outcome_unknown=may_have_written
        )
    if result.overfull:
        most = context.settings.sandbox.tree_bytes // MEBIBYTE
        message = f"killed: its processes held more than {most} MiB together (toolbox.sandbox.tree_mb)"
        raise ToolFault(f"{family}.memory", message, outcome_unknown=may_have_written)
    if result.exit_code is None:
        raise ToolFault(f"{family}.flood", "killed for printing without end", outcome_unknown=may_have_written)
    return Execution(
        exit_code=result.exit_code,
        stdout=result.stdout.decode(errors="replace"),
        stderr=result.stderr.decode(errors="replace"),
        truncated=bool(result.stdout_omitted or result.stderr_omitted),
    )
