"""How a run comes to what it executes: routed, planned, compiled, or given a program that has proved itself."""

from __future__ import annotations

from typing import ClassVar, Literal

from domain.kernel.reuse import Cost
from domain.runs.parts import Decision, Level, Lookup, PinnedEffect, PinnedModule, Role, RunEvent


class RunRouted(RunEvent):
    """How the task will be answered: by a plan it brought, by asking a model, by an agent, or by a program."""

    TYPE: ClassVar[str] = "precedent.run.RunRouted.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"lookups", "model"})
    ROLE: ClassVar[Role] = "router"
    route: Literal["given-plan", "model", "agent", "program", "tool"]
    decision: Decision
    lookups: tuple[Lookup, ...] = ()
    """What the levels of reuse said, in the order in which they were asked."""
    model: str | None = None
    """The model that is asked first, where the task leaves the choice."""


class PlanDrafted(RunEvent):
    """A plan exists as source text."""

    TYPE: ClassVar[str] = "precedent.run.PlanDrafted.v1"
    ROLE: ClassVar[Role] = "planner"
    attempt: int
    source: str
    decision: Decision


class PlanRejected(RunEvent):
    """A draft does not compile, or asks for more than the task allows."""

    TYPE: ClassVar[str] = "precedent.run.PlanRejected.v1"
    ROLE: ClassVar[Role] = "compiler"
    attempt: int
    message: str
    decision: Decision


class ProgramCompiled(RunEvent):
    """The plan is a program; its versions are pinned from here on."""

    TYPE: ClassVar[str] = "precedent.run.ProgramCompiled.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"modules"})
    ROLE: ClassVar[Role] = "compiler"
    digest: str
    interface_hash: str
    effects: tuple[PinnedEffect, ...]
    module: str
    """Canonical bytecode, Base64."""
    source_map: str
    """JSON text that gives lines and columns of the plan; not part of the program's meaning."""
    decision: Decision
    modules: tuple[PinnedModule, ...] = ()
    """The modules that were linked into it, those that modules import included."""

    def version_of(self, tool: str) -> str | None:
        """The version of a tool to which this program is pinned; None where its effects do not have it."""
        for effect in self.effects:
            if effect.name == tool:
                return effect.version
        return None


class ProgramReused(ProgramCompiled):
    """A published program answers in place of a model: its signature, bytes, rights and status were checked."""

    TYPE: ClassVar[str] = "precedent.run.ProgramReused.v1"
    ROLE: ClassVar[Role] = "router"
    entry: str
    """Id of the published program."""
    plan: str
    """The text that it was compiled from."""
    saved: Cost
    """What its plan had cost."""


class ReuseSettled(RunEvent):
    """How a reused program or answer did. ``refuted``: its output failed the task's type or checks: it is withdrawn."""

    TYPE: ClassVar[str] = "precedent.run.ReuseSettled.v1"
    ADDED: ClassVar[frozenset[str]] = frozenset({"level"})
    ROLE: ClassVar[Role] = "critic"
    entry: str
    outcome: Literal["succeeded", "failed", "refuted", "revoked"]
    reason: str
    goes_on: bool
    """Whether the run is routed anew, without what was reused: it had changed nothing in the world."""
    saved: Cost
    level: Level = "L4"


class ShadowCompared(RunEvent):
    """A program that would have answered was executed beside the model's, on the recorded effects alone."""

    TYPE: ClassVar[str] = "precedent.run.ShadowCompared.v1"
    ROLE: ClassVar[Role] = "critic"
    entry: str
    agreed: bool | None
    """None where the program asked for what the run had not recorded."""
    reason: str


class AgentPinned(RunEvent):
    """An agent pursues the run; its version and those of the tools are pinned from here on."""

    TYPE: ClassVar[str] = "precedent.run.AgentPinned.v1"
    agent: str
    version: str
    digest: str
    """Of the source text of its module, as the worker had it."""
    effects: tuple[PinnedEffect, ...]
    """The tools of the task."""
    decision: Decision

    def version_of(self, tool: str) -> str | None:
        """The version of a tool to which the agent is pinned; None where the task does not list it."""
        for effect in self.effects:
            if effect.name == tool:
                return effect.version
        return None
