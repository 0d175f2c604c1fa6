"""Asking a model for a plan: the messages sent and the program read out of the answer. Pure; the call is an effect."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final, Literal

from domain.kernel.errors import PrecedentError

MAX_ANSWER: Final = 1_000_000
"""Characters of an answer that are searched for a plan; a longer one is refused."""

MAX_PLAN: Final = 64 * 1024
"""Characters of a plan's source; a longer one is refused."""

MAX_FAULT: Final = 4_000
"""Characters of one compiler message that are shown to the planner again."""

_PLAN_LABELS: Final = (("rtfs",), ("clojure", "clj", "lisp", "scheme", "edn"), ("",))
"""Labels of fenced blocks that may hold the plan, the surest first."""

_ANSWER_WITH: Final = "answer with the whole program in one ```rtfs block"

_SYSTEM: Final = """\
Role: planner.
You write one program in RTFS, a small Clojure-like language, that solves the task of the next message. \
A deterministic machine runs it; every call it makes is checked against the task and recorded.

1. Answer with the whole program in exactly one block fenced by ```rtfs and ```; the last block counts.
2. `inputs` holds the task's inputs. Refer to them; never copy or guess their values.
3. Call only the tools listed below, with arguments of their types. Everything else is the standard library.
4. The value of the last expression is the output. It must have the output type and meet every postcondition.
5. Stay within the limits: a call more than needed may end the run.

"""


@dataclass(frozen=True, slots=True)
class ModelOffer:
    """What is known of a configured model before it is asked."""

    tier: Literal["small", "standard", "large"] = "standard"
    price_input: float = 0.0
    """US dollars for a million tokens sent."""
    price_output: float = 0.0
    """US dollars for a million tokens answered."""


