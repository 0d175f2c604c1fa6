"""What reuse speaks of wherever it happens: what an answer had cost, and why nothing was given again.

The reasons are a closed set, beside which the words of each case are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict

from domain.kernel.errors import PrecedentError


class Cost(BaseModel):
    """What it took to come to an answer or a program, and so is not spent where that is given again.

    A part of events: its shape never changes, it only grows.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0


MissCode: TypeAlias = Literal[
    "absent", "unlike", "differs", "unproven", "below", "refuted", "withdrawn", "expired", "untrusted", "damaged",
    "rights", "unusable", "tried", "compared", "oversized", "unheard", "failed", "off",
]  # fmt: skip

MISSES: Final[Mapping[str, str]] = {
    "absent": "nothing is there that could answer",
    "unlike": "what is near is not alike",
    "differs": "likeness does not see what a gate does",
    "unproven": "there is too little evidence to reuse anything",
    "below": "likeness is below the threshold",
    "refuted": "what was found was wrong before",
    "withdrawn": "what was found is not in use any more",
    "expired": "what was found has expired",
    "untrusted": "no trusted key signed what was found",
    "damaged": "what was found is not what it should be",
    "rights": "what was found may not do what it does here",
    "unusable": "what was found cannot be used for this task",
    "tried": "something was tried in this run already, and did not do",
    "compared": "the model is asked, to compare",
    "oversized": "what is asked is too long to be compared",
    "unheard": "the log was not heard lately, and may have withdrawn it",
    "failed": "a service did not answer, or failed",
    "off": "reuse is switched off here",
}
"""What each reason says, for people, by its code."""


class Miss(str):
    """Why something is not given again: the words of the case, and which of the reasons it is."""

    __slots__ = ("code",)
    code: MissCode

    def __new__(cls, code: MissCode, words: str) -> Self:
        """Put the two together."""
        made = super().__new__(cls, words)
        made.code = code
        return made


class NotReusable(PrecedentError):
    """What was found must not answer; the message says why, ``miss`` which of the reasons that is."""

    def __init__(self, message: str, miss: MissCode) -> None:
        """Say why."""
        super().__init__(message)
        self.miss: MissCode = miss
