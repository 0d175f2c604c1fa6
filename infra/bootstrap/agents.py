"""The agents of a deployment, apart from the rest of the write side: replays need them and no server for it."""

from __future__ import annotations

from adapters.agents.declare import agents_of_modules
from domain.runs.execution import Agents
from infra.settings import Settings


def agents_of(settings: Settings) -> Agents:
    """The agents of the configured modules. Raises ``AgentModuleUnusable``, ``AgentNotDeclarable``."""
    return agents_of_modules(settings.agents)
