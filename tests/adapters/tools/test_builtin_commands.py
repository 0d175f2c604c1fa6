import asyncio
import os
from pathlib import Path

import pytest

from adapters.tools.sandbox.limits import MEBIBYTE, SandboxLimits
from domain.tools import ToolFailed, ToolSucceeded
from tests.adapters.tools.calling import BuiltIn, needs_sandbox

pytestmark = needs_sandbox


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir(mode=0o755)
    (folder / "data.txt").write_text("b\na\n")
    return folder


@pytest.fixture
def tools(root: Path) -> BuiltIn:
    return BuiltIn(root)


async def test_a_command_reads_the_root_and_says_how_it_ended(tools: BuiltIn) -> None:
    outcome = await tools.outcome("shell.run", command="sort data.txt -; echo warn >&2; exit 3", stdin="c\n")
    assert isinstance(outcome, ToolSucceeded)
    assert await tools.value("shell.run", command="sort data.txt -; echo warn >&2; exit 3", stdin="c\n") == {
        "exit-code": 3,
        "stdout": "a\nb\nc\n",
        "stderr": "warn\n",
        "truncated": False,
    }
    assert outcome.transcript == b"--- stdout\na\nb\nc\n--- stderr\nwarn\n"


async def test_only_the_editing_shell_writes_the_root(tools: BuiltIn, root: Path) -> None:
    if os.geteuid() == 0:
        os.chown(root, 1000, 1000)
    assert "Read-only" in (await tools.value("shell.run", command="echo x > new"))["stderr"]
    assert not (root / "new").exists()
    assert (await tools.value("shell.edit", command="echo x > new"))["exit-code"] == 0
    assert (root / "new").read_text() == "x\n"


async def test_a_program_has_the_standard_library_its_input_and_nothing_else(tools: BuiltIn) -> None:
    code = """
import json, os, sys
try:
    import pydantic
except ImportError:
    print("no packages")
print(json.dumps(sorted(os.listdir("."))), sys.stdin.read().upper())
"""
    found = await tools.value("code.python", code=code, stdin="héllo")
    assert found["stdout"] == "no packages\n[] HÉLLO\n"


async def test_a_program_whose_processes_hold_too_much_together_is_ended(root: Path) -> None:
    tools = BuiltIn(root, sandbox=SandboxLimits(tree_bytes=100 * MEBIBYTE))
    code = "import os, time\nfor _ in range(4):\n    if os.fork() == 0:\n        held = b'x' * 2**26\ntime.sleep(100)"
    failed = await tools.outcome("code.python", code=code, seconds=60.0)
    assert isinstance(failed, ToolFailed)
    assert (failed.type, "more than 100 MiB together (toolbox.sandbox.tree_mb)" in failed.message) == (
        "code.memory",
        True,
    )


async def test_a_program_gives_the_same_output_each_time(tools: BuiltIn) -> None:
    code = "print({'a', 'b', 'c', 'd', 'e'}, hash('x'))"
    assert (await tools.value("code.python", code=code)) == (await tools.value("code.python", code=code))


async def test_a_program_that_fails_shows_its_line(tools: BuiltIn) -> None:
    found = await tools.value("code.python", code="x = 1\nx / 0\n")
    assert found["exit-code"] == 1
    assert 'File "/code.py", line 2' in found["stderr"]
    assert "x / 0" in found["stderr"]


async def test_output_that_is_no_text_is_shown_as_far_as_it_is(tools: BuiltIn) -> None:
    assert (await tools.value("shell.run", command="printf 'a\\377b'"))["stdout"] == "a\ufffdb"


async def test_long_output_is_cut_and_said_to_be(tools: BuiltIn) -> None:
    found = await tools.value("shell.run", command="head -c 400000 /dev/zero | tr '\\0' x")
    assert (len(found["stdout"]), found["truncated"]) == (256 * 1024, True)


@pytest.mark.parametrize(("name", "unknown"), [("shell.run", False), ("shell.edit", True)])
async def test_time_that_runs_out_is_a_failure_with_what_was_printed(
    tools: BuiltIn, root: Path, name: str, unknown: bool
) -> None:
    if os.geteuid() == 0:
        os.chown(root, 1000, 1000)
    failed = await tools.failure(name, command="echo begun; sleep 1000", seconds=0.5)
    assert (failed.type, failed.retryable, failed.outcome_unknown) == ("shell.timeout", True, unknown)
    assert b"begun" in failed.transcript


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("shell.run", {"command": "a\0b"}),
        ("shell.run", {"command": "true", "seconds": 0.0}),
        ("shell.run", {"command": "true", "seconds": 1e9}),
        ("shell.run", {"command": "true", "seconds": float("nan")}),
        ("code.python", {"code": "a\0b"}),
        ("code.python", {"code": "#" * 300_000}),
    ],
)
async def test_what_cannot_be_run_is_refused(tools: BuiltIn, name: str, arguments: dict[str, object]) -> None:
    assert (await tools.failure(name, **arguments)).type == f"{name.split('.', maxsplit=1)[0]}.refused"


async def test_a_command_too_long_for_the_system_is_a_failure(tools: BuiltIn) -> None:
    assert (await tools.failure("shell.run", command="#" * 200_000)).type == "shell.refused"


async def test_a_root_that_is_gone_is_a_failure_that_names_it(tmp_path: Path) -> None:
    failed = await BuiltIn(tmp_path / "gone").failure("shell.run", command="true")
    assert failed.type == "fs.root"
    assert str(tmp_path / "gone") in failed.message


async def test_only_so_many_sandboxes_run_at_once(root: Path) -> None:
    tools = BuiltIn(root, sandboxes=2)
    command = "date +%s%N; sleep 0.2; date +%s%N"
    ran = await asyncio.gather(*(tools.value("shell.run", command=command) for _ in range(4)))
    spans = [tuple(int(line) for line in found["stdout"].split()) for found in ran]
    at_once = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert max(at_once) == 2
