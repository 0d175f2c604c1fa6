"""`rtfs repl`: a dialogue from a pipe, and on a terminal."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.cli import exits
from infra.cli.rtfs.completion import completions
from infra.cli.rtfs.interpreter import indentation, is_finished
from infra.cli.rtfs.repl import COMMANDS
from tests.infra.cli.conftest import Called, Cli

Say = Callable[..., Called]


@pytest.fixture
def say(offline: Cli, monkeypatch: pytest.MonkeyPatch) -> Say:
    """Give lines to a dialogue as a pipe does."""

    def given(*lines: str, options: tuple[str, ...] = ()) -> Called:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return offline("rtfs", "repl", *options)

    return given


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        (["(+ 1 2)"], "3"),
        (["(defn sq [x]", "  (* x x))", "(sq 5)"], "25"),
        (["(def x 4)", "(def x (inc x))", "(* x 2)"], "10"),
        (["(def f (fn [n] (* 2 n)))", "(f 4)"], "8"),
        (["(defn f [] 1)", "(defn g [] (f))", "(defn f [] 2)", "(g)"], "2"),
        (["(defmacro twice [x] `(+ ~x ~x))", "(twice 4)"], "8"),
        (["(+ 1 1)", "(* *1 10)", "*1"], "20"),
        (["1 2 3"], "3"),
        (["(def xs [])", "(count xs)"], "0"),
        (["(def x (get {:a 1} :b nil))", "(if x 1 2)"], "2"),
        (['(def m (parse-json "{}"))', "(get m :a)"], "nil"),
        (["(defn x [] 1)", "(def x 2)", "x"], "2"),
        (["(def x 2)", "(defn x [] 1)", "(x)"], "1"),
        (['"a', 'b"'], '"a\\nb"'),
        ([":keyword"], ":keyword"),
        (["(module k (defn one [] 1))", "(import k)", "(k/one)"], "1"),
        (["(def m {:at 2026-01-02T03:04:05Z})", "(:at m)"], "2026-01-02T03:04:05.000000Z"),
    ],
)
def test_definitions_and_values_are_kept(say: Say, lines: list[str], last: str):
    called = say(*lines)
    assert (called.code, called.err) == (exits.DONE, "")
    assert "\n".join(called.out.splitlines()[-last.count("\n") - 1 :]) == last


def test_only_what_is_new_runs(say: Say):
    called = say("(def drawn (call :random.int {:low 0 :high 1000000000}))", "drawn", "drawn", options=("--call",))
    first, second, third = called.out.splitlines()
    assert first == second == third
    assert called.err.count("calls ") == 1


def test_errors_are_told_with_their_place_and_the_dialogue_goes_on(say: Say):
    called = say("(defn f [x] x)", "(+ 1", "   nothing-here)", "(f", "  (/ 1 0))", "(+ 1 1)")
    assert called.code == exits.NO
    assert called.out.splitlines() == ["f", "2"]
    assert "line 2, column 4: `nothing-here` is not defined\n 2 |    nothing-here)" in called.err
    assert "line 2, column 3: division-by-zero" in called.err


def test_a_definition_that_is_wrong_changes_nothing(say: Say):
    called = say("(defn f [] 1)", "(defn f [] (g))", "(f)", "(def y (/ 1 0))", "y")
    assert called.out.splitlines() == ["f", "1"]
    assert called.err.count("`g` is not defined") == 1
    assert "`y` is not defined" in called.err


def test_effects_are_shown_and_not_made(say: Say):
    called = say('(call :fs.stat {:path "README.md"})', ':effects (call :fs.stat {:path "x"})', ":effects (+ 1 2)")
    assert 'asks  0  fs.stat version 1 (read)  {"path" "README.md"}' in called.out
    assert called.out.splitlines()[1:] == ["fs.stat version 1 (read)", "none: it is pure"]


def test_commands(say: Say, tmp_path: Path):
    (tmp_path / "forms.rtfs").write_text("(defn cube [x]\n  (* x x x))\n(cube 2)\n")
    called = say(
        ":help", ":type (str 1)", ":doc inc", ":disasm (inc 1)", f":load {tmp_path / 'forms.rtfs'}", "(cube 3)"
    )
    assert called.code == exits.DONE
    for command in COMMANDS:
        assert command in called.out
    assert ":string" in called.out.splitlines()
    assert "(inc 1) => 2" in called.out
    assert "return" in called.out
    assert called.out.splitlines()[-3:] == ["cube", "8", "27"]
    assert re.search(r"55\n[0-9.]+ ms on the processor, \d+ units of fuel", say(":time (reduce + (range 11))").out)
    assert say(":quit", "(+ 1 1)").out == ""


@pytest.mark.parametrize(
    "line",
    [
        ":load /no/such/file",
        ":doc no-such",
        ":type (+ 1",
        ":type nothing-here",
        ":effects )",
        ":disasm",
        ":time (/ 1 0)",
    ],
)
def test_commands_that_fail_say_why(say: Say, line: str):
    called = say(line, "(+ 1 1)")
    assert called.code == exits.NO
    assert called.err.startswith("error: ")


@pytest.mark.parametrize(
    "text",
    [
        "(+ 1 2",
        ")",
        "(" * 50_000,
        "\x00",
        '"never',
        "#| never",
        "(defn)",
        "(def)",
        "(defmacro x)",
        "^",
        "\ufeff(+ 1 2",
        "99" * 50,
    ],
)
def test_hostile_lines_do_no_harm(say: Say, text: str):
    called = say(text)
    assert called.code == exits.NO
    assert called.err


def test_every_answer_is_one_document_in_json(say: Say):
    called = say("(def x 1)", "(defn f [] 1)", "(/ 1 0)", "(oops)", ":type 1", "(call :clock.now)", options=("--json",))
    documents = [json.loads(line) for line in called.out.splitlines()]
    assert [sorted(set(each) & {"value", "defined", "error", "type", "asks"}) for each in documents] == [
        ["value"], ["defined"], ["error"], ["error"], ["type"], ["asks"],
    ]  # fmt: skip


def test_completion_knows_the_language_definitions_locals_and_capabilities():
    def complete(text: str) -> list[str]:
        return completions(text, ["my-function"], ["fs.stat", "fs.read"], [":help", ":type"])

    assert complete("(red") == ["reduce"]
    assert "step-parallel" in complete("(ste")
    assert complete("(my-") == ["my-function"]
    assert complete("(let [my-local 1] my-l") == ["my-local"]
    assert complete("(call :fs.") == [":fs.read", ":fs.stat"]
    assert complete(":h") == [":help"]
    assert complete("{:name 1} (:na") == [":name"]
    assert complete("") == []
    assert complete("(") == []
    assert complete("(reduce") == []
    assert complete("(zzz" * 10_000) == []


@pytest.mark.parametrize(
    ("text", "spaces"),
    [
        ("(let [x 1]", 2),
        ("(let [x 1", 6),
        ("[1", 1),
        ("{:a", 1),
        ("  (f\n    (g", 6),
        ('"abc', 0),
        ("(+ 1 2)", 0),
        (")", 0),
    ],
)
def test_lines_that_go_on_are_indented(text: str, spaces: int):
    assert indentation(text) == spaces
    assert is_finished(text) is (text in ("(+ 1 2)", ")"))


class Terminal:
    """A dialogue on a pseudo-terminal."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._own, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, b"\x28\x00\x78\x00\x00\x00\x00\x00")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRECEDENT_")} | {
            "TERM": "xterm",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "XDG_STATE_HOME": str(folder),
            "PRECEDENT_DATA": str(folder / "data"),
        }
        code = "import sys; from infra.cli.main import main; sys.exit(main(['rtfs', 'repl', *sys.argv[1:]]))"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *options],
            stdin=other, stdout=other, stderr=other, env=environment, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509  # so that Ctrl-C reaches it
        )  # fmt: skip
        os.close(other)
        self._seen = ""

    def type(self, text: str) -> None:
        os.write(self._own, text.encode())

    def until(self, pattern: str) -> str:
        """What is on the screen up to a pattern, without colours and movements."""
        deadline = time.monotonic() + 30
        while (found := re.search(pattern, self._seen)) is None:
            ready, _, _ = select.select([self._own], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{pattern!r} does not come: {self._seen[-500:]!r}"
            self._seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", os.read(self._own, 65536).decode("utf-8", "replace"))
        shown, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return shown

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._own)


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_terminal(*options: str) -> Terminal:
        opened.append(Terminal(tmp_path, *options))
        return opened[-1]

    yield open_terminal
    for each in opened:
        each.close()


