"""A run as it would have been recorded with the tools of now: their versions, and results of their present types.

The plan is compiled anew, every request has the digest that it has under the present version, and every recorded result
goes through the upcast that its tool declares for the version that gave it. What comes out is a history like any other,
and is verified like any other: where the program then asks or gives something else, it diverges.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, decode, digest_json, encode
from domain.runs.events import (
    ApprovalRequested,
    OutcomeResolved,
    ToolCallCompleted,
    ToolCallDenied,
    ToolCallFailed,
    ToolCallRequested,
)
from domain.runs.guard import request_digest
from domain.runs.parts import RunEvent
from domain.runs.planning import ProgramCompiled

Upcasts: TypeAlias = Mapping[str, Mapping[str, Callable[[Value], Value]]]
"""By tool and earlier version: what makes a result of the present version of one of that."""

_VERSIONED: Final = (ToolCallRequested, ToolCallCompleted, ToolCallFailed)
_ASKING: Final = (*_VERSIONED, ToolCallDenied, ApprovalRequested)


class NoUpcast(PrecedentError):
    """Declare an upcast for the version in the message, or replay without ``--upcast`` under the recorded one."""

    code = "replay.no-upcast"


def upcasted(events: Sequence[RunEvent], programs: Sequence[ProgramCompiled], upcasts: Upcasts) -> list[RunEvent]:
    """The events of a run under ``programs``: each of its own, in order, its plan compiled for the tools of now.

    Raises ``NoUpcast``.
    """
    upcasting = _Upcasting(programs, upcasts)
    return [upcasting.event(event) for event in events]


class _Upcasting:
    def __init__(self, programs: Sequence[ProgramCompiled], upcasts: Upcasts) -> None:
        self._programs = iter(programs)
        self._program = programs[0]
        self._upcasts = upcasts
        self._before: ProgramCompiled | None = None
        self._asked: dict[str, tuple[str, Any]] = {}
        """Tool and arguments by effect key."""

    def event(self, event: RunEvent) -> RunEvent:
        """One event as it would be now."""
        if isinstance(event, ProgramCompiled):
            self._before, self._program = event, next(self._programs)
            return self._program
        if isinstance(event, _ASKING):
            return self._asking(event)
        if isinstance(event, OutcomeResolved) and event.outcome == "happened":
            tool, _ = self._asked.get(event.effect, ("", None))
            return self._result(event, tool, event.result)
        return event

    def _asking(self, event: Any) -> RunEvent:
        arguments = event.arguments if event.arguments is not None else self._asked.get(event.effect, ("", None))[1]
        self._asked[event.effect] = (event.tool, arguments)
        if not self._has_changed(event.tool):
            return event  # type: ignore[no-any-return]
        now = self._program.version_of(event.tool) or ""
        update: dict[str, Any] = {"request_digest": request_digest(event.tool, now, arguments)}
        if isinstance(event, _VERSIONED):
            update["version"] = now
        changed = event.model_copy(update=update)
        return self._result(changed, event.tool, event.result) if isinstance(event, ToolCallCompleted) else changed

    def _has_changed(self, tool: str) -> bool:
        now = self._program.version_of(tool)
        return now is not None and self._before is not None and self._before.version_of(tool) != now

    def _result(self, event: Any, tool: str, result: Any) -> RunEvent:
        if not self._has_changed(tool):
            return event  # type: ignore[no-any-return]
        assert self._before is not None, "a tool has changed since"
        before = self._before.version_of(tool) or ""
        now = self._program.version_of(tool)
        upcast = self._upcasts.get(tool, {}).get(before)
        if upcast is None:
            raise NoUpcast(
                f"effect {event.effect}: {tool} answered as version {before}; version {now} has no upcast for that"
            )
        try:
            made = encode(upcast(decode(result)))
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            raise NoUpcast(
                f"effect {event.effect}: the upcast of {tool} from version {before} failed: {why}"
            ) from error
        return event.model_copy(update={"result": made, "result_digest": digest_json(made)})  # type: ignore[no-any-return]
