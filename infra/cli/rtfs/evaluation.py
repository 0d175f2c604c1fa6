"""Programs run outside of any run: to their end, or to the first effect that may not be made here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.tools.runner import LocalToolRunner
from domain.kernel.values import Value, encode
from domain.rtfs import vm
from domain.rtfs.capability import Capability
from domain.rtfs.formatting import format_source
from domain.rtfs.modules import Resolver
from domain.rtfs.printer import print_value
from domain.rtfs.program import Program
from domain.rtfs.source import ReadError
from domain.rtfs.types import plain
from domain.runs.effects import LONGEST_SLEEP, SLEEP
from domain.runs.task import DEFAULT_LIMITS
from domain.tools import CallContext, ToolFailed
from infra.bootstrap.tools import tool_runner
from infra.cli.exits import NO
from infra.cli.output import visible
from infra.cli.pointing import pointed
from infra.settings import Settings

MODES: Final = ("pure", "read")
"""What may be made here: what changes nothing in the world."""

LONGEST_LINE: Final = 100
"""Characters of a value on one line; longer ones are laid out."""

LAID_OUT: Final = 20_000
"""Characters of a value up to which it is laid out."""

NO_RUN: Final = "outside-of-any-run"
"""In place of a run's id: what is made here changes nothing, so that no key of it matters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """How an evaluation ended."""

    program: Program
    source: str
    step: vm.Finished | vm.Trapped | vm.Suspended
    made: int
    """Effects made."""
    modules: Resolver | None = None
    lines_before: int = 0
    """Lines of the program before ``source``, which positions do not count."""

    @property
    def position(self) -> tuple[int, int] | None:
        """Line and column of an error."""
        return self.place(self.step.error.site) if isinstance(self.step, vm.Trapped) else None

    def place(self, site: int) -> tuple[int, int] | None:
        """Line and column of an instruction, in the text of its module."""
        found = self.program.source_map.place(site)
        if found is None:
            return None
        module, line, column = found
        return line - (0 if module else self.lines_before), column

    def error_at(self, message: str) -> str:
        """A message with the place at which the program failed."""
        assert isinstance(self.step, vm.Trapped), "there is an error"
        module = self.program.source_map.module(self.step.error.site)
        if module is None:
            return pointed(self.source, self.position, message)
        found = None if self.modules is None else self.modules(module)
        return pointed(found.text if found else "", self.position, message, module)


@dataclass(slots=True)
class Evaluator:
    """Runs programs; makes effects only where ``calls`` is set, and only those that change nothing."""

    settings: Settings
    capabilities: Mapping[str, Capability]
    calls: bool
    modules: Resolver | None = None
    """Where imports are looked up."""
    limits: vm.Limits = field(default_factory=vm.Limits)
    told: Callable[[vm.EffectRequest], None] | None = None
    """Told of every effect that is about to be made."""
    _runner: LocalToolRunner | None = None

    async def run(self, program: Program, source: str, arguments: Mapping[str, Value]) -> Evaluated:
        """Run a program. Long work gives way after every slice, so that it can be cancelled.

        Raises ``ArgumentsInvalid``.
        """
        step = vm.start(vm.load(program.module), arguments, self.limits)
        made = 0
        while isinstance(step, vm.Suspended | vm.Yielded):
            await asyncio.sleep(0)
            if isinstance(step, vm.Yielded):
                step = vm.resume(step.state, {})
                continue
            if not all(map(self.may_make, step.requests)) or made + len(step.requests) > DEFAULT_LIMITS.tool_calls:
                break
            answers = await asyncio.gather(*map(self._answer, step.requests))
            made += len(answers)
            step = vm.resume(step.state, dict(zip((each.key for each in step.requests), answers, strict=True)))
        return Evaluated(program=program, source=source, step=step, made=made, modules=self.modules)

    def may_make(self, request: vm.EffectRequest) -> bool:
        """Whether an effect is made here."""
        return self.calls and self.capabilities[request.capability].effects in MODES

    async def _answer(self, request: vm.EffectRequest) -> vm.Answer:
        if self.told is not None:
            self.told(request)
        if request.capability == SLEEP:
            seconds = request.arguments["seconds"]
            assert isinstance(seconds, float), "it was checked when it was asked"
            await asyncio.sleep(min(max(0.0, seconds), LONGEST_SLEEP))
            return vm.Returned(None)
        context = CallContext(tenant=self.settings.tenant, run=NO_RUN, effect=request.key)
        if self._runner is None:
            self._runner = tool_runner(self.settings)
        outcome = await self._runner.run(request.capability, request.arguments, context)
        if isinstance(outcome, ToolFailed):
            return vm.Raised(outcome.type, outcome.message)
        return vm.Returned(outcome.value)

    def why_not(self, request: vm.EffectRequest) -> str:
        """Why an effect is not made here, with the way out."""
        mode = self.capabilities[request.capability].effects
        if mode not in MODES:
            return f"{request.capability} is {mode}: submit a task with this plan, `precedent run TASK.yaml`"
        if not self.calls:
            return "no effect is made; --call makes those that are pure or read"
        return f"{DEFAULT_LIMITS.tool_calls} effects have been made; submit a task with this plan"


