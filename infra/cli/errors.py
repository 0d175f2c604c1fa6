"""How an error is told: one message on stderr, with ``--json`` also a document on stdout, and the exit code."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from rich.text import Text

from infra.cli.exits import exit_code
from infra.cli.output import Output


def tell_error(output: Output, message: str) -> None:
    """Say on stderr what is wrong."""
    output.say(Text.assemble(("error: ", "bold red"), message))


def meant(name: str, known: Iterable[str]) -> str:
    """``did you mean a or b?`` and a space, the nearest first; empty where nothing is near."""
    near = " or ".join(get_close_matches(name[:80], list(known), n=3))
    return f"did you mean {near}? " if near else ""


def print_error(code: str, message: str, *, as_json: bool) -> int:
    """Tell the error that ends a command; give the exit code."""
    output = Output(as_json)
    status = exit_code(code)
    output.document({"error": {"code": code, "message": message, "exit": status}})
    tell_error(output, message)
    return status
