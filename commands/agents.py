"""What the write side needs of agents written in Python: a port beside those in ``ports``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from domain.agents.execution import AgentExecution, AgentStep
from domain.kernel.errors import PrecedentError
from domain.rtfs.vm import Answer
from domain.runs.execution import Agents


class AgentStuck(PrecedentError):
    """Let the agent await something now and then: what computes for long belongs into a tool."""

    code = "agent.stuck"


class AgentRunner(Protocol):
    """Agents by name, run where one that never comes back holds up nobody else."""

    def agents(self) -> Agents:
        """Every agent that is here."""
        ...

    async def advance(
        self, execution: AgentExecution, answers: Mapping[str, Answer] | None, seconds: float
    ) -> AgentStep:
        """Start an execution, or go on with these answers. Raises ``AgentStuck`` after so many seconds."""
        ...

    def release(self, execution: AgentExecution) -> None:
        """Let go of an execution, which may not have ended."""
        ...


class NoAgents:
    """An ``AgentRunner`` for a deployment without agents."""

    def agents(self) -> Agents:
        """None."""
        return {}

    async def advance(
        self,
        execution: AgentExecution,
        answers: Mapping[str, Answer] | None,  # noqa: ARG002  # the port's shape
        seconds: float,  # noqa: ARG002
    ) -> AgentStep:
        """Never called: no run is pinned to an agent that is not here."""
        raise AgentStuck(f"agent {execution.agent.name} is not here")

    def release(self, execution: AgentExecution) -> None:
        """Nothing to let go of."""
