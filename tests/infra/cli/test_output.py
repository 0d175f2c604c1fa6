"""What is printed for people: no spaces at line ends, one thing is one thing."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.output import Output, counted


def shown(*renderables: Table | Text, terminal: bool = False) -> str:
    screen = Console(file=io.StringIO(), width=40, force_terminal=terminal, color_system=None)
    Output(as_json=False, screen=screen).show(*renderables)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def table() -> Table:
    made = Table("name", "value", box=None, pad_edge=False)
    made.add_row("a", "1")
    made.add_row("longer", "22")
    return made


def test_piped_lines_end_where_their_text_ends():
    assert shown(table()) == "name    value\na       1\nlonger  22\n"


def test_a_terminal_gets_what_the_table_paints():
    assert "a       1    \n" in shown(table(), terminal=True)


@pytest.mark.parametrize("text", ["", "one", "one\n\nthree", "  indented"])
def test_text_is_printed_as_it_is(text: str):
    assert shown(Text(text)) == f"{text}\n"


@pytest.mark.parametrize(("number", "said"), [(0, "0 events"), (1, "1 event"), (2, "2 events")])
def test_one_thing_is_one_thing(number: int, said: str):
    assert counted(number, "event") == said


def said(text: str, *, terminal: bool = True) -> str:
    notes = Console(file=io.StringIO(), width=20, force_terminal=terminal, color_system=None)
    Output(as_json=False, notes=notes).say(Text(text))
    assert isinstance(notes.file, io.StringIO)
    return notes.file.getvalue()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("just twenty letters!", ["just twenty letters!"]),
        ("more than twenty letters here", ["more than twenty", "letters here"]),
        ("see `precedent show 01` and go on", ["see", "`precedent show 01`", "and go on"]),
        ("stop with `precedent down --data /srv`", ["stop with", "`precedent down --data /srv`"]),
        ("one ` alone between many words", ["one ` alone between", "many words"]),
        ("/a/path/longer/than/the/line is there", ["/a/path/longer/than/the/line", "is there"]),
        ("several:\n  first  1\n\n  second  2", ["several:", "  first  1", "", "  second  2"]),
        ("数えられた数えられた 数えられた", ["数えられた数えられた", "数えられた"]),
    ],
    ids=["empty", "full", "words", "command", "long command", "backquote", "path", "lines", "wide"],
)
def test_messages_on_a_terminal_end_their_lines_between_words(text: str, lines: list[str]):
    assert said(text).splitlines() == lines


def test_messages_in_a_file_are_one_line():
    assert said("more than twenty letters here", terminal=False) == "more than twenty letters here\n"


def both(*, as_json: bool = False) -> tuple[Output, io.StringIO]:
    """Output and messages on one terminal, as people have them."""
    terminal = io.StringIO()
    screen, notes = (Console(file=terminal, width=60, force_terminal=True, color_system=None) for _ in range(2))
    return Output(as_json, screen=screen, notes=notes), terminal


def test_a_progress_bar_makes_room_for_what_is_printed():
    output, terminal = both()
    with output.progress("counting") as bar:
        bar(1, 2)
        output.show("a line")
        bar(2, 2)
    before, after = terminal.getvalue().split("a line\n")
    assert "1/2" in before
    assert before.endswith("\x1b[2K")
    assert "2/2" in after
    assert after.endswith("\x1b[2K")


def test_there_is_no_progress_bar_among_lines_of_json():
    output, terminal = both(as_json=True)
    with output.progress("counting") as bar:
        bar(1, 2)
    assert terminal.getvalue() == ""
