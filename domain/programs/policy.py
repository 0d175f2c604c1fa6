"""Who may publish what: the terms under which programs are used in place of models."""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from domain.kernel.values import digest_json

Mode = Literal["pure", "read", "write", "external"]

WIDTH: Final[dict[str, int]] = {"pure": 0, "read": 1, "write": 2, "external": 3}
"""How much of the world a mode of effect can change, in order."""


class Policy(BaseModel):
    """Terms of publication and use. Each has a safe default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    publishers: tuple[str, ...] = ("*",)
    """Patterns (``user:ops-*``) of those whose runs may publish; ``*`` stands for any text."""
    effects: Mode = "read"
    """The widest effect that a published program may have."""
    proofs: int = Field(1, ge=1, le=1_000)
    """Runs with different inputs that must have done well; of a task without inputs, so many runs."""
    similarity: float = Field(0.99, ge=0.5, le=1.0)
    """Cosine of the goals from which on a program answers, until evidence moves it."""
    shadow: float = Field(0.0, ge=0.0, le=1.0)
    """Share of hits in which the model is asked all the same, and the two are compared."""
    demoters: tuple[str, ...] = ()
    """Patterns of those for whom a program that fails any check of their runs is wrong, beside who proved it."""
    reinstated_after: int = Field(3, ge=1, le=1_000)
    """Runs with different inputs that must have come to a demoted program and done well before it may return."""

    @property
    def digest(self) -> str:
        """Digest of the terms, as it stands in what was published under them."""
        return digest_json(self.model_dump(mode="json"))

    def may_publish(self, actor: str) -> bool:
        """Whether runs that this one submitted may publish."""
        return any(fnmatchcase(actor, pattern) for pattern in self.publishers)

    def may_demote(self, actor: str) -> bool:
        """Whether checks that this one asks for say what is wrong for everybody."""
        return any(fnmatchcase(actor, pattern) for pattern in self.demoters)

    def wider(self, modes: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the modes that are wider than allowed."""
        return tuple(mode for mode in modes if WIDTH[mode] > WIDTH[self.effects])


def is_shadowed(draw: str, share: float) -> bool:
    """Whether this draw is in the share of hits that are compared; the same draw always gives the same."""
    drawn = int.from_bytes(sha256(f"shadow:{draw}".encode()).digest()[:8], "big")
    return drawn < share * 2**64
