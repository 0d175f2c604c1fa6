"""What a run executes, one way for both: a program of the machine, or an agent written in Python."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias
from uuid import UUID

from domain.agents.context import LOG, NOW, OWN, PATCHED, RANDOM, UUID_
from domain.agents.declaration import Agent
from domain.agents.execution import AgentExecution, Waiting
from domain.agents.suspects import IN_GENERAL, suspects
from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, encode
from domain.rtfs import vm
from domain.runs.events import ValueRecorded
from domain.runs.guard import Asked
from domain.runs.journal import PROGRAM_LIMITS, ReplayDiverged, loaded
from domain.runs.planning import AgentPinned, ProgramCompiled
from domain.runs.state import Run

Agents: TypeAlias = Mapping[str, Agent]
"""Those that are here, by name."""

NONE: Final[Agents] = {}

MOST_EFFECTS: Final = 20_000
"""Effects of one run of an agent. An agent's time and log are bounded by the task; this bounds what is for free."""

RANDOM_BYTES: Final = 16

MOST_SUSPECTS: Final = 3
"""Suspects that an advice names."""

Step: TypeAlias = vm.Step | Waiting


class AgentUnavailable(PrecedentError):
    """Use a configuration that lists the agent's module at the recorded version; to view or audit needs no agent."""

    code = "agent.unavailable"


class ProgramExecution:
    """One execution of a compiled program."""

    def __init__(self, program: ProgramCompiled, inputs: Value) -> None:
        """Raises ``ValueNotDecodable``, ``ModuleInvalid``."""
        self.digest, self._module = loaded(program.module)
        self._inputs = inputs
        self._state: vm.State | None = None

    def start(self) -> vm.Step:
        """Run up to the first effects. Raises ``ArgumentsInvalid``."""
        return self._kept(vm.start(self._module, {"inputs": self._inputs}, PROGRAM_LIMITS))

    def resume(self, answers: Mapping[str, vm.Answer]) -> vm.Step:
        """Go on with answers; with none, where it was just out of a slice of fuel."""
        assert self._state is not None, "it waits"
        return self._kept(vm.resume(self._state, answers))

    def _kept(self, step: vm.Step) -> vm.Step:
        self._state = step.state if isinstance(step, vm.Suspended | vm.Yielded) else None
        return step


@dataclass(frozen=True, slots=True)
class Own:
    """Answers what an agent asks of ``ctx`` itself."""

    now: datetime
    chance: bytes
    """``RANDOM_BYTES`` random bytes."""

    def answer(self, asked: Asked) -> ValueRecorded:
        """The value of the moment, to be recorded."""
        return ValueRecorded(
            effect=asked.key,
            kind=asked.tool,
            arguments=asked.arguments,
            request_digest=asked.digest,
            result=encode(self._value(asked.tool)),
        )

    def _value(self, kind: str) -> Value:
        match kind:
            case "ctx.now":
                return self.now
            case "ctx.random":
                return (int.from_bytes(self.chance[:7], "big") >> 3) / 2**53
            case "ctx.uuid":
                return UUID(bytes=self.chance[:16], version=4)
            case "ctx.patched":
                return True
            case _:
                return None


def is_own(tool: str) -> bool:
    """Whether an effect is one of ``ctx`` itself, which needs no right and asks no tool."""
    return tool in _OWN


_OWN: Final = frozenset({NOW, RANDOM, UUID_, LOG, PATCHED})
assert all(name.startswith(OWN) for name in _OWN)


def before_patch(run: Run, asked: Asked, keys: frozenset[str] | set[str]) -> bool:
    """Whether a run went past this place without the patch that is asked about.

    ``keys``: all effects asked for so far in this execution. What the journal has beyond them comes after this place.
    """
    return asked.tool == PATCHED and (run.ended or any(key not in keys for key in run.journal))


def agent_execution(pinned: AgentPinned, run: Run, agents: Agents) -> AgentExecution:
    """An execution of the run's agent. Raises ``AgentUnavailable``."""
    agent = agents.get(pinned.agent)
    if agent is None or agent.version != pinned.version:
        here = "it is not here" if agent is None else f"version {agent.version} is here"
        raise AgentUnavailable(
            f"the run is pinned to version {pinned.version} of agent {pinned.agent}, and {here}: list its module under "
            "`agents` in precedent.yaml; viewing and auditing the run need no agent"
        )
    task = run.accepted_task
    return AgentExecution(agent, task.input_values, task.output_type)


def locate(error: ReplayDiverged, run: Run, agents: Agents) -> None:
    """Find the place of a divergence in the run's plan or agent, and what may have made it."""
    if run.agent is None:
        error.locate(run)
    elif (agent := agents.get(run.agent.agent)) is not None:
        error.locate_in_agent(agent.module, agent.source, advice(run.agent, agent))


def advice(pinned: AgentPinned, agent: Agent) -> str:
    """What to look for when an agent asks otherwise than it did."""
    if agent.digest != pinned.digest:
        return (
            f"the source of {agent.module} is not the recorded one ({pinned.digest[:19]}…, here {agent.digest[:19]}…): "
            "wrap what changed in `if await ctx.patched(name):`, or raise the agent's version"
        )
    code = agent.function.__code__
    own = range(code.co_firstlineno, max(line for _, _, line in code.co_lines() if line) + 1)
    found = sorted(suspects(agent.source), key=lambda each: each.line not in own)  # its own lines first
    if not found:
        return IN_GENERAL
    return f"in {agent.module}, {'; '.join(map(str, found[:MOST_SUSPECTS]))}"
