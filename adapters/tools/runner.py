"""Calls tools: whatever a tool does, what comes back is an outcome."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Mapping
from typing import Any

from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import ArgumentsRefused, Tool
from adapters.tools.registry import ToolRegistry
from adapters.tools.sandbox.availability import SandboxUnavailable, unavailable_reason
from adapters.tools.settings import ToolSettings
from adapters.tools.threads import DaemonThreads
from domain.kernel.errors import PrecedentError
from domain.kernel.values import Value, ValueNotEncodable
from domain.rtfs.types import TypeMismatch, coerce, mismatch
from domain.tools import CallContext, ToolDeclaration, ToolFailed, ToolOutcome, ToolSucceeded

_LONGEST_MESSAGE = 2000
_CONTAINERS = (list, tuple, dict)


class _ResultTooLarge(PrecedentError):
    """Return less: page through the data, or keep it in a file."""

    code = "tool.result-size"


class LocalToolRunner:
    """Runs the tools of a registry in this worker, its threads and its sandboxes."""

    def __init__(self, registry: ToolRegistry, settings: ToolSettings) -> None:
        """Run with these settings."""
        self._registry = registry
        self._settings = settings
        self._sandboxes = asyncio.Semaphore(settings.sandboxes)
        self._threads = DaemonThreads(settings.threads)
        self._waiting = asyncio.Semaphore(settings.waiting)

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        """Every tool by name."""
        return self._registry.declarations

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        """Give a run its stateful tools in their initial state; then make its journaled stateful calls again."""
        self._registry.open_run(run, inputs)

    def close_run(self, run: str) -> None:
        """Forget the state of a run's tools: when it ends, and when it leaves this worker."""
        self._registry.close_run(run)

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        """Call a tool once. Never raises for what a tool does; cancelling this call cancels the tool's.

        Failures of its own: `tool.unknown`, `tool.not-open`, `tool.arguments`, `tool.sandbox-unavailable`,
        `tool.timeout`, `tool.raised`, `tool.result-type`, `tool.result-size`; tools add types of theirs.
        """
        tool = self._registry.find(name, call.run)
        if tool is None:
            return self._not_found(name, call.run)
        context = ToolContext(call, self._settings)
        started = time.perf_counter()
        try:
            prepared = tool.arguments(arguments)
            result, resources = await self._invoke(tool, context, prepared)
            succeeded = ToolSucceeded(
                value=_typed(tool, result),
                transcript=context.transcript,
                duration=time.perf_counter() - started,
                resources=resources,
            )
            self._check_size(succeeded)
        except asyncio.CancelledError as error:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            # Nobody cancelled this call: the exception came out of the tool.
            return _failure(tool.declaration, error, context, time.perf_counter() - started)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # however a tool fails, it is an outcome
            return _failure(tool.declaration, error, context, time.perf_counter() - started)
        return succeeded

    def _not_found(self, name: str, run: str) -> ToolFailed:
        if name in self._registry.declarations:
            return ToolFailed(
                type="tool.not-open", message=f"{name} keeps state, and run {run} is not open on this worker"
            )
        return ToolFailed(type="tool.unknown", message=f"no tool is named {name}; list them with: precedent tools ls")

    async def _invoke(
        self, tool: Tool, context: ToolContext, prepared: dict[str, Any]
    ) -> tuple[Any, Mapping[str, float]]:
        call = functools.partial(tool.function, *((context,) if tool.takes_context else ()), **prepared)
        isolation, timeout = tool.declaration.isolation, tool.declaration.timeout
        if context.call.seconds is not None:
            timeout = min(timeout, context.call.seconds)
        if isolation == "sandbox":
            if reason := unavailable_reason():
                raise SandboxUnavailable(reason)
            async with self._sandboxes:
                return await _bounded(call(), timeout), {}
        if isolation == "thread":
            timed = await _bounded(self._threads.run(call, f"tool {tool.declaration.name}"), timeout)
            return timed.result, {"cpu-seconds": timed.cpu_seconds}
        if tool.waits:
            async with self._waiting:
                return await _bounded(call(), timeout), {}
        result = call()
        return (await _bounded(result, timeout) if isinstance(result, Awaitable) else result), {}

    def _check_size(self, succeeded: ToolSucceeded) -> None:
        size = len(succeeded.canonical)  # also refuses what is no value
        if size > self._settings.result_bytes:
            raise _ResultTooLarge(
                f"the result has {size} bytes as JSON; toolbox.result_mb allows {self._settings.result_bytes}"
            )


def _typed(tool: Tool, result: Any) -> Value:
    expected = tool.declaration.capability.result
    value: Value = tool.dump(result) if tool.dump else result
    # Containers are copied, because a tool that keeps state may go on changing what it returned.
    if (isinstance(value, _CONTAINERS) and not tool.gives_copies) or mismatch(value, expected) is not None:
        value = coerce(value, expected)
    return value


class _OutOfTime(PrecedentError):
    """Give the tool more time where it is declared, or ask it for less."""

    code = "tool.timeout"


async def _bounded(call: Awaitable[Any], seconds: float) -> Any:
    # Not asyncio.timeout alone: a TimeoutError of the tool's own is the tool's failure, not ours.
    try:
        async with asyncio.timeout(seconds) as limit:
            return await call
    except TimeoutError:
        if limit.expired():
            raise _OutOfTime(f"no answer within {seconds:g} s") from None
        raise


def _failure(declaration: ToolDeclaration, error: BaseException, context: ToolContext, duration: float) -> ToolFailed:
    kind, retryable, unknown = "tool.raised", False, False
    if isinstance(error, ToolFault):
        kind, retryable, unknown = error.type, error.retryable, error.outcome_unknown
    elif isinstance(error, ArgumentsRefused | _ResultTooLarge):
        kind = error.code
    elif isinstance(error, SandboxUnavailable):
        kind = "tool.sandbox-unavailable"
    elif isinstance(error, _OutOfTime):
        kind, retryable, unknown = error.code, declaration.repeatable, not declaration.repeatable
    elif isinstance(error, TypeMismatch | ValueNotEncodable):
        kind = "tool.result-type"
    return ToolFailed(
        type=kind,
        message=_message(declaration.name, error),
        retryable=retryable,
        outcome_unknown=unknown,
        transcript=context.transcript,
        duration=duration,
    )


def _message(tool: str, error: BaseException) -> str:
    if isinstance(error, ArgumentsRefused):
        return _text(error)  # begins with the tool and what it takes
    return (
        f"{tool}: {_text(error)}"
        if isinstance(error, PrecedentError)
        else f"{tool}: {type(error).__name__}: {_text(error)}"
    )


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception as nested:  # noqa: BLE001  # an exception that cannot even be shown is still the tool's failure
        text = f"(its message raised {type(nested).__name__})"
    return text if len(text) <= _LONGEST_MESSAGE else text[:_LONGEST_MESSAGE] + " …"
