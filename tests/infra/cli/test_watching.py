"""What stands below the line of an event, on screens of every width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from domain.runs.events import ApprovalRequested
from domain.runs.parts import Decision, RunEvent
from domain.runs.planning import PlanRejected
from infra.cli.watching import below

RUN = "01KB0Q3V5Y8M6C4T2R7W9X1ZAB"
DECISION = Decision(role="guard", chosen="", options=(), reason="", saw="")
REJECTED = PlanRejected(
    attempt=1,
    decision=DECISION,
    message="line 1, column 41: `billing.invoice`, argument `with-items`: expected :bool?, found :int 3\n"
    " 1 | (call :billing.invoice (:number inputs) 3)\n"
    "   |                                         ^\n"
    "hint: leave it out; it is optional, and what is left out is told to the tool as nothing",
)
SEEN = "5f1c0b6e9a44"
WAITS = ApprovalRequested(
    effect="2/0/1",
    tool="billing.pay",
    arguments={},
    request_digest=f"sha256:{SEEN}{'0' * 52}",
    remaining=1,
    decision=DECISION,
)


def shown(event: RunEvent, width: int) -> list[str]:
    screen = Console(file=io.StringIO(), width=width, color_system=None)
    for part in below(event, RUN):
        screen.print(part)
    assert isinstance(screen.file, io.StringIO)
    return [line.rstrip() for line in screen.file.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_nothing_that_the_compiler_says_is_cut_off(width: int):
    lines = shown(REJECTED, width)
    assert " ".join(" ".join(lines).split()) == " ".join(REJECTED.message.split())
    quoted, caret = (next(line for line in lines if mark in line) for mark in (" 1 | ", "   | "))
    assert quoted.index(" 3)") + 1 == caret.index("^")


@pytest.mark.parametrize("width", [80, 120])
def test_a_command_that_settles_an_effect_stays_one_line(width: int):
    commands = [line.strip() for line in shown(WAITS, width)]
    assert commands == [
        f"precedent approve {RUN} 2/0/1 --digest {SEEN}",
        f"precedent approve {RUN} 2/0/1 --refuse REASON",
    ]


def test_a_command_that_is_longer_than_the_screen_goes_on_below():
    assert "".join(line.strip() for line in shown(WAITS, 40)).replace(" ", "").endswith("--refuseREASON")
