"""What a program may do: every effect passes here before it happens. Fails closed: a guard that breaks refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from domain.kernel.values import digest_json
from domain.runs.decide import remaining
from domain.runs.events import ApprovalRequested, ToolCallDenied, ToolCallRequested
from domain.runs.parts import Decision
from domain.runs.state import Run, Settlement

OPTIONS: Final = ("allow", "ask a person", "deny")


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What the guard knows of a tool."""

    version: str
    mode: str
    """``pure``, ``read``, ``write`` or ``external``."""
    idempotent: bool
    """Whether doing it twice is the same as once (by nature or by its idempotency key)."""

    @property
    def leaves_traces(self) -> bool:
        """Whether the request is recorded before the call, since the call changes the world."""
        return self.mode in ("write", "external")

    @property
    def repeatable(self) -> bool:
        """Whether a call whose outcome was lost may be made again."""
        return self.idempotent or not self.leaves_traces


@dataclass(frozen=True, slots=True)
class Asked:
    """An effect that a program asks for."""

    key: str
    tool: str
    arguments: Any
    """Encoded, by parameter name."""
    digest: str
    site: int | None = None
    """Place in the program; the source map gives its line and column."""
    seconds: float | None = None
    """What the plan allows the call, by its hints; no part of what is asked."""


def request_digest(tool: str, version: str, arguments: Any) -> str:
    """Digest of a request: what a replay must ask again."""
    return digest_json({"tool": tool, "version": version, "arguments": arguments})


def authorize(
    run: Run, asked: Asked, terms: Terms | None, now: datetime, under_way: int = 0
) -> ToolCallDenied | ApprovalRequested | ToolCallRequested | None:
    """Event to record before the effect may happen; None when a pure or read effect may happen at once.

    ``under_way`` counts the calls of the same group that are about to happen and are not in the run's account yet.
    """
    try:
        rule = _broken_rule(run, asked, terms, under_way)
    except Exception as error:  # noqa: BLE001  # a guard that breaks must refuse, whatever broke it
        rule = f"the guard itself failed ({type(error).__name__}), so nothing is allowed"
    if rule is not None or terms is None:
        return _deny(asked, rule or "unknown tool")
    entry = run.journal.get(asked.key)
    approved = entry is not None and entry.settlement is Settlement.APPROVED
    if asked.tool in run.accepted_task.approvals and not approved:
        return _ask_person(run, asked, now)
    if terms.leaves_traces:
        return ToolCallRequested(
            effect=asked.key,
            tool=asked.tool,
            version=terms.version,
            arguments=asked.arguments,
            request_digest=asked.digest,
        )
    return None


def _broken_rule(run: Run, asked: Asked, terms: Terms | None, under_way: int) -> str | None:
    task = run.accepted_task
    if asked.tool not in task.tools:
        return f"it is not among the task's tools ({', '.join(task.tools) or 'none'})"
    if terms is None:
        return "this worker does not have it"
    pinned = run.pinned.version_of(asked.tool) if run.pinned else None
    if pinned != terms.version:
        return f"the program is pinned to version {pinned}; this worker has {terms.version}"
    if run.spent.tool_calls + under_way >= task.limits.tool_calls:
        return f"limits.tool_calls ({task.limits.tool_calls}) is reached"
    return None


def _deny(asked: Asked, rule: str) -> ToolCallDenied:
    choice = Decision(role="guard", chosen="deny", options=OPTIONS, reason=rule, saw=asked.digest)
    return ToolCallDenied(
        effect=asked.key,
        tool=asked.tool,
        arguments=asked.arguments,
        request_digest=asked.digest,
        rule=rule,
        decision=choice,
    )


def _ask_person(run: Run, asked: Asked, now: datetime) -> ApprovalRequested:
    reason = f"the task lets {asked.tool} happen only with a person's approval"
    choice = Decision(role="guard", chosen="ask a person", options=OPTIONS, reason=reason, saw=asked.digest)
    return ApprovalRequested(
        effect=asked.key,
        tool=asked.tool,
        arguments=asked.arguments,
        request_digest=asked.digest,
        remaining=remaining(run, now),
        decision=choice,
    )
