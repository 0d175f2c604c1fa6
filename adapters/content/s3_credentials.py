"""The access key of an S3 server: named by environment variables or in a private file, and read at every request.

So a rotated key needs no restart. The values are in no message, no ``repr`` and no URL.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from adapters.system.private_files import ReadableByOthers, read_private
from domain.kernel.errors import ServiceUnreachable

_KEY = re.compile(r"[!-~]{1,256}")


class ContentCredentialsRefused(ServiceUnreachable):
    """Put the access key where the message says it was looked for; what needed it may then be tried again."""

    code = "content.credentials-refused"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Who asks, and the secret that proves it."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)


Keys = Callable[[], AccessKey]
"""Give the key that is valid now. Raises ``ContentCredentialsRefused``."""


def of_environment(access_name: str, secret_name: str) -> Keys:
    """The key in the environment variables of these names."""

    def read() -> AccessKey:
        return AccessKey(_variable(access_name), _variable(secret_name))

    return read


def of_file(path: Path) -> Keys:
    """The key in a JSON file with ``access_key`` and ``secret_key``, which only its owner can read."""

    def read() -> AccessKey:
        try:
            text = read_private(path, "rotate the key")
        except ReadableByOthers as problem:
            raise ContentCredentialsRefused(f"content.credentials: {problem}") from None
        except OSError as problem:
            raise ContentCredentialsRefused(f"content.credentials: {path}: {problem.strerror or problem}") from None
        return _parsed(path, text)

    return read


def _variable(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ContentCredentialsRefused(
            f"{name} is not set: content on S3 needs the access key in the environment variables that "
            "content.access_key_env and content.secret_key_env name, or in the file content.credentials"
        )
    if not _KEY.fullmatch(value):
        raise ContentCredentialsRefused(f"{name} holds no access key: it is one word of at most 256 characters")
    return value


def _parsed(path: Path, text: bytes) -> AccessKey:
    try:
        read = json.loads(text)
        values = read["access_key"], read["secret_key"]
    except (ValueError, KeyError, TypeError, RecursionError):
        values = None, None
    if not all(isinstance(value, str) and _KEY.fullmatch(value) for value in values):
        raise ContentCredentialsRefused(
            f"content.credentials: {path}: a JSON object with the texts 'access_key' and 'secret_key' is expected"
        )
    return AccessKey(*values)
