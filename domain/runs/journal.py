"""How the journal answers a program: a settled effect gives its recorded answer, and only to the same request."""

from __future__ import annotations

from domain.kernel.errors import PrecedentError
from domain.kernel.values import decode
from domain.rtfs.vm import Answer, Raised, Returned
from domain.runs.guard import Asked
from domain.runs.state import Entry, Settlement


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
