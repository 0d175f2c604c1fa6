"""Runs as the log would hold them, written out by hand: what projections read is the persisted shape, not our models."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from domain.kernel.events import Draft
from domain.kernel.ids import StreamId, event_id
from domain.kernel.values import format_time

Happening: TypeAlias = tuple[str, dict[str, Any]]
"""Short event name and data."""

START = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
SAW = "sha256:" + "5a" * 32


def decision(role: str, chosen: str, *options: str, reason: str = "it fits") -> dict[str, Any]:
    return {"role": role, "chosen": chosen, "options": list(options or (chosen,)), "reason": reason, "saw": SAW}


def submitted(goal: Any = "List the licences of the installed packages") -> Happening:
    limits = {"seconds": 300.0, "tokens": 1000, "usd": 1.0, "tool_calls": 100}
    task = {
        "goal": goal, "inputs": {"site": ".venv"}, "input": "[:map [:site :string]]", "output": ":any",
        "tools": ["python.packages", "python.metadata"], "approvals": [], "plan": None, "checks": [],
        "model": {"name": "default", "max_attempts": 3}, "limits": limits,
        "cache": {"levels": [], "namespace": "default"},
    }  # fmt: skip
    return "RunSubmitted", {"task": task, "deadline": format_time(START + timedelta(seconds=300))}


def claimed(epoch: int = 1, deadline: datetime = START + timedelta(seconds=60)) -> Happening:
    return "RunClaimed", {"worker": f"worker-{epoch}", "epoch": epoch, "deadline": format_time(deadline)}


def planned() -> list[Happening]:
    return [
        ("RunRouted", {"route": "model", "decision": decision("router", "model default", "model default", "cache")}),
        ("ModelCallRequested", {"effect": "plan/1", "model": "default", "request": {"messages": []}, "request_digest": SAW}),
        (
            "ModelCallAnswered",
            {
                "effect": "plan/1", "text": "(call …)", "served_model": "tiny-1", "prompt_tokens": 120,
                "completion_tokens": 30, "usd": 0.0125, "recorded": True, "duration": 0.75,
            },
        ),
        ("PlanDrafted", {"attempt": 1, "source": "(call\n  python.packages)", "decision": decision("planner", "draft 1")}),
        ("PlanRejected", {"attempt": 1, "message": "line 1: no such name", "decision": decision("compiler", "reject", "accept", "reject")}),
        ("PlanDrafted", {"attempt": 2, "source": "(call python.packages {})", "decision": decision("planner", "draft 2")}),
        (
            "ProgramCompiled",
            {
                "digest": "sha256:" + "c0" * 32, "interface_hash": "sha256:" + "1f" * 32,
                "effects": [{"name": "python.metadata", "version": "1", "mode": "read"}], "module": "AAAA",
                "source_map": "{}", "decision": decision("compiler", "accept", "accept", "reject"),
            },
        ),
    ]  # fmt: skip


def completed(effect: str, result: Any = "MIT", arguments: Any = None) -> Happening:
    data = {
        "effect": effect, "tool": "python.metadata", "version": "1", "arguments": arguments, "request_digest": SAW,
        "result": result, "result_digest": SAW, "source": "executed", "duration": 0.01, "transcript": None,
    }  # fmt: skip
    return "ToolCallCompleted", data


def requested(effect: str, tool: str = "shell.run") -> Happening:
    data = {"effect": effect, "tool": tool, "version": "1", "arguments": {"command": "ls"}, "request_digest": SAW}
    return "ToolCallRequested", data


def failed_call(effect: str) -> Happening:
    data = {
        "effect": effect, "tool": "shell.run", "version": "1", "arguments": None, "request_digest": SAW,
        "error": {"type": "tool.timeout", "message": "no answer in 5 s"}, "duration": 5.0, "transcript": None,
    }  # fmt: skip
    return "ToolCallFailed", data


def approval(effect: str) -> Happening:
    data = {
        "effect": effect, "tool": "shell.run", "arguments": {"command": "ls"}, "request_digest": SAW,
        "remaining": 100.0, "decision": decision("guard", "ask a person", "allow", "ask a person", "deny"),
    }  # fmt: skip
    return "ApprovalRequested", data


def granted(effect: str) -> Happening:
    data = {
        "effect": effect,
        "note": "fine",
        "deadline": format_time(START),
        "decision": decision("operator", "approve"),
    }
    return "ApprovalGranted", data


def concluded() -> list[Happening]:
    verdict = {"passed": True, "layer": "output-type", "findings": [], "decision": decision("critic", "accept")}
    return [("VerdictReached", verdict), ("RunCompleted", {"output": {"MIT": 3}, "output_digest": SAW})]


def whole_run(calls: int = 10) -> list[Happening]:
    """A run from submission to result with so many read calls, and one that needs approval."""
    return [
        submitted(), claimed(), *planned(),
        *(completed(str(n), {"name": f"package-{n}", "licence": "MIT"}, {"package": f"package-{n}"}) for n in range(calls)),
        approval("x/0"), granted("x/0"), requested("x/0"), completed("x/0"), *concluded(),
    ]  # fmt: skip


def drafts(stream: StreamId, happenings: list[Happening], first: int = 1, category: str = "run") -> list[Draft]:
    """The happenings as drafts, a second apart, ids as a retry would make them."""
    return [
        Draft(
            id=event_id(stream.id, first + n),
            type=f"precedent.{category}.{name}.v1",
            time=format_time(START + timedelta(seconds=first + n)),
            correlation=stream.id,
            causation=stream.id,
            actor="agent:planner",
            data=data,
        )
        for n, (name, data) in enumerate(happenings)
    ]
