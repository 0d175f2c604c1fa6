"""Models by their name in the configuration: the model port."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Self

from adapters.models.configuration import ModelConfiguration
from adapters.models.http import HttpModel
from adapters.models.recorded import Answering, RecordedModel, Recording
from commands.ports import ModelAnswer, ModelRequest
from domain.models import ModelNotConfigured, ModelOffer


class ModelClients:
    """Every configured model. An asynchronous context manager that closes their connections at its end."""

    def __init__(
        self, configurations: Mapping[str, ModelConfiguration], environment: Mapping[str, str] = os.environ
    ) -> None:
        """Read transcripts and check every configuration. Raises ``ModelMisconfigured``, ``TranscriptInvalid``."""
        self._models = {
            name: _model(name, configuration, environment) for name, configuration in configurations.items()
        }
        self._identities = {name: _identity(name, each) for name, each in configurations.items()}
        self._offers = {
            name: ModelOffer(tier=each.tier, price_input=each.price_input, price_output=each.price_output)
            for name, each in configurations.items()
        }

    def names(self) -> Collection[str]:
        """Names of the configured models."""
        return self._models.keys()

    def offers(self) -> Mapping[str, ModelOffer]:
        """As the port says."""
        return self._offers

    def identity(self, name: str) -> str:
        """As the port says. Raises ``ModelNotConfigured``."""
        if name not in self._identities:
            raise self._unknown(name)
        return self._identities[name]

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """Answer of the model named in the request. Raises ``ModelUnavailable``, ``InvalidInput``."""
        model = self._models.get(request.model)
        if model is None:
            raise self._unknown(request.model)
        return await model.ask(request)

    def _unknown(self, name: str) -> ModelNotConfigured:
        known = ", ".join(sorted(self._models)) or "none"
        message = f"no model {name!r} is configured (configured: {known}); add it under models"
        return ModelNotConfigured(message, retryable=False)

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


def _identity(name: str, configuration: ModelConfiguration) -> str:
    """Name and digest: an address may hold what should not be shown, and a name any character."""
    if configuration.recorded is not None:
        behind, shown = configuration.recorded.read_bytes(), "recorded"
    else:
        behind, shown = f"{configuration.url}\n{configuration.model}".encode(), str(configuration.model)
    readable = re.sub(r"[^A-Za-z0-9._:-]+", "-", f"{name}:{shown}")[:200]
    return f"{readable}:{hashlib.sha256(behind).hexdigest()[:16]}"
