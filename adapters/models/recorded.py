"""Recorded answers in the place of a live model: a transcript is read by ``RecordedModel``, written by ``Recording``.

The format is described in docs/models.md.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from commands.ports import ModelAnswer, ModelRequest
from domain.kernel.errors import InvalidInput
from domain.kernel.values import digest
from domain.models import ModelUnavailable, NoRecordedAnswer

_ROLE: Final = re.compile(r"Role: ([a-z]+)\.")


class TranscriptInvalid(InvalidInput):
    """Correct the transcript at the place that the message names; docs/models.md describes the format."""

    code = "model.transcript-invalid"


class Match(BaseModel):
    """Conditions on a request; those left out are met by every request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str | None = None
    """Who asks, as the system message begins with it: ``planner``."""
    attempt: int | None = Field(default=None, ge=1)
    """1 for the first question of a conversation, one more for each answer that it holds already."""
    contains: tuple[str, ...] = ()
    """Texts that all occur in the user's messages."""

    def meets(self, asked: Asked) -> bool:
        """Whether a request meets every condition."""
        return (
            self.role in (None, asked.role)
            and self.attempt in (None, asked.attempt)
            and all(text in asked.said for text in self.contains)
        )


class Usage(BaseModel):
    """Tokens that the answer took when it was live."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_tokens: int = Field(default=0, ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class Entry(BaseModel):
    """One answer and the requests that get it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: str | None = Field(default=None, pattern=r"^sha256:[0-9a-f]{64}$")
    """Digest of the one request that gets this answer, whatever ``match`` says."""
    match: Match | None = None
    """Conditions under which any other request gets it; without them none does."""
    answer: str
    model: str | None = None
    """Name of the model that answered, where one did."""
    usage: Usage = Usage()


class Transcript(BaseModel):
    """Entries in order of preference, under a label that says where they come from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    transcript: Literal[1]
    """Version of the format."""
    label: str = Field(min_length=1, max_length=200)
    entries: tuple[Entry, ...] = ()


class Asked:
    """What of a request decides which answer it gets."""

    def __init__(self, request: ModelRequest) -> None:
        self.request = request
        texts: dict[str, list[str]] = {"system": [], "user": [], "assistant": []}
        for message in request.messages:
            texts.setdefault(message["role"], []).append(message["content"])
        role = _ROLE.match(texts["system"][0]) if texts["system"] else None
        self.role = role[1] if role else None
        self.attempt = len(texts["assistant"]) + 1
        self.said = "\n".join(texts["user"])
        self.digest = request_digest(request)


def request_digest(request: ModelRequest) -> str:
    """Digest of what is asked, messages and parameters. Of whom is not in it: an answer may stand for any model's."""
    return digest({"messages": list(request.messages), "parameters": request.parameters})


def read_transcript(path: Path) -> Transcript:
    """Read a transcript: JSON lines if the name ends in ``.jsonl``, else YAML. Raises ``TranscriptInvalid``."""
    try:
        text = path.read_text(encoding="utf-8")
        return Transcript.model_validate(_lines(text) if path.suffix == ".jsonl" else yaml.safe_load(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise TranscriptInvalid(f"transcript {path}: {where}: {first['msg']} (see docs/models.md)") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError, orjson.JSONDecodeError) as error:
        raise TranscriptInvalid(f"transcript {path} cannot be read: {error}") from error


def _lines(text: str) -> Any:
    first, *entries = [orjson.loads(line) for line in text.split("\n") if line.strip()] or [None]
    return {**first, "entries": entries} if isinstance(first, dict) else first


def _line(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)


class RecordedModel:
    """Answers from a transcript. It keeps no state: the same request gets the same answer, also after a crash."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._transcript = read_transcript(path)

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """Answer of the entry for this very request, else of the first that matches. Raises ``NoRecordedAnswer``."""
        asked = Asked(request)
        entries = self._transcript.entries
        found = next((entry for entry in entries if entry.request == asked.digest), None) or next(
            (entry for entry in entries if entry.match is not None and entry.match.meets(asked)), None
        )
        if found is None:
            raise NoRecordedAnswer(
                f"transcript {self._path} has no answer for model {request.model!r}, role {asked.role or 'none'}, "
                f"attempt {asked.attempt}; add an entry with request: {asked.digest} or with a match, "
                "or configure a live model (url) in its place",
                retryable=False,
            )
        label = self._transcript.label
        return ModelAnswer(
            text=found.answer,
            served_model=f"recorded:{label} ({found.model})" if found.model else f"recorded:{label}",
            prompt_tokens=found.usage.prompt_tokens,
            completion_tokens=found.usage.completion_tokens,
            usd=0.0,  # nobody was paid
            recorded=True,
        )

    async def aclose(self) -> None:
        """Nothing is open."""


class Answering(Protocol):
    """Whatever answers requests."""

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """As ``commands.ports.ModelClient.ask``."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


class Recording:
    """A live model whose answers are added to a transcript before they are given."""

    def __init__(self, live: Answering, path: Path) -> None:
        """Begin the transcript, or go on with one that is there. Raises ``TranscriptInvalid``."""
        self._live = live
        self._path = path
        self._one_writer = asyncio.Lock()
        try:
            with path.open("xb") as file:
                file.write(_line({"transcript": 1, "label": path.stem}))
        except FileExistsError:
            read_transcript(path)
        except OSError as error:
            raise TranscriptInvalid(f"transcript {path} cannot be written: {error}") from error

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        """Answer of the live model, with its errors. Raises ``ModelUnavailable`` too where it cannot be written."""
        answer = await self._live.ask(request)
        async with self._one_writer:
            try:
                await asyncio.to_thread(self._add, _entry(request, answer))
            except OSError as error:
                message = f"model {request.model!r} answered, but transcript {self._path} cannot be written: {error}"
                raise ModelUnavailable(message, retryable=False) from error
        return answer

    def _add(self, entry: Entry) -> None:
        with self._path.open("ab") as file:
            file.write(_line(entry.model_dump(exclude_none=True)))

    async def aclose(self) -> None:
        """Close the live model."""
        await self._live.aclose()


def _entry(request: ModelRequest, answer: ModelAnswer) -> Entry:
    asked = Asked(request)
    # A role's prompt holds generated text (the language card), so that its digest changes between releases.
    # A request of no role is an agent's own: only the very same one may get this answer.
    match = Match(role=asked.role, attempt=asked.attempt, contains=(asked.said.split("\n", 1)[0],))
    return Entry(
        request=asked.digest,
        match=match if asked.role else None,
        answer=answer.text,
        model=answer.served_model,
        usage=Usage(prompt_tokens=answer.prompt_tokens, completion_tokens=answer.completion_tokens),
    )
