"""Executes an agent by hand, without an event loop: the order in which its lanes go on is ours, and always the same.

Lanes advance in rounds. A round runs every lane until it awaits an effect; the next begins when all of these effects
are answered. So what lanes do to each other through shared data does not depend on which effect was faster either.
An execution is kept in memory while its run is driven, and made anew from the journal otherwise.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Awaitable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from domain.agents.context import PATCHED, Accepted, Asking, Branches, Context, ContextMisused, EffectFailed
from domain.agents.data import plain_data, value_of
from domain.agents.declaration import Agent
from domain.kernel.values import Value, ValueNotEncodable, canonical_json, encode
from domain.rtfs.types import Type, TypeMismatch, coerce
from domain.rtfs.vm import Answer, EffectRequest, ErrorValue, Finished, Returned, Trapped

MOST_LANES: Final = 1_000
"""Branches of one ``ctx.parallel``."""
LARGEST: Final = 16 * 1024 * 1024
"""Bytes of an output or of the arguments of one effect, as JSON."""
LONGEST_MESSAGE: Final = 2_000

NO_LOOP: Final = "no running event loop"
"""What asyncio says where it is asked for tasks and there is none to run them."""
INSTEAD: Final = "use ctx.sleep, ctx.call and ctx.parallel instead of asyncio"

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{6,}")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The agent waits for these effects; go on with answers to all of them."""

    requests: tuple[EffectRequest, ...]


AgentStep: TypeAlias = Waiting | Finished | Trapped


@dataclass(slots=True, eq=False)
class _Lane:
    path: str
    """What its effects' keys begin with: empty, or as ``2/0/``."""
    awaitable: Awaitable[Any]
    body: Generator[Any, Any, Any]
    group: _Group | None = None
    counter: int = 0
    effect: str | None = None
    """Key of the effect that it awaits."""
    ended: bool = False
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class _Group:
    parent: _Lane
    lanes: list[_Lane]
    open: int