class ModelUnavailable(PrecedentError):
    """The model gave no usable answer. Ask again when ``retryable``; else correct what the message names."""

    code: ClassVar[str] = "model.unavailable"

    def __init__(
        self, message: str, *, retryable: bool, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        """Whether the same request may succeed later. It may have been charged for already."""
        self.status = status
        """HTTP status of the answer, where there was one."""
        self.retry_after = retry_after
        """Seconds that the server asked to wait before the next request, where it did."""


class ModelNotConfigured(ModelUnavailable):
    """Name a configured model in the task, or add this one under ``models`` in the configuration."""

    code = "model.not-configured"


class NoRecordedAnswer(ModelUnavailable):
    """Add an entry to the transcript that the message names, or configure a live model in its place."""

    code = "model.no-recorded-answer"


class PlanNotFound(PrecedentError):
    """The answer holds no plan: give its message back to the planner, as one does with a compiler's message."""

    code = "model.plan-not-found"


def plan_messages(
    *,
    goal: str,
    input_type: str,
    output_type: str,
    checks: Sequence[str],
    limits: Mapping[str, int | float],
    card: str,
    rejected: Sequence[tuple[str, str]] = (),
) -> tuple[dict[str, str], ...]:
    """Chat messages that ask for a plan.

    Only the types of the inputs are told, so that no value of theirs gets into a prompt or into a plan.
    ``checks`` are RTFS expressions, ``limits`` the task's by name, ``card`` the language with the signatures of the
    allowed tools, ``rejected`` earlier drafts with what the compiler (or ``extract_plan``) said of each, oldest first.
    """
    messages = [
        {"role": "system", "content": _SYSTEM + card.strip() + "\n"},
        {"role": "user", "content": _question(goal, input_type, output_type, checks, limits)},
    ]
    for source, fault in rejected:
        messages.append({"role": "assistant", "content": _fenced(source) if source.strip() else "(no program)"})
        messages.append({"role": "user", "content": _correction(fault)})
    return tuple(messages)


def _question(
    goal: str, input_type: str, output_type: str, checks: Sequence[str], limits: Mapping[str, int | float]
) -> str:
    parts = [f"Goal: {goal.strip()}", f"Type of inputs: {input_type}", f"Output type: {output_type}"]
    if checks:
        listed = "\n".join(f"- {check.strip()}" for check in checks)
        parts.append(f"Postconditions, over `inputs` and `output`:\n{listed}")
    if limits:
        parts.append("Limits: " + ", ".join(f"{name} {limit}" for name, limit in limits.items()))
    return "\n\n".join(parts)


def _fenced(source: str) -> str:
    longest = max((len(run) for run in re.findall("`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}rtfs\n{source.strip()}\n{fence}"


def _correction(fault: str) -> str:
    shown = fault.strip()
    if len(shown) > MAX_FAULT:
        shown = shown[:MAX_FAULT] + " …"
    return f"This draft was rejected:\n\n{shown}\n\nCorrect it. Answer with the whole program in one ```rtfs block."


@dataclass(slots=True)
class _Block:
    """A fenced block of Markdown while it is read."""

    fence: str
    label: str
    lines: list[str] = field(default_factory=list)
    closed: bool = False


def extract_plan(text: str) -> str:
    """RTFS source in a model's answer; every answer gives a source or ``PlanNotFound``, in time linear in its length.

    Reasoning up to ``</think>`` is skipped. Then the last fenced block labelled ``rtfs`` counts, else the last one of
    a Lisp, else the last without a label, else the text from the first line that begins with a parenthesis. A block
    that is not closed is refused: the answer was cut off, and half a plan may well compile.
    """
    if len(text) > MAX_ANSWER:
        raise PlanNotFound(f"the answer has {len(text):,} characters, over {MAX_ANSWER:,}: {_ANSWER_WITH}")
    _, ended, spoken = text.replace("\r\n", "\n").rpartition("</think>")
    if not ended and spoken.lstrip().startswith("<think>"):
        raise PlanNotFound(f"the answer was cut off while reasoning: reason less, and {_ANSWER_WITH}")
    source = (_fenced_plan(spoken) or _bare_plan(spoken)).strip()
    if not source:
        raise PlanNotFound(f"the answer {'holds no program' if spoken.strip() else 'is empty'}: {_ANSWER_WITH}")
    if len(source) > MAX_PLAN:
        raise PlanNotFound(f"the program has {len(source):,} characters, over {MAX_PLAN:,}: write a shorter one")
    if any("\ud800" <= character <= "\udfff" for character in source):
        raise PlanNotFound("the program holds unpaired surrogates, which UTF-8 cannot: answer in plain text")
    return source + "\n"


def _fenced_plan(text: str) -> str:
    """Content of the fenced block that counts; empty where there is none."""
    blocks = _blocks(text)
    for labels in _PLAN_LABELS:
        for block in reversed(blocks):
            if block.label in labels:
                if not block.closed:
                    raise PlanNotFound("the program's block is not closed, so it was cut off: write a shorter program")
                return "\n".join(block.lines)
    return ""


def _blocks(text: str) -> list[_Block]:
    """Fenced blocks as CommonMark 0.31 (section 4.5) has them, at any indentation."""
    blocks: list[_Block] = []
    for line in text.split("\n"):
        edge = line.strip()
        if not blocks or blocks[-1].closed:
            if opened := _opening(edge):
                blocks.append(opened)
        elif edge.startswith(blocks[-1].fence) and not edge.strip(blocks[-1].fence[0]):
            blocks[-1].closed = True
        else:
            blocks[-1].lines.append(line)
    return blocks


def _opening(edge: str) -> _Block | None:
    if not edge.startswith(("```", "~~~")):
        return None
    label = edge.lstrip(edge[0])
    if edge[0] == "`" and "`" in label:  # that is code inside a line of prose
        return None
    return _Block(fence=edge[: len(edge) - len(label)], label=(label.split() or [""])[0].lower())


def _bare_plan(text: str) -> str:
    start = re.search(r"^[ \t]*\(", text, re.MULTILINE)
    return text[start.start() :] if start else ""
