"""Agents and answers to begin with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from domain.agents.declaration import Agent
from domain.agents.execution import AgentExecution, AgentStep, Waiting
from domain.kernel.values import digest
from domain.rtfs.types import parse_type
from domain.rtfs.vm import EffectRequest, Finished, Raised, Returned

Answering = Callable[[EffectRequest], Returned | Raised]


def agent_of(function: Any, source: str = "", version: str = "1") -> Agent:
    return Agent(
        name="t.agent",
        version=version,
        doc="For a test.",
        function=function,
        module=__name__,
        file=function.__code__.co_filename,
        source=source,
        digest=digest(source),
    )


def started(function: Any, inputs: Any = None, output: str = ":any") -> tuple[AgentExecution, AgentStep]:
    execution = AgentExecution(agent_of(function), inputs if inputs is not None else {}, parse_type(output))
    return execution, execution.start()


def echoed(request: EffectRequest) -> Returned:
    """The key of the effect, as its answer."""
    return Returned(request.key)


def pursued(
    function: Any, inputs: Any = None, output: str = ":any", answer: Answering = echoed
) -> tuple[AgentStep, list[list[EffectRequest]]]:
    """Run to the end; the last step, and what was asked in each round."""
    execution, step = started(function, inputs, output)
    rounds = []
    while isinstance(step, Waiting):
        rounds.append(list(step.requests))
        step = execution.resume({request.key: answer(request) for request in step.requests})
    return step, rounds


def keys(rounds: list[list[EffectRequest]]) -> list[list[str]]:
    return [[request.key for request in each] for each in rounds]


def value(step: AgentStep) -> Any:
    assert isinstance(step, Finished), step
    return step.value
