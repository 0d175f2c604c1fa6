"""Models by their name in the configuration: the model port."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from adapters.models.configuration import ModelConfiguration
from adapters.models.http import HttpModel
from adapters.models.recorded import Answering, RecordedModel, Recording
from commands.ports import ModelAnswer, ModelRequest
from domain.models import ModelNotConfigured


class ModelClients:
    """Every configured model. An asynchronous context manager that closes their connections at its end."""

    def __init__(
        self, configurations: Mapping[str, ModelConfiguration], environment: Mapping[str, str] = os.environ
    ) -> None:
        """Read transcripts and check every configuration. Raises ``ModelMisconfigured``, ``TranscriptInvalid``."""
        self._models = {
            name: _model(name, configuration, environment) for name, configuration in configurations.items()
        }

    def names(self) -> Collection[str]:
        """Names of the configured models."""
        return self._models.keys()

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """Answer of the model named in the request. Raises ``ModelUnavailable``, ``InvalidInput``."""
        model = self._models.get(request.model)
        if model is None:
            known = ", ".join(sorted(self._models)) or "none"
            raise ModelNotConfigured(
                f"no model {request.model!r} is configured (configured: {known}); add it under models", retryable=False
            )
        return await model.ask(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for model in self._models.values():
            await model.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def _model(name: str, configuration: ModelConfiguration, environment: Mapping[str, str]) -> Answering:
    configuration.check(name)
    if configuration.recorded is not None:
        return RecordedModel(configuration.recorded)
    live = HttpModel(name, configuration, environment)
    return live if configuration.record_to is None else Recording(live, configuration.record_to)
