"""Programs that run in place of models: who signs and trusts them, and under which terms they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from domain.programs.policy import Mode, Policy
from infra.settings.token import TokenSettings
from infra.settings.values import KeyLine, Section, Tenant, matching

Publisher = Annotated[str, matching(r"[A-Za-z0-9_:.*?-]{1,128}", "a name such as user:alice, or user:ops-* for many")]

DEFAULT = Policy()


class ProgramsSettings(Section):
    """Publication and use of programs. A task asks for them by itself, with ``cache: {levels: [L4]}``."""

    #: The file with the key that signs what is published; by default ``programs.key`` in the data directory, made when
    #: it is first needed.
    key: Path | None = None
    #: Or a hardware security module.
    pkcs11: TokenSettings | None = None
    #: The public key of that module.
    signer_key: KeyLine | None = None
    #: Whether this machine publishes; without it programs are only used.
    publish: bool = True
    #: Keys whose programs may run, by tenant, beside this machine's own for its own tenant.
    trusted: dict[Tenant, tuple[KeyLine, ...]] = Field(default_factory=dict)
    #: Whose runs may publish.
    publishers: tuple[Publisher, ...] = DEFAULT.publishers
    #: The widest effect that a program may have: pure, read, write or external.
    effects: Mode = DEFAULT.effects
    #: Runs with different inputs that must have done well before a program is published.
    proofs: Annotated[int, Field(ge=1, le=1_000)] = DEFAULT.proofs
    #: Cosine similarity of two goals from which on a program answers.
    similarity: Annotated[float, Field(ge=0.5, le=1.0)] = DEFAULT.similarity
    #: Share of hits in which the model is asked all the same, and the two are compared.
    shadow: Annotated[float, Field(ge=0.0, le=1.0)] = DEFAULT.shadow

    #: For whom a program that fails any check of their runs is wrong for everybody, beside those whose runs proved it.
    demoters: tuple[Publisher, ...] = DEFAULT.demoters
    #: Runs with different inputs that must have come to a demoted program and done well before it may be reinstated.
    reinstated_after: Annotated[int, Field(ge=1, le=1_000)] = DEFAULT.reinstated_after

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.pkcs11 is not None and self.key is not None:
            raise ValueError("either programs.key or programs.pkcs11, not both")
        if self.pkcs11 is None and self.signer_key is not None:
            raise ValueError("programs.signer_key together with programs.pkcs11")
        return self

    @property
    def policy(self) -> Policy:
        """The terms, as rules take them."""
        return Policy(
            publishers=self.publishers,
            effects=self.effects,
            proofs=self.proofs,
            similarity=self.similarity,
            shadow=self.shadow,
            demoters=self.demoters,
            reinstated_after=self.reinstated_after,
        )
