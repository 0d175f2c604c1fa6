"""Models behind an OpenAI-compatible HTTP server: vLLM, or any other."""

from __future__ import annotations

import os
from collections.abc import Mapping

from adapters.models.chat import Price, read_answer, request_body
from adapters.models.configuration import ModelConfiguration
from adapters.models.endpoint import Endpoint
from commands.ports import ModelAnswer, ModelRequest


class HttpModel:
    """One model of one server, with a pool of connections. Close it."""

    def __init__(
        self, name: str, configuration: ModelConfiguration, environment: Mapping[str, str] = os.environ
    ) -> None:
        """Check the configuration; nothing is connected yet. ``environment`` is where the key is read, at each call."""
        configuration.check(name)
        assert configuration.url is not None
        assert configuration.model is not None
        self._served_as = configuration.model
        self._price = Price(configuration.price_input, configuration.price_output)
        self._endpoint = Endpoint(
            f"model {name!r}",
            configuration.url,
            "/chat/completions",
            served_as=configuration.model,
            key_variable=configuration.api_key_env,
            silence=configuration.timeout,
            environment=environment,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._endpoint.aclose()

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """Answer of the server, within ``request.timeout`` seconds. Raises ``ModelUnavailable``, ``InvalidInput``."""
        body = request_body(request, self._served_as)
        received = await self._endpoint.post(body, request.timeout)
        return read_answer(received, len(body), self._price, self._endpoint.at)
