"""What a run asks, as the cache knows it: the key, and how long an answer would last."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from commands.cache.cache import Cache
from commands.cache.data import DataUnknown
from domain.cache.events import CacheEntryPublished, Volatility
from domain.cache.keys import CacheKey
from domain.cache.rules import expiry, tool_failure, tool_value
from domain.kernel.reuse import Cost
from domain.kernel.values import format_time
from domain.runs.events import ModelCallAnswered, ToolCallCompleted, ToolCallFailed
from domain.runs.parts import RunEvent
from domain.tools import ToolDeclaration

SAFE_FAILURES: Final = frozenset({"tool.arguments", "tool.result-type"})
"""Failures of ours that a pure tool repeats. Others of ours may pass: time, memory, a sandbox that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question whose answer may be given again."""

    key: CacheKey
    volatility: Volatility
    tags: tuple[str, ...]
    depends: tuple[str, ...]
    asked: datetime
    family: str | None = None
    """Of the data that the answer is read from."""
    data: str | None = None
    """Version of that data."""


def model_question(cache: Cache, namespace: str, identity: str, name: str, digest: str, now: datetime) -> Question:
    """A question to a model. Raises ``CacheKeyInvalid``."""
    return Question(
        key=CacheKey(namespace, "L2", "model", identity, digest),
        volatility=cache.models,
        tags=(),
        depends=(f"model:{name}",),
        asked=now,
    )


def tool_question(
    cache: Cache, tenant: str, namespace: str, declaration: ToolDeclaration, digest: str, now: datetime
) -> Question:
    """A question to a tool whose answers last. Raises ``CacheKeyInvalid``, ``DataUnknown``."""
    capability = declaration.capability
    version, depends = f"{capability.name}@{capability.version}", [f"tool:{capability.name}@{capability.version}"]
    data = None
    if declaration.data is not None and capability.effects != "pure":
        if cache.data is None:
            raise DataUnknown(f"this process does not listen for writes to {declaration.data}")
        data = cache.data.version(tenant, declaration.data)
        version += f"+{declaration.data}:{data}"
        depends.append(f"data:{declaration.data}")
    return Question(
        key=CacheKey(namespace, "L2", "tool", version, digest),
        volatility=declaration.lasting,
        tags=tuple(dict.fromkeys((capability.name.partition(".")[0], *declaration.tags))),
        depends=tuple(depends),
        asked=now,
        family=None if data is None else declaration.data,
        data=data,
    )


def still_holds(cache: Cache, tenant: str, question: Question) -> bool:
    """Whether the data that an answer was read from is still what it was, as far as this process has heard."""
    if question.family is None:
        return True
    try:
        return cache.data is not None and cache.data.version(tenant, question.family) == question.data
    except DataUnknown:
        return False


def offer(
    cache: Cache, tenant: str, question: Question, run: str, effect: str, value: Any, cost: Cost
) -> CacheEntryPublished:
    """The answer, ready to be published."""
    key = question.key
    seconds = cache.lasting.of(tenant, key.namespace, key.kind, question.volatility)
    return CacheEntryPublished(
        namespace=key.namespace,
        level=key.level,
        kind=key.kind,
        version=key.version,
        digest=key.digest,
        value=value,
        volatility=question.volatility,
        expires=expiry(question.asked, seconds),
        tags=question.tags,
        depends=question.depends,
        cost=cost,
        run=run,
        effect=effect,
        asked=format_time(question.asked),
    )


def value_of(event: RunEvent, *, pure: bool) -> tuple[Any, Cost] | None:
    """What an entry keeps of an answer, and what it had cost; None where it must not be given again."""
    match event:
        case ModelCallAnswered(source="executed"):
            tokens = event.prompt_tokens + event.completion_tokens
            return answer_value(event), Cost(tokens=tokens, usd=event.usd, seconds=event.duration)
        case ToolCallCompleted(source="executed"):
            return tool_value(event.result), Cost(seconds=event.duration)
        case ToolCallFailed(source="executed") if pure and _repeats(event.error.type):
            return tool_failure(event.error.type, event.error.message), Cost(seconds=event.duration)
    return None


def answer_value(event: ModelCallAnswered) -> dict[str, Any]:
    """What an entry keeps of a model's answer."""
    return {
        "text": event.text,
        "served_model": event.served_model,
        "prompt_tokens": event.prompt_tokens,
        "completion_tokens": event.completion_tokens,
        "recorded": event.recorded,
    }


def _repeats(kind: str) -> bool:
    """Whether a pure tool fails so whenever it is asked the same: as it declares, or for what it was given."""
    return kind in SAFE_FAILURES or not kind.startswith("tool.")