def test_a_dialogue_on_a_terminal(terminal: Callable[..., Terminal], tmp_path: Path):
    dialogue = terminal("--call")
    dialogue.until("rtfs>")
    dialogue.type("(defn sq [x]\r")
    dialogue.type("(* x x))\r")
    dialogue.until(r"\nsq\r\n")
    dialogue.until("rtfs>")
    dialogue.type("(sq 12)\r")
    dialogue.until(r"\n144\r\n")
    dialogue.until("rtfs>")
    dialogue.type("(call :timer.sleep {:seconds 3000.0})\r")
    dialogue.until("calls 0  timer.sleep")
    dialogue.type("\x03")
    dialogue.until("interrupted")
    dialogue.until("rtfs>")
    dialogue.type("(call :fs.st\t")
    dialogue.until("fs.stat")
    dialogue.type("\x03")
    dialogue.until("rtfs>")
    dialogue.type("(sq 3)\r")
    dialogue.until(r"\n9\r\n")
    dialogue.until("rtfs>")
    dialogue.type("\x04")
    assert dialogue.process.wait(30) == exits.DONE
    history = tmp_path / "precedent" / "rtfs-history"
    assert "+(sq 12)" in history.read_text("utf-8").splitlines()
    assert history.stat().st_mode & 0o077 == 0


def test_history_comes_back_in_the_next_dialogue(terminal: Callable[..., Terminal]):
    first = terminal()
    first.until("rtfs>")
    first.type("(+ 40 2)\r")
    first.until(r"\n42\r\n")
    first.until("rtfs>")
    first.type(":quit\r")
    assert first.process.wait(30) == exits.DONE
    second = terminal()
    second.until("rtfs>")
    second.type("\x1b[A\x1b[A")
    second.until(r"\(\+ 40 2\)")
    second.type("\r")
    second.until(r"\n42\r\n")


def test_ctrl_c_ends_what_runs_from_a_pipe():
    code = "import sys; from infra.cli.main import main; sys.exit(main(['rtfs', 'repl', '--call']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write("(call :timer.sleep {:seconds 3000.0})\n(+ 1 1)\n")
    process.stdin.flush()
    assert "timer.sleep" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (exits.INTERRUPTED, "")


def test_a_form_that_stdin_ends_within_is_told_with_its_line(say: Say):
    called = say("(+ 1 2)", "", "(+ 1", "  (* 2 3)")
    assert (called.code, called.out) == (exits.NO, "3\n")
    assert "line 3, column 1: `(` is never closed" in called.err
