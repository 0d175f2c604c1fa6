"""Where the broker, the database and the content store answer, embedded or not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from infra.settings import ConfigurationError, ContentSettings, Settings
from infra.stack.state import read_state


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """What a client needs to connect; its ``repr`` holds no secret."""

    data: Path
    nats_url: str
    nats_user: str | None = None
    nats_password: str | None = field(default=None, repr=False)
    #: User and password of who may close and drop epochs, where that is another account than the services'.
    nats_keeper: tuple[str, str] | None = field(default=None, repr=False)
    #: ``postgresql://...``, for psycopg and libpq.
    database_url: str = field(repr=False)
    #: Where content is kept, and where the key for it is named.
    content: ContentSettings
    #: The folder of what is kept in files: the ledger's tiles and archive, and content unless it is on S3.
    content_directory: Path

    def nats_options(self) -> dict[str, Any]:
        """Keyword arguments for ``nats.connect``."""
        credential = {"user": self.nats_user, "password": self.nats_password} if self.nats_user is not None else {}
        return {"servers": [self.nats_url], **credential}

    @property
    def sqlalchemy_url(self) -> str:
        """The database for SQLAlchemy with psycopg 3."""
        return "postgresql+psycopg://" + self.database_url.partition("://")[2]


def endpoints_of(settings: Settings) -> Endpoints | None:
    """Where these settings lead: the servers they name, the embedded ones for the rest; None when those do not run.

    Raises:
        ConfigurationError: the file of ``nats.credentials`` cannot be used.

    """
    nats_url, database_url = settings.nats.url, settings.database.url
    if nats_url is None or database_url is None:
        state = read_state(settings.data)
        if state is None or not state.ready():
            return None
        nats_url, database_url = nats_url or state.nats_url, database_url or state.database_url
    if nats_url is None or database_url is None:
        return None
    return endpoints_at(settings, nats_url, database_url)


def endpoints_at(settings: Settings, nats_url: str, database_url: str) -> Endpoints:
    """Where servers at these addresses are reached by these settings. Raises as ``endpoints_of``."""
    user, password = _credential(settings)
    return Endpoints(
        data=settings.data,
        nats_url=nats_url,
        nats_user=user,
        nats_password=password,
        nats_keeper=_keeper(settings),
        database_url=database_url,
        content=settings.content,
        content_directory=settings.content_directory,
    )


def _credential(settings: Settings) -> tuple[str | None, str | None]:
    if settings.nats.url is None:
        return read_credential(credential_file(settings.data))
    if settings.nats.password is not None:
        return settings.nats.user, settings.nats.password.get_secret_value()
    return read_credential(settings.nats.credentials) if settings.nats.credentials is not None else (None, None)


def _keeper(settings: Settings) -> tuple[str, str] | None:
    """Of the embedded broker, as its services are told of it too; elsewhere the account that is configured is used."""
    is_embedded = settings.nats.url is None or settings.nats.credentials == credential_file(settings.data)
    if not is_embedded or not keeper_file(settings.data).exists():
        return None
    return read_credential(keeper_file(settings.data))


def keeper_file(data: Path) -> Path:
    """The credential of who may close and drop the embedded broker's epochs, readable by its owner only."""
    return data / "nats-keeper.json"


def credential_file(data: Path) -> Path:
    """The embedded broker's credential, readable by its owner only."""
    return data / "nats-credential.json"


def read_credential(file: Path) -> tuple[str, str]:
    """The user and password in a credential file.

    Raises:
        ConfigurationError: it is missing, unreadable or not what it should be.

    """
    try:
        read = json.loads(file.read_text("utf-8"))
        return str(read["user"]), str(read["password"])
    except OSError as error:
        raise ConfigurationError(f"nats.credentials: {file}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(
            f"nats.credentials: {file}: a JSON object with 'user' and 'password' is expected"
        ) from None
