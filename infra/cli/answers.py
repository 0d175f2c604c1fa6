"""What became of a command, as its sender sees it."""

from __future__ import annotations

from typing import Any, Final

from rich.text import Text

from commands.handle import Answer
from infra.cli.errors import tell_error
from infra.cli.exits import DONE, OF_OUTCOME
from infra.cli.output import Output

DONE_ALREADY: Final = frozenset({"cache.not-in-use", "program.not-in-use"})
"""Codes of refusals that say that what was asked for holds already."""


def report_answer(output: Output, answer: Answer, done: str, *, twice: bool = False) -> int:
    """Print an answer, ``done`` where the command was accepted; give the exit code.

    ``twice``: to ask for what holds already is no failure.
    """
    output.document(document_of(answer))
    return tell_answer(output, answer, done, twice=twice)


def tell_answer(output: Output, answer: Answer, done: str, *, twice: bool = False) -> int:
    """As ``report_answer``, for people only."""
    if twice and answer.error is not None and answer.error.code in DONE_ALREADY:
        output.show(Text.assemble(("nothing to do", "green"), f"  {answer.error.message}"))
        return DONE
    if answer.outcome != "accepted":
        return tell_refusal(output, answer)
    events = ", ".join(event.type.split(".")[-2] for event in answer.events) or "nothing to change"
    output.show(Text.assemble((done, "green"), f"  {events} at {answer.position or 'no new position'}"))
    return DONE


def document_of(answer: Answer) -> dict[str, Any]:
    """The answer as it came over the bus."""
    return answer.model_dump(mode="json", exclude_none=True)


def tell_refusal(output: Output, answer: Answer) -> int:
    """Say why a command was not accepted; give the exit code."""
    why = f"{answer.outcome} ({answer.error.code}): {answer.error.message}" if answer.error else answer.outcome
    tell_error(output, why)
    return OF_OUTCOME[answer.outcome]
