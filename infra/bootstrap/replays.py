"""Who replays many runs: this process alone, or several."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial

from adapters.agents.declare import agents_of_modules
from commands.replays.spreading import Spread
from domain.runs.execution import Agents
from infra.bootstrap.processes import processes, processor_count
from infra.settings import Settings


@contextmanager
def replaying(settings: Settings, jobs: int | None) -> Iterator[Spread | None]:
    """So many processes, or one for each processor; None where this one is to replay alone.

    Raises ``AgentModuleUnusable``, ``AgentNotDeclarable``.
    """
    count = processor_count() if jobs is None else jobs
    if count < 2:
        yield None
        return
    _agents(settings.agents)  # those that are forked have them already
    with processes(count, now=True) as here:
        yield Spread(here.executor, 2 * count, partial(_agents, settings.agents), here.fate)


@cache
def _agents(modules: tuple[str, ...]) -> Agents:
    return agents_of_modules(modules)
