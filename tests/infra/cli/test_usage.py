"""Wrong command lines: each is told the thing, the value and the way out, in one line."""

from __future__ import annotations

import pytest

from infra.cli import exits
from tests.infra.cli.conftest import Cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("show R --at 0", "--at 0: give a whole number of at least 1; see `precedent show --help`"),
        ("fork R --at x", "--at 'x': give a whole number of at least 1; see `precedent fork --help`"),
        ("runs --limit 99999", "--limit 99999: give a whole number from 1 to 10000; see `precedent runs --help`"),
        ("replay R --mode fork", "--mode 'fork': give one of verify, re-execute, view; see `precedent replay --help`"),
        ("replay R --mode vew", "--mode 'vew': give one of verify, re-execute, view; did you mean view?"),
        (
            "tools show a b",
            (
                "`precedent tools show` takes nothing behind its arguments, and there is 'b'; "
                "see `precedent tools show --help`"
            ),
        ),
        ("tools shw", "`precedent tools` has no command 'shw'; did you mean show?"),
        ("rtfs nothing-like-it", "`precedent rtfs` has no command 'nothing-like-it'; see `precedent rtfs --help`"),
        ("diff R", "`precedent diff` needs B; see `precedent diff --help`"),
        ("backup", "`precedent backup` needs -o FILE; see `precedent backup --help`"),
        ("run", "`precedent run` needs TASK.yaml; see `precedent run --help`"),
        ("show R --tenant", "--tenant needs a value"),
        ("events --follow=3", "--follow takes no value"),
        ("runs --frob", "`precedent runs` has no option --frob; see `precedent runs --help`"),
        ("--config x runs", "--config goes after the command, as in `precedent runs --config`"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(offline: Cli, arguments: str, said: str):
    called = offline(*arguments.split())
    assert (called.code, called.out) == (exits.INVALID, "")
    assert called.err.startswith(f"error: {said}")
    assert called.err.count("\n") == 1


@pytest.mark.parametrize("value", ["\u202e", "x" * 100_000, "'", "`", "", "{0}", "%s", "[bold]"])
def test_no_value_breaks_the_message(offline: Cli, value: str):
    called = offline("replay", "R", "--mode", value)
    assert called.code == exits.INVALID
    assert called.err.count("\n") == 1
    assert len(called.err) < 400
