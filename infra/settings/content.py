"""Where content is kept: a folder, or a bucket on S3."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, model_validator

from adapters.content.s3_address import EXAMPLE, S3Address
from infra.settings.values import EnvironmentName, Section


def _content_url(value: str) -> str:
    if value.startswith("s3:"):
        return str(S3Address.parse(value))
    if not value.startswith("file:") or value == "file:":
        raise ValueError(f"file: and a directory, as in file:/srv/precedent/content, or a bucket, as in {EXAMPLE}")
    path = value.removeprefix("file:")
    return "file:" + str(Path(path[2:] if path.startswith("///") else path).absolute())


class ContentSettings(Section):
    """Where values too big for an event are kept, by digest."""

    #: ``file:/directory``, or ``s3://bucket/prefix?endpoint=https://host:port&region=name``.
    url: Annotated[str, AfterValidator(_content_url)]
    #: On S3: a JSON file with ``access_key`` and ``secret_key`` that only its owner can read, read at every request.
    credentials: Path | None = None
    #: Or the environment variables that hold the two.
    access_key_env: EnvironmentName = "AWS_ACCESS_KEY_ID"
    secret_key_env: EnvironmentName = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  # the name of one

    @model_validator(mode="after")
    def _one_credential(self) -> Self:
        given = self.model_fields_set & {"credentials", "access_key_env", "secret_key_env"}
        if given and self.s3 is None:
            raise ValueError("content.credentials and content.*_env only with content.url of a bucket")
        if "credentials" in given and len(given) > 1:
            raise ValueError("either content.credentials or content.access_key_env with content.secret_key_env")
        return self

    @property
    def directory(self) -> Path | None:
        """The folder that the URL names; None where it names a bucket."""
        return None if self.s3 is not None else Path(self.url.removeprefix("file:"))

    @property
    def s3(self) -> S3Address | None:
        """The bucket that the URL names; None where it names a folder."""
        return S3Address.parse(self.url) if self.url.startswith("s3:") else None
