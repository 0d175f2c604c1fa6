"""Conformance cases: programs with what they must give, as text files that any implementation can run.

A file is a sequence of cases; a case is a program followed by lines that say what must come of it:

    ;; => VALUE                              it gives this value (as the printer writes it)
    ;; !! ERROR-TYPE words of the message    it fails with this error
    ;; ?? words of the message               it does not compile
    ;; ~> :CAPABILITY {:parameter VALUE} => ANSWER
    ;; ~> :CAPABILITY {:parameter VALUE} !! ERROR-TYPE
                                             it calls this capability next, and is answered so

Before the program may stand what it is given:

    ;; given TYPE VALUE                      `inputs` is of this type and has this value
    ;; within {:fuel 1000 :memory 1000 :depth 50 :output 100}
    ;; module NAME FILE                      `NAME` may be imported: its source is this file

Lines with other comments are comments. Values are written as programs that give them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "language"


@dataclass(frozen=True)
class Asked:
    """An effect that a program must ask for, and how it is answered."""

    capability: str
    arguments: str
    answer: str
    fails: bool
    """Whether the answer is the type of an error."""


@dataclass
class Case:
    """One program and what must come of it."""

    file: str
    line: int
    source: str = ""
    given: tuple[str, str] | None = None
    within: str | None = None
    modules: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    end: str = ""
    """``=>``, ``!!`` or ``??``."""
    expected: str = ""

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}"


def every_case() -> list[Case]:
    """Give the cases of every file, in order."""
    return [case for path in sorted(FOLDER.glob("*.rtfs")) for case in read_cases(path)]


def read_cases(path: Path) -> Iterator[Case]:
    """Take a file apart. Raises ``ValueError`` where it is no file of cases."""
    name = path.name
    case: Case | None = None
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        mark, _, rest = line.removeprefix(";;").strip().partition(" ")
        if not line.startswith(";;") or mark not in ("=>", "!!", "??", "~>", "given", "within", "module"):
            if line.startswith(";;") or (case is None and not line.strip()):
                continue
            case = case or Case(name, number)
            case.source += f"{line}\n"
            continue
        case = case or Case(name, number)
        if mark == "given":
            case.given = _given(rest)
        elif mark == "within":
            case.within = rest
        elif mark == "module":
            imported, _, file = rest.partition(" ")
            case.modules[imported] = file.strip()
        elif mark == "~>":
            case.asked.append(_asked(rest))
        else:
            case.end, case.expected = mark, rest.strip()
            if not case.source.strip():
                raise ValueError(f"{name}:{number} expects something of no program")
            yield case
            case = None
    if case is not None:
        raise ValueError(f"{case.name} says nothing of what it expects")


def _given(text: str) -> tuple[str, str]:
    """Cut ``TYPE VALUE``: a type is one word, or all up to the bracket that closes its first one."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth == 0 and character in " ]":
            return text[: place + 1].strip(), text[place + 1 :].strip()
    raise ValueError(f"`given` takes a type and a value: {text}")


def _asked(text: str) -> Asked:
    for mark in (" => ", " !! "):
        request, found, answer = text.partition(mark)
        if found:
            capability, _, arguments = request.strip().partition(" ")
            return Asked(capability.removeprefix(":"), arguments.strip() or "{}", answer.strip(), mark == " !! ")
    raise ValueError(f"an effect has no answer: {text}")
