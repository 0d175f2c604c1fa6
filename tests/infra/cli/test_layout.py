"""`rtfs fmt`: plans laid out in place, or told that they are not."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

from infra.cli import exits
from tests.infra.cli.conftest import Cli

UNTIDY = "(let [x   1\n y 2]\n ; both\n (+ x\ny))"
TIDY = "(let [x 1\n      y 2]\n  ; both\n  (+ x\n     y))\n"


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.rtfs"
    path.write_text(UNTIDY, "utf-8")
    return path


def test_a_plan_is_laid_out_in_place_once(offline: Cli, plan: Path):
    plan.chmod(0o640)
    called = offline("rtfs", "fmt", plan)
    assert (called.code, called.out) == (exits.DONE, "")
    assert f"laid out: {plan}" in called.err.replace("\n", "")
    assert plan.read_text("utf-8") == TIDY
    assert stat.S_IMODE(plan.stat().st_mode) == 0o640
    assert list(plan.parent.iterdir()) == [plan], "nothing is left behind"
    before = plan.stat().st_ino
    assert offline("rtfs", "fmt", plan).code == exits.DONE
    assert plan.stat().st_ino == before, "what is laid out already is not written"


def test_checking_writes_nothing(offline: Cli, plan: Path):
    called = offline("rtfs", "fmt", "--check", plan)
    assert called.code == exits.NO
    assert "to be laid out" in called.err
    assert plan.read_text("utf-8") == UNTIDY
    offline("rtfs", "fmt", plan)
    assert offline("rtfs", "fmt", "--check", plan).code == exits.DONE


def test_a_difference_is_shown(offline: Cli, plan: Path):
    called = offline("rtfs", "fmt", "--diff", plan)
    assert called.code == exits.NO
    assert {"-(let [x   1", "+(let [x 1", "+  ; both"} <= set(called.out.splitlines())
    assert plan.read_text("utf-8") == UNTIDY


def test_stdin_is_laid_out_to_stdout(offline: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(UNTIDY.encode())))
    called = offline("rtfs", "fmt", "-")
    assert (called.code, called.out, called.err) == (exits.DONE, TIDY, "")


def test_a_folder_is_laid_out_with_all_its_plans(offline: Cli, plan: Path):
    inner = plan.parent / "inner"
    inner.mkdir()
    (inner / "other.rtfs").write_text("(+ 1   2)")
    (inner / "notes.txt").write_text("(+ 1   2)")
    document = offline("rtfs", "fmt", plan.parent, "--json").document
    assert [Path(each["file"]).name for each in document["files"] if each["changes"]] == ["other.rtfs", "plan.rtfs"]
    assert (inner / "other.rtfs").read_text() == "(+ 1 2)\n"
    assert (inner / "notes.txt").read_text() == "(+ 1   2)"


def test_a_link_stays_one(offline: Cli, plan: Path):
    link = plan.parent / "link.rtfs"
    link.symlink_to(plan)
    offline("rtfs", "fmt", link)
    assert link.is_symlink()
    assert plan.read_text("utf-8") == TIDY


def test_line_ends_within_strings_are_part_of_the_program(offline: Cli, plan: Path):
    plan.write_bytes(b'(str "a\r\nb"\r\n     "c")\r\n')
    assert offline("rtfs", "fmt", plan).code == exits.DONE
    assert plan.read_bytes() == b'(str "a\r\nb"\n     "c")\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"(let [x 1", "line 1, column 6: `[` is never closed"),
        (b"(+ 1 \xff)", "line 1, column 6: byte 5 (0xff) is not UTF-8"),
        (b"(+ 1 \x00)", "NUL"),
        (b"(" * 100_000, "brackets are open"),
        (b"#| never", "never closed"),
    ],
    ids=["unclosed", "no text", "nul", "deep", "comment"],
)
def test_what_cannot_be_read_is_left_alone_and_the_rest_laid_out(offline: Cli, plan: Path, content: bytes, said: str):
    broken = plan.parent / "broken.rtfs"
    broken.write_bytes(content)
    called = offline("rtfs", "fmt", broken, plan)
    assert called.code == exits.INVALID
    assert said in called.err
    assert broken.read_bytes() == content
    assert plan.read_text("utf-8") == TIDY


@pytest.mark.parametrize("name", ["no-such.rtfs", "task.yaml", ""])
def test_files_that_are_no_plans(offline: Cli, tmp_path: Path, name: str):
    (tmp_path / "task.yaml").write_text("goal: x\n")
    assert offline("rtfs", "fmt", tmp_path / name).code == exits.INVALID


def test_a_file_that_cannot_be_written_is_told(offline: Cli, plan: Path, monkeypatch: pytest.MonkeyPatch):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    plan.parent.chmod(0o500)
    try:
        called = offline("rtfs", "fmt", plan)
    finally:
        plan.parent.chmod(0o700)
    assert (called.code, "can be written" in called.err) == (exits.INVALID, True)


def test_an_empty_file_stays_empty(offline: Cli, tmp_path: Path):
    (tmp_path / "empty.rtfs").write_text("")
    assert offline("rtfs", "fmt", "--check", tmp_path / "empty.rtfs").code == exits.DONE