class AgentExecution:
    """One execution of an agent. Use it from one thread at a time."""

    def __init__(self, agent: Agent, inputs: Value, output: Type) -> None:
        """``output``: type to which the result is brought, where it can be."""
        self.agent = agent
        self._inputs = inputs
        self._output = output
        self._waiting: dict[str, list[_Lane]] = {}
        """Lanes by the key of the effect that they await, in the order in which they asked."""
        self._patches: dict[str, bool] = {}
        self._ready: deque[tuple[_Lane, Any, BaseException | None]] = deque()
        self._root: _Lane | None = None

    def start(self) -> AgentStep:
        """Run up to the first effects. Raises only ``KeyboardInterrupt``."""
        try:
            body = self.agent.function(Context(), plain_data(self._inputs))
            self._root = _lane("", body)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # whatever an agent raises ends its run, not its worker
            return self._trapped(error)
        self._ready.append((self._root, None, None))
        return self._go_on()

    def resume(self, answers: Mapping[str, Answer]) -> AgentStep:
        """Go on with answers to every effect that is waited for."""
        waiting, self._waiting = self._waiting, {}
        for key, lanes in waiting.items():
            answer = answers[key]
            for lane in lanes:
                lane.effect = None
                if isinstance(answer, Returned):
                    self._ready.append((lane, plain_data(answer.value), None))
                else:
                    self._ready.append((lane, None, EffectFailed(answer.type, answer.message, key)))
            if key.startswith(f"{PATCHED}/") and isinstance(answer, Returned):
                self._patches[key] = bool(answer.value)
        return self._go_on()

    @property
    def suspended(self) -> bool:
        """Whether there is something to let go of."""
        return self._root is not None and not self._root.ended

    def fail(self, error: BaseException) -> Trapped:
        """End it with an error that came out of it."""
        self._waiting, self._ready = {}, deque()
        return self._trapped(error)

    def close(self) -> None:
        """Let go of what has not ended. An agent that refuses to end is left as it is."""
        innermost = [lane for lanes in self._waiting.values() for lane in lanes] + [lane for lane, _, _ in self._ready]
        self._waiting, self._ready = {}, deque()
        for lane in [*innermost, *([self._root] if self._root else [])]:
            closing: _Lane | None = lane
            while closing is not None:
                with suppress(BaseException):  # its result is wanted by nobody
                    closing.body.close()
                closing = closing.group.parent if closing.group else None

    def _go_on(self) -> AgentStep:
        assert self._root is not None, "it has been started"
        while self._ready:
            self._advance(*self._ready.popleft())
        if self._root.ended:
            return self._trapped(self._root.error) if self._root.error else self._finished(self._root.result)
        return Waiting(tuple(self._request(key, lanes[0]) for key, lanes in self._waiting.items()))

    def _advance(self, lane: _Lane, value: Any, error: BaseException | None) -> None:
        try:
            given = lane.body.send(value) if error is None else lane.body.throw(error)
        except StopIteration as stop:
            self._end(lane, stop.value, None)
        except KeyboardInterrupt:
            raise
        except BaseException as raised:  # noqa: BLE001  # as above
            self._end(lane, None, raised)
        else:
            self._take(lane, given)

    def _take(self, lane: _Lane, given: Any) -> None:
        if type(given) is not Accepted:
            what = type(given).__name__
            error = ContextMisused(
                f"the agent awaits {what}, which is not of ctx; {INSTEAD}, and ctx.call for what waits for the world"
            )
            self._ready.append((lane, None, error))
            return
        given.by_agent = True
        if isinstance(given.asked, Branches):
            self._branch(lane, given.asked)
        else:
            self._ask(lane, given.asked)

    def _ask(self, lane: _Lane, asked: Asking) -> None:
        if asked.capability == PATCHED:
            key = f"{PATCHED}/{asked.arguments['name']}"
            if key in self._patches:
                self._ready.append((lane, self._patches[key], None))
                return
        else:
            key = f"{lane.path}{lane.counter}"
            lane.counter += 1
        try:
            asked.arguments = {name: _bounded(value_of(value)) for name, value in asked.arguments.items()}
        except ValueNotEncodable as error:
            self._ready.append((lane, None, ContextMisused(f"an argument of {asked.capability}: {error}")))
            return
        lane.effect = key
        lane.result = asked
        self._waiting.setdefault(key, []).append(lane)

    def _request(self, key: str, lane: _Lane) -> EffectRequest:
        asked: Asking = lane.result
        return EffectRequest(key, asked.capability, asked.arguments, _line(lane.awaitable, self.agent.file))

    def _branch(self, lane: _Lane, asked: Branches) -> None:
        number = lane.counter
        lane.counter += 1
        if len(asked.bodies) > MOST_LANES:
            count = len(asked.bodies)
            error = ContextMisused(
                f"ctx.parallel of {count} branches; at most {MOST_LANES} at once, so do them in parts"
            )
            self._ready.append((lane, None, error))
            return
        if not asked.bodies:
            self._ready.append((lane, [], None))
            return
        lanes = [_lane(f"{lane.path}{number}/{place}/", body) for place, body in enumerate(asked.bodies)]
        group = _Group(lane, lanes, len(lanes))
        for each in lanes:
            each.group = group
            self._ready.append((each, None, None))

    def _end(self, lane: _Lane, result: Any, error: BaseException | None) -> None:
        lane.ended, lane.result, lane.error = True, result, error
        group = lane.group
        if group is None:
            return
        group.open -= 1
        if group.open == 0:
            failed = next((each.error for each in group.lanes if each.error is not None), None)
            self._ready.append((group.parent, [each.result for each in group.lanes], failed))

    def _finished(self, result: Any) -> Finished | Trapped:
        try:
            value = _bounded(value_of(result))
        except ValueNotEncodable as error:
            return Trapped(ErrorValue("agent.output", f"the agent's output: {error}", None, 0), 0)
        try:
            return Finished(coerce(value, self._output), 0)
        except TypeMismatch:
            return Finished(value, 0)  # the critic says what is wrong with it

    def _trapped(self, error: BaseException) -> Trapped:
        site = _line_of_traceback(error, self.agent.file)
        if isinstance(error, EffectFailed):
            return Trapped(ErrorValue(error.type, _shown(error), error.effect, site), 0)
        if isinstance(error, ContextMisused):
            return Trapped(ErrorValue(error.code, _shown(error), None, site), 0)
        told = f"{_clean(type(error).__name__)}: {_shown(error)}"
        if isinstance(error, RuntimeError) and NO_LOOP in told:
            told = f"{told}; {INSTEAD}"
        return Trapped(ErrorValue("agent.raised", told, None, site), 0)


def _lane(path: str, awaitable: Awaitable[Any]) -> _Lane:
    return _Lane(path, awaitable, _body(awaitable))


def _body(awaitable: Awaitable[Any]) -> Generator[Any, Any, Any]:
    return (yield from awaitable.__await__())


def _bounded(value: Value) -> Value:
    size = len(canonical_json(encode(value)))
    if size > LARGEST:
        raise ValueNotEncodable(f"it has {size} bytes as JSON; at most {LARGEST} are kept, so keep it in a file")
    return value


def _shown(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as nested:  # noqa: BLE001  # an exception that cannot even be shown is the agent's failure
        text = f"(its message raised {type(nested).__name__})"
    return _clean(text)


def _clean(text: str) -> str:
    """What can be recorded, and is the same in every process: addresses of objects are not."""
    cut = text if len(text) <= LONGEST_MESSAGE else text[:LONGEST_MESSAGE] + " …"
    return _ADDRESS.sub("0x…", cut.encode("utf-8", "replace").decode())


def _line(awaitable: Any, file: str) -> int:
    """Line of the agent's module that awaits; 0 where another file does."""
    line = 0
    while awaitable is not None:
        frame = getattr(awaitable, "cr_frame", None)
        if frame is not None and frame.f_code.co_filename == file:
            line = frame.f_lineno or 0
        awaitable = getattr(awaitable, "cr_await", None)
    return line


def _line_of_traceback(error: BaseException, file: str) -> int:
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
