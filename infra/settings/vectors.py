"""Where points are searched: a Qdrant server, or this machine."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import model_validator

from infra.settings.values import EnvironmentName, Section, url_of


class VectorsSettings(Section):
    """Where points of texts are searched by nearness.

    Without a URL in Qdrant's engine below ``data`` where ``precedent[vectors]`` is installed, else in memory.
    """

    #: A Qdrant server, ``http://host:6333`` (6333 also where it names no port).
    url: Annotated[str, url_of("http", "https")] | None = None
    api_key_env: EnvironmentName | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.api_key_env is not None and self.url is None:
            raise ValueError("vectors.api_key_env only with vectors.url")
        return self
