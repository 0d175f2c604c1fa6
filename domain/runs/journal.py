"""How the journal answers a program: a settled effect gives its recorded answer, and only to the same request."""

from __future__ import annotations

from typing import Final

from domain.kernel.errors import PrecedentError
from domain.kernel.values import decode, encode
from domain.rtfs.vm import Answer, EffectRequest, Limits, Raised, Returned
from domain.runs.events import ProgramCompiled
from domain.runs.guard import Asked, request_digest
from domain.runs.state import Entry, Settlement

PROGRAM_LIMITS: Final = Limits()
"""Limits of every program: a replay with others could end elsewhere than the run."""


class ReplayDiverged(PrecedentError):
    """The program asks something else than what is recorded: its inputs, its code or the record have changed."""

    code = "replay.diverged"

    def __init__(self, effect: str, expected: str, actual: str, site: str | None = None) -> None:
        where = f" (at {site})" if site else ""
        super().__init__(f"effect {effect}{where}: the record has {expected}; the program asks {actual}")
        self.effect = effect
        self.expected = expected
        self.actual = actual
        self.site = site


def asked_by(program: ProgramCompiled, request: EffectRequest) -> Asked:
    """What a program asks for, as the journal knows it: with the pinned version, encoded, with its digest."""
    arguments = {name: encode(value) for name, value in request.arguments.items()}
    digest = request_digest(request.capability, program.version_of(request.capability) or "", arguments)
    return Asked(request.key, request.capability, arguments, digest)


def answer_of(entry: Entry | None, asked: Asked) -> Answer | None:
    """Recorded answer to an effect; None while it is open. Raises ``ReplayDiverged`` when the request differs."""
    if entry is None:
        return None
    if entry.request_digest != asked.digest:
        raise ReplayDiverged(
            asked.key, f"{entry.tool} {entry.request_digest}", f"{asked.tool} {asked.digest} {asked.arguments!r:.200}"
        )
    if entry.settlement is Settlement.COMPLETED:
        return Returned(decode(entry.result))
    if entry.settlement in (Settlement.FAILED, Settlement.DENIED):
        assert entry.error is not None, "failed and denied effects carry their error"
        return Raised(entry.error.type, entry.error.message)
    return None
