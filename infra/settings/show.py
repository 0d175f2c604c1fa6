"""The settings in force, where each came from, and nothing that is secret."""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from infra.settings.load import leaves
from infra.settings.model import Settings

MASK = "********"
_IN_QUERY = re.compile(r"(?i)(?<![^&])((?:ssl)?password)=[^&#]*")


class EffectiveValue(NamedTuple):
    """One line of ``precedent config show``."""

    key: str
    value: str
    origin: str


def effective(settings: Settings) -> list[EffectiveValue]:
    """Every key with its value in force and its origin; passwords are masked, in URLs too."""
    return [
        EffectiveValue(path, _printed(value), _origin(path, settings))
        for path, value in leaves(settings.model_dump(mode="json"))
    ]


def _origin(path: str, settings: Settings) -> str:
    known = settings.origins
    return known.get(path) or next((known[key] for key in known if path.startswith(f"{key}.")), "default")


def _printed(value: Any) -> str:
    match value:
        case None:
            return "-"
        case list() | dict():
            return ", ".join(map(str, value)) or "-"
        case str() if "://" in value:
            return without_password(value)
        case bool():
            return str(value).lower()
        case _:
            return str(value).removesuffix(".0")


def without_password(url: str) -> str:
    """Give a URL with its password masked, in its query too."""
    before, mark, query = url.partition("?")
    after = mark + _IN_QUERY.sub(rf"\1={MASK}", query)
    parts = urlsplit(before)
    if parts.password is None:
        return before + after
    userinfo, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{userinfo.partition(':')[0]}:{MASK}@{host}")) + after
