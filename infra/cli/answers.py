"""What became of a command, as its sender sees it."""

from __future__ import annotations

from rich.text import Text

from commands.handle import Answer
from infra.cli.errors import tell_error
from infra.cli.exits import DONE, OF_OUTCOME
from infra.cli.output import Output


def report_answer(output: Output, answer: Answer, done: str) -> int:
    """Print an answer, ``done`` where the command was accepted; give the exit code."""
    output.document(answer.model_dump(mode="json", exclude_none=True))
    code = OF_OUTCOME[answer.outcome]
    if code == DONE:
        events = ", ".join(event.type.split(".")[-2] for event in answer.events) or "nothing to change"
        output.show(Text.assemble((done, "green"), f"  {events} at {answer.position or 'no new position'}"))
    elif answer.error is not None:
        tell_error(output, f"{answer.outcome} ({answer.error.code}): {answer.error.message}")
    else:
        tell_error(output, answer.outcome)
    return code