def shown_value(value: Value) -> str:
    """A value as RTFS, laid out where it is long."""
    text = visible(print_value(value))
    if not LONGEST_LINE < len(text) <= LAID_OUT:
        return text
    try:
        return format_source(text, LONGEST_LINE).rstrip("\n")
    except ReadError:
        return text


def shown_error(ended: Evaluated) -> str:
    """An error with its place, source line, caret and what helps."""
    assert isinstance(ended.step, vm.Trapped)
    error = ended.step.error
    effect = f" (effect {error.effect})" if error.effect is not None else ""
    hint = f"\nhint: {visible(error.hint)}" if error.hint is not None else ""
    return ended.error_at(visible(f"{error.type}: {error.message}{effect}")) + hint


def shown_request(request: vm.EffectRequest, capability: Capability) -> str:
    """An effect that a program asks for."""
    arguments = visible(print_value(request.arguments, 400))
    hints = f"  with {visible(print_value(dict(request.hints), 100))}" if request.hints else ""
    return (
        f"{request.key}  {request.capability} version {capability.version} ({capability.effects})  {arguments}{hints}"
    )


def document_of(ended: Evaluated, evaluator: Evaluator) -> dict[str, Any]:
    """How an evaluation ended, for JSON."""
    step = ended.step
    document: dict[str, Any] = {"program": ended.program.digest, "made": ended.made}
    if isinstance(step, vm.Finished):
        return document | {
            "value": plain(step.value),
            "encoded": encode(step.value),
            "rtfs": print_value(step.value),
            "fuel": step.fuel,
        }
    if isinstance(step, vm.Trapped):
        return document | {"error": _error_document(ended, step.error), "fuel": step.fuel}
    return document | {
        "asks": [
            {
                "effect": each.key,
                "capability": each.capability,
                "version": evaluator.capabilities[each.capability].version,
                "mode": evaluator.capabilities[each.capability].effects,
                "arguments": plain(each.arguments),
                "hints": plain(dict(each.hints)),
                "position": ended.place(each.site),
            }
            for each in step.requests
        ],
        "because": evaluator.why_not(refused(step, evaluator)),
    }


def _error_document(ended: Evaluated, error: vm.ErrorValue) -> dict[str, Any]:
    return {
        "code": error.type,
        "message": error.message,
        "hint": error.hint,
        "exit": NO,
        "effect": error.effect,
        "position": ended.position,
    }


def refused(step: vm.Suspended, evaluator: Evaluator) -> vm.EffectRequest:
    """The first effect that keeps the others from being made."""
    return next((each for each in step.requests if not evaluator.may_make(each)), step.requests[0])
