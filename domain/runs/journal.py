"""How the journal answers a program: a settled effect gives its recorded answer, and only to the same request."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import bytes_of_text, decode, digest_bytes, encode
from domain.rtfs.bytecode.module import ModuleInvalid
from domain.rtfs.bytecode.source_map import SourceMap
from domain.rtfs.vm import Answer, EffectRequest, Limits, Module, Raised, Returned, load
from domain.runs.differences import Difference, differences
from domain.runs.guard import Asked, request_digest
from domain.runs.hints import allowed_seconds
from domain.runs.planning import AgentPinned, ProgramCompiled
from domain.runs.state import Entry, Run, Settlement

PROGRAM_LIMITS: Final = Limits()
"""Limits of every program: a replay with others could end elsewhere than the run."""


PARTS: Final = {
    "program": "the program",
    "inputs": "the inputs",
    "output": "the output",
    "verdict": "the verdict",
    "error": "the error",
}
"""What can differ beside effects, by the word that stands in for an effect key."""


class ReplayDiverged(PrecedentError):
    """The program asks something else than what is recorded: its inputs, its code or the record have changed."""

    code = "replay.diverged"

    def __init__(
        self,
        effect: str,
        expected: str,
        actual: str,
        *,
        site: int | None = None,
        values: tuple[Any, Any] | None = None,
    ) -> None:
        """``values``: encoded arguments or outputs, as recorded and as they are now."""
        super().__init__(effect, expected, actual)
        self.effect = effect
        """Key of the effect, or one of ``PARTS``."""
        self.expected = expected
        self.actual = actual
        self.site = site
        """Place in the program, where that is known."""
        self.values = values
        self.differences: tuple[Difference, ...] = differences(*values) if values is not None else ()
        """Where the values differ: the first places."""
        self.position: tuple[int, int] | None = None
        """Line and column of the plan, from 1."""
        self.plan: str | None = None
        """Text of the plan, or of the agent's module."""
        self.module: str | None = None
        """The agent's module, where an agent diverged."""
        self.advice = ""
        """What may have made the difference, where there is a guess."""

    def __str__(self) -> str:
        """One sentence."""
        what = PARTS.get(self.effect, f"effect {self.effect}")
        where = f" (line {self.position[0]}, column {self.position[1]} of the plan)" if self.position else ""
        if self.position and self.module:
            where = f" (line {self.position[0]} of {self.module})"
        advice = f"; {self.advice}" if self.advice else ""
        return f"{what}{where}: the record has {self.expected}; the replay has {self.actual}{advice}"

    def locate_in_agent(self, module: str, source: str, advice: str) -> None:
        """Its place is a line of an agent's module."""
        self.plan, self.module, self.advice = source, module, advice
        if self.site:
            lines = source.splitlines()
            text = lines[self.site - 1] if self.site <= len(lines) else ""
            self.position = (self.site, len(text) - len(text.lstrip()) + 1)

    def locate(self, run: Run) -> None:
        """Find its place in the text of the run's plan."""
        if run.drafts:
            self.plan = run.drafts[-1].source
        if self.site is not None and run.program is not None:
            with suppress(ModuleInvalid):  # a map that cannot be read tells no place, and is no part of the meaning
                self.position = SourceMap.decode(run.program.source_map.encode()).position(self.site)


@lru_cache(maxsize=1024)  # the same program is often run and replayed again, and loading is pure
def loaded(module: str) -> tuple[str, Module]:
    """Digest and machine form of a program's bytes. Raises ``ValueNotDecodable``, ``ModuleInvalid``."""
    data = bytes_of_text(module)
    return digest_bytes(data), load(data)


def asked_by(program: ProgramCompiled | AgentPinned, request: EffectRequest) -> Asked:
    """What a program asks for, as the journal knows it: with the pinned version, encoded, with its digest."""
    arguments = {name: encode(value) for name, value in request.arguments.items()}
    digest = request_digest(request.capability, program.version_of(request.capability) or "", arguments)
    seconds = allowed_seconds(request.hints) if request.hints else None
    return Asked(request.key, request.capability, arguments, digest, request.site, seconds)


def answer_of(entry: Entry | None, asked: Asked) -> Answer | None:
    """Recorded answer to an effect; None while it is open. Raises ``ReplayDiverged`` when the request differs."""
    if entry is None:
        return None
    if entry.request_digest != asked.digest:
        raise ReplayDiverged(
            asked.key,
            f"{entry.tool} {entry.request_digest}",
            f"{asked.tool} {asked.digest} {asked.arguments!r:.200}",
            site=asked.site,
            values=None if entry.arguments is None else (entry.arguments, asked.arguments),
        )
    if entry.settlement is Settlement.COMPLETED:
        return Returned(decode(entry.result))
    if entry.settlement in (Settlement.FAILED, Settlement.DENIED):
        assert entry.error is not None, "failed and denied effects carry their error"
        return Raised(entry.error.type, entry.error.message)
    return None
