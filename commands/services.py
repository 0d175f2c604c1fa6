"""Everything the write side was given, in one place. Built in ``infra/bootstrap`` only."""

from __future__ import annotations

from dataclasses import dataclass, field

from commands.agents import AgentRunner, NoAgents
from commands.cache.cache import Cache
from commands.ports import (
    AnswerStore,
    Authorizer,
    Clock,
    ContentStore,
    EventStore,
    ModelClient,
    Randomness,
    RunIndex,
    ToolRunner,
    Wakes,
)
from commands.reuse import Reuse
from commands.runs.fresh import FreshRuns
from domain.runs.task import DEFAULT_LIMITS, Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports, filled."""

    store: EventStore
    content: ContentStore
    wakes: Wakes
    answers: AnswerStore
    authorizer: Authorizer
    tools: ToolRunner
    models: ModelClient
    runs: RunIndex
    clock: Clock
    randomness: Randomness
    agents: AgentRunner = field(default_factory=NoAgents)
    reuse: Reuse | None = None
    """None where nothing is reused."""
    cache: Cache | None = None
    """Exact answers that are given again; None where none are."""
    default_limits: Limits = DEFAULT_LIMITS
    """For what a task does not limit itself."""
    fresh: FreshRuns = field(default_factory=FreshRuns)
    """No port: what this process knows already."""
