"""What has to be known of a model before it can be asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx

from domain.kernel.errors import InvalidInput


class ModelMisconfigured(InvalidInput):
    """Correct the key under ``models`` in the configuration that the message names."""

    code = "model.misconfigured"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfiguration:
    """One model: a server that speaks the OpenAI chat form (``url`` and ``model``), or a transcript (``recorded``)."""

    url: str | None = None
    """Base URL, as ``http://127.0.0.1:8000/v1``; ``/chat/completions`` is added to its path."""
    model: str | None = None
    """The server's name of the model."""
    recorded: Path | None = None
    """A transcript that answers instead of a server (docs/models.md)."""
    record_to: Path | None = None
    """A ``.jsonl`` transcript to which every live answer is added."""
    api_key_env: str | None = None
    """Environment variable that holds the key; the key itself never stands in a configuration."""
    price_input: float = 0.0
    """US dollars for a million tokens sent."""
    price_output: float = 0.0
    """US dollars for a million tokens answered."""
    tier: Literal["small", "standard", "large"] = "standard"
    """Its size among the configured ones: where a task leaves the choice, the smallest is asked first."""
    timeout: float = 60.0
    """Seconds of silence after which the server counts as hung. The whole call has the request's own timeout."""

    def check(self, name: str) -> None:
        """Refuse what cannot work, naming the key under ``models.<name>``."""
        at = f"models.{name}"
        if (self.url is None) == (self.recorded is None):
            raise ModelMisconfigured(f"{at}: give either url (a live model) or recorded (a transcript)")
        if self.url is not None:
            _check_url(f"{at}.url", self.url)
            if not self.model:
                raise ModelMisconfigured(f"{at}.model is missing: give the name under which the server knows the model")
        if self.record_to is not None and (self.url is None or self.record_to.suffix != ".jsonl"):
            raise ModelMisconfigured(
                f"{at}.record_to is {self.record_to}: give a .jsonl file, and only for a live model"
            )
        for key in ("price_input", "price_output"):
            if not 0 <= getattr(self, key) < math.inf:
                raise ModelMisconfigured(f"{at}.{key} is {getattr(self, key)}: give a price of 0 or more")
        if not 0 < self.timeout < math.inf:
            raise ModelMisconfigured(f"{at}.timeout is {self.timeout}: give seconds above 0")


def _check_url(at: str, text: str) -> None:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ModelMisconfigured(f"{at} is no URL: {error}") from None  # the cause would show a password in it
    if url.userinfo:
        raise ModelMisconfigured(f"{at} holds a user name or password: give the key by api_key_env instead")
    if url.scheme not in ("http", "https") or not url.host or url.fragment or not 0 < (url.port or 80) < 2**16:
        raise ModelMisconfigured(f"{at} is {text!r}: give http://HOST[:PORT]/PATH or https://HOST[:PORT]/PATH")
