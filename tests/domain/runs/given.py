"""Events of runs to start from, made by the rules themselves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.kernel.values import digest_json, encode, format_time, text_of_bytes
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import compile_program
from domain.rtfs.types import parse_type
from domain.runs.commands import SubmitRun
from domain.runs.controller import compiled, drafted, route
from domain.runs.decide import Circumstances, decide
from domain.runs.events import ToolCallCompleted, ToolCallRequested
from domain.runs.guard import request_digest
from domain.runs.parts import PinnedEffect, RunEvent
from domain.runs.replay import fold
from domain.runs.task import Limits, TaskFile

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
INT = parse_type(":int")


def capability(name: str, effects: Any, result: str = ":int") -> Capability:
    parameters, given = (Parameter("n", INT),), parse_type(result)
    return Capability(name=name, version="1", effects=effects, parameters=parameters, result=given, doc=name)


CAPABILITIES = {
    each.name: each
    for each in (
        capability("t.pure", "pure"),
        capability("t.read", "read"),
        capability("t.write", "write"),
        capability("t.any", "read", ":any"),
    )
}


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def deadline(seconds: float) -> str:
    return format_time(later(seconds))


def submitted(**task: Any) -> list[RunEvent]:
    """A run of a task that brings the plan ``7`` and may use every tool, unless told otherwise."""
    file = TaskFile.read({"goal": "Test", "plan": "7", "tools": sorted(CAPABILITIES), **task})
    return list(decide(fold([]), SubmitRun(task=file), circumstances()))


def circumstances(seconds: float = 0) -> Circumstances:
    return Circumstances(now=later(seconds), known_tools=CAPABILITIES.keys(), result_types={}, default_limits=Limits())


def executing(plan: str = "7", **task: Any) -> list[RunEvent]:
    """The same, up to a compiled program."""
    events = submitted(plan=plan, **task)
    events.append(route(fold(events), ()))
    events.append(drafted(fold(events), plan, "task"))
    settled = fold(events).accepted_task
    program = compile_program(
        plan, parameters={"inputs": settled.input_type}, output=settled.output_type, capabilities=CAPABILITIES
    )
    events.append(
        compiled(
            fold(events),
            digest=program.digest,
            interface_hash=program.interface_hash,
            effects=tuple(PinnedEffect(name=e.name, version=e.version, mode=e.mode) for e in program.effects),
            module=text_of_bytes(program.module),
            source_map=program.source_map.encode().decode(),
        )
    )
    return events


def requested(effect: str, tool: str, **arguments: Any) -> ToolCallRequested:
    asked = encode(arguments)
    return ToolCallRequested(
        effect=effect, tool=tool, version="1", arguments=asked, request_digest=request_digest(tool, "1", asked)
    )


def completed(effect: str, tool: str, result: Any, **arguments: Any) -> ToolCallCompleted:
    asked = encode(arguments)
    return ToolCallCompleted(
        effect=effect,
        tool=tool,
        version="1",
        arguments=asked,
        request_digest=request_digest(tool, "1", asked),
        result=encode(result),
        result_digest=digest_json(encode(result)),
        duration=0.1,
    )


def kinds(events: Sequence[RunEvent]) -> list[str]:
    return [event.short_name() for event in events]
