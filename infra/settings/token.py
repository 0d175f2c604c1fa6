"""A signing key in a hardware security module or smart card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from infra.settings.values import EnvironmentName, Section

Label = Annotated[str, Field(min_length=1, max_length=255)]


class TokenSettings(Section):
    """A key that a PKCS#11 module gives access to; needs the extra ``pkcs11``."""

    #: The shared library of the token's maker.
    module: Path
    #: Label of the token.
    token: Label
    #: Label of the private key in it, which must be an Ed25519 key.
    key: Label
    #: The environment variable that holds the PIN.
    pin_env: EnvironmentName | None = None
    #: Or the file that holds it, which only its owner may read.
    pin_file: Path | None = None

    @model_validator(mode="after")
    def _one_pin(self) -> Self:
        if (self.pin_env is None) == (self.pin_file is None):
            raise ValueError("either pkcs11.pin_env or pkcs11.pin_file, which say where the PIN is")
        return self
