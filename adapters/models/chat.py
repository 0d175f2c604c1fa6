"""The chat completion of OpenAI-compatible servers: request bytes, and the reading of an answer nobody vouches for.

Source: the "Create chat completion" reference of the OpenAI API, and vLLM's "OpenAI-Compatible Server".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson

from commands.ports import ModelAnswer, ModelRequest
from domain.kernel.errors import InvalidInput
from domain.models import ModelUnavailable

OWN_FIELDS: Final = frozenset({"model", "messages", "stream", "n"})
"""Fields of the request that are ours to set; parameters may not."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    prompt: float
    completion: float

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for so many tokens."""
        return (prompt_tokens * self.prompt + completion_tokens * self.completion) / 1_000_000


def request_body(request: ModelRequest, served_as: str) -> bytes:
    """JSON of the request to a server that knows the model as ``served_as``."""
    if taken := OWN_FIELDS & request.parameters.keys():
        raise InvalidInput(f"model parameters {sorted(taken)} are refused: they are set by Precedent")
    document = {"model": served_as, "messages": request.messages, "stream": False, **request.parameters}
    try:
        return orjson.dumps(document)
    except TypeError as error:
        raise InvalidInput(f"a message or parameter for model {request.model!r} is no JSON: {error}") from error


def read_answer(body: bytes, request_size: int, price: Price, at: str) -> ModelAnswer:
    """Read the answer in a response body.

    ``request_size`` (bytes) stands in for usage that the server does not tell; ``at`` names the model and the server
    in errors. Raises ``ModelUnavailable``; the body is not shown, as it may echo the request.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ModelUnavailable(
            f"{at} answered {len(body):,} bytes that are no JSON: {error}", retryable=True
        ) from error
    reading = _Reading(document, at)
    text = reading.text()
    told = reading.usage()
    # A byte-level tokenizer makes at most one token of a byte: without usage, budgets err on the safe side.
    prompt_tokens, completion_tokens = told or (request_size, len(text.encode()))
    return ModelAnswer(
        text=text,
        served_model=reading.served_model(),
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        usd=price.of(prompt_tokens, completion_tokens),
    )


@dataclass(frozen=True, slots=True)
class _Reading:
    document: Any
    at: str

    def text(self) -> str:
        choices = self._of(self.document, "", "choices", list)
        if not choices:
            raise self._wrong("choices is empty")
        message = self._of(choices[0], "choices[0].", "message", dict)
        content = message.get("content")
        if content is None:
            raise self._wrong(f"it has no text (finish_reason {choices[0].get('finish_reason')!r:.40})")
        if not isinstance(content, str):
            raise self._wrong("choices[0].message.content is no text")
        return content

    def served_model(self) -> str:
        name: str = self._of(self.document, "", "model", str)
        fingerprint = self.document.get("system_fingerprint")
        full = f"{name}@{fingerprint}" if isinstance(fingerprint, str) and fingerprint else name
        if not name or not full.isprintable() or len(full) > 200:
            raise self._wrong("model (with system_fingerprint) is no printable name of 1 to 200 characters")
        return full

    def usage(self) -> tuple[int, int] | None:
        if self.document.get("usage") is None:
            return None
        usage = self._of(self.document, "", "usage", dict)
        return self._tokens(usage, "prompt_tokens"), self._tokens(usage, "completion_tokens")

    def _tokens(self, usage: dict[str, Any], key: str) -> int:
        count: int = self._of(usage, "usage.", key, int)
        if not 0 <= count < 2**31:
            raise self._wrong(f"usage.{key} is {count}")
        return count

    def _of(self, holder: Any, path: str, key: str, kind: type) -> Any:
        if not isinstance(holder, dict) or type(holder.get(key)) is not kind:
            raise self._wrong(f"{path}{key} is missing or of another type")
        return holder[key]

    def _wrong(self, fault: str) -> ModelUnavailable:
        return ModelUnavailable(
            f"{self.at} answered no chat completion: {fault}; is its url that of an OpenAI-compatible server?",
            retryable=False,
        )


def refusal_text(body: bytes) -> str:
    """What a server says in an error body, in one printable line of at most 200 characters."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    while isinstance(document, dict):
        document = next((document[key] for key in ("error", "message", "detail") if key in document), None)
    text = document if isinstance(document, str) else body.decode(errors="replace")
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return (line if len(line) <= 200 else line[:200] + "…") or "(nothing)"
