"""The kinds of value that settings are made of, each with what it allows in words."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

from domain.ledger.notes import KeyInvalid, VerifierKey


def url_of(*schemes: str) -> AfterValidator:
    """A URL of one of these schemes, with no password in it (but of a database)."""

    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not (parts.netloc or parts.query):
            raise ValueError(f"a URL that starts with {' or '.join(f'{s}://' for s in schemes)}")
        if parts.password is not None and schemes != ("postgresql",):
            raise ValueError("a URL without a password in it: there are keys of their own for credentials")
        return value

    return AfterValidator(check)


def matching(pattern: str, what: str) -> AfterValidator:
    """A text of this regular expression, told in words as ``what``."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(what)
        return value

    return AfterValidator(check)


def between(low: float, high: float) -> AfterValidator:
    """A number of this range, both ends included; no number is none."""

    def check(value: float) -> float:
        if not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}, not {value!r}")
        return value

    return AfterValidator(check)


HostPattern = Annotated[
    str,
    matching(
        r"(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?)*(:[1-9][0-9]{0,4})?",
        "a host name such as example.org, or *.example.org for every host below it",
    ),
]
ModuleName = Annotated[
    str, matching(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", "the dotted name of a Python module, as in acme.tools")
]
ModelName = Annotated[
    str, matching(r"[a-z0-9][a-z0-9_-]{0,63}", "a name of at most 64 lower-case letters, digits, - and _")
]
EnvironmentName = Annotated[
    str, matching(r"[A-Z_][A-Z0-9_]*", "the name of an environment variable that holds the key, never the key itself")
]


def _verifier_key(value: str) -> str:
    try:
        return str(VerifierKey.parse(value))
    except KeyInvalid as problem:
        raise ValueError(f"a verifier key, <name>+<hash>+<key> ({problem})") from None


KeyLine = Annotated[str, AfterValidator(_verifier_key)]
Tenant = Annotated[str, matching(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, - and _")]


class Section(BaseModel):
    """A group of keys; a key that it does not know is refused rather than ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)
