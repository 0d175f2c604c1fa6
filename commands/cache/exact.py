"""Level L2 for one run: answers that were given before, and the publication of those that are given now.

An answer is published once the log has it as the run's own, and before the run's wake is settled: a worker that
vanishes in between has the wake delivered to another one, which publishes what is missing (``recover``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Final, TypeAlias

from commands.cache.cache import Cache
from commands.cache.data import DataUnknown
from commands.cache.finding import find, missed
from commands.cache.flying import Ticket
from commands.cache.publishing import publish, withdraw
from commands.cache.questions import Question, model_question, offer, still_holds, tool_question, value_of
from commands.runs.log import CATALOG, RunLog
from commands.services import Services
from domain.cache.events import CacheEntryPublished
from domain.cache.keys import CacheKeyInvalid
from domain.kernel.errors import PrecedentError, ServiceUnreachable, VersionConflict
from domain.kernel.reuse import Miss
from domain.kernel.values import ValueNotDecodable, decode, digest_json, parse_time
from domain.models import ModelUnavailable
from domain.rtfs.types import Type, mismatch
from domain.runs.events import ModelCallAnswered, ModelCallRequested, ToolCallCompleted, ToolCallFailed
from domain.runs.guard import Asked
from domain.runs.parts import Fault, Lookup, RunEvent
from domain.runs.state import Phase, Run, Settlement
from domain.tools import ToolDeclaration

logger = logging.getLogger(__name__)

TURNS: Final = 3
"""Flights of others that are waited for, before the answer is asked for all the same."""

_SETTLED: Final = frozenset({Settlement.COMPLETED, Settlement.FAILED})

OFF: Final = Miss("off", "the cache is switched off here")

Read: TypeAlias = Callable[[CacheEntryPublished, Lookup], RunEvent]
"""Makes a run's event of an entry. Raises ``_Unreadable``."""

Call: TypeAlias = Callable[[], Awaitable[RunEvent]]


class _Unreadable(Exception):
    """The entry has a value that this question cannot have."""


@dataclass(slots=True)
class _Waiting:
    """An answer that waits to be published."""

    offer: CacheEntryPublished
    ticket: Ticket | None


class Exact:
    """What one run is given again, and what it publishes."""

    def __init__(self, services: Services, log: RunLog) -> None:
        self._services = services
        self._log = log
        self._waiting: dict[str, _Waiting] = {}
        """By effect."""
        self._publishing: dict[asyncio.Task[None], Ticket | None] = {}
        self._answers: dict[str, str] = {}
        """Entries of the models' answers that the run was given or gave, by effect."""
        log.after_commit.append(self._committed)

    @property
    def _wanted(self) -> bool:
        task = self._log.preview.task
        return task is not None and "L2" in task.cache.levels

    def wants(self, tool: str) -> bool:
        """Whether answers of this tool may be given again in this run."""
        return self._wanted and self._services.tools.declarations()[tool].lasting != "never"

    def begin_writes(self, effects: Sequence[Asked]) -> None:
        """These effects are about to happen; those that write move the version of their data."""
        cache = self._services.cache
        if cache is None or cache.data is None:
            return
        for asked in effects:
            capability = self._services.tools.declarations()[asked.tool].capability
            if capability.effects in ("write", "external"):
                cache.data.begin(self._log.stream, asked.key, asked.tool, capability.version)

    async def tool(self, asked: Asked, declaration: ToolDeclaration, call: Call) -> RunEvent:
        """The answer of a tool: one that was given before, or that of ``call``."""
        if not self.wants(asked.tool):
            return await call()
        cache, task = self._services.cache, self._log.preview.accepted_task
        if cache is None:
            return _told(await call(), missed("L2", OFF))
        now, tenant = self._services.clock.now(), self._log.stream.tenant
        try:
            question = tool_question(cache, tenant, task.cache.namespace, declaration, asked.digest, now)
        except (DataUnknown, CacheKeyInvalid) as reason:
            return _told(await call(), missed("L2", _unknown(reason)))
        read = partial(self._tool_event, asked, declaration)
        event, _ = await self._once(cache, question, asked.key, read, call)
        return event

    async def model(
        self, key: str, name: str, digest: str
    ) -> tuple[Question | None, Lookup | None, ModelCallAnswered | None]:
        """The question that this is to the cache, what there is to be recorded, and the answer, if there is one."""
        cache, task = self._services.cache, self._log.preview.accepted_task
        if not self._wanted:
            return None, None, None
        if cache is None:
            return None, missed("L2", OFF), None
        try:
            identity = self._services.models.identity(name)
            question = model_question(cache, task.cache.namespace, identity, name, digest, self._services.clock.now())
        except (ModelUnavailable, CacheKeyInvalid) as error:
            return None, missed("L2", _unknown(error)), None
        self._answers[key] = question.key.id
        lookup, event = await self._look(cache, question, partial(_model_event, key))
        return question, lookup, event if isinstance(event, ModelCallAnswered) else None

    async def ask(self, question: Question | None, requested: ModelCallRequested, call: Call) -> RunEvent:
        """The answer of a model that was not found: that of ``call``, or of someone who asks the same just now."""
        cache = self._services.cache
        if question is None or cache is None:
            return await call()
        read = partial(_model_event, requested.effect)
        looked = requested.lookups[0] if requested.lookups else None
        event, lookup = await self._once(cache, question, requested.effect, read, call, looked)
        if lookup.outcome == "hit":
            # What was asked for is on the record already; that it was found after all, comes beside it.
            self._log.stage(requested.model_copy(update={"lookups": (lookup,)}))
        return event

    async def _look(self, cache: Cache, question: Question, read: Read) -> tuple[Lookup, RunEvent | None]:
        lookup, held = await find(cache, self._services.clock, self._log.stream.tenant, question.key)
        if held is None:
            return lookup, None
        try:
            return lookup, read(held.published, lookup)
        except _Unreadable as error:
            reason = Miss("damaged", f"{lookup.tier}: the entry cannot be read: {error}")
            said = missed("L2", reason)
            return said.model_copy(update={"entry": lookup.entry, "duration": lookup.duration}), None

    async def _once(
        self, cache: Cache, question: Question, effect: str, read: Read, call: Call, looked: Lookup | None = None
    ) -> tuple[RunEvent, Lookup]:
        """Look, unless that was done; then ask, unless someone asks the same just now: then wait for that answer."""
        tenant, entry = self._log.stream.tenant, question.key.id
        ticket: Ticket | None = None
        lookup, event = (looked, None) if looked is not None else await self._look(cache, question, read)
        try:
            for _ in range(TURNS):
                if event is not None or ticket is not None:
                    break  # with our turn and no answer: nobody found it between our first look and our turn
                ticket = await cache.flight.join(tenant, entry)
                again, event = await self._look(cache, question, read)
                lookup = lookup if event is None else again
            if event is not None:
                return event, lookup
            event = await call()
            if self._keep(cache, question, effect, event, ticket):
                ticket = None
            return _told(event, lookup), lookup
        finally:
            if ticket is not None:  # whatever happened: the others would wait for ever
                await ticket.land()

    def _keep(self, cache: Cache, question: Question, effect: str, event: RunEvent, ticket: Ticket | None) -> bool:
        """Have an answer published once the log has it; whether it will be, and the ticket lands with it."""
        found = value_of(event, pure=question.volatility == "static")
        if found is None or not still_holds(cache, self._log.stream.tenant, question):
            return False
        made = offer(cache, self._log.stream.tenant, question, self._log.stream.id, effect, *found)
        self._waiting[effect] = _Waiting(made, ticket)
        return True

    def _committed(self) -> None:
        """The log has more of the run: publish the answers that are in it now."""
        run = self._log.run
        for effect in tuple(self._waiting):
            entry = run.journal.get(effect)
            if effect in run.answers or (entry is not None and entry.settlement in _SETTLED):
                self._begin_publishing(self._waiting.pop(effect))

    def _begin_publishing(self, waiting: _Waiting) -> None:
        self._publishing[asyncio.create_task(self._publish(waiting))] = waiting.ticket

    async def _publish(self, waiting: _Waiting) -> None:
        cache = self._services.cache
        assert cache is not None, "something waits to be published in it"
        try:
            await publish(self._services, cache, self._log.stream.tenant, waiting.offer)
        finally:
            if waiting.ticket is not None:
                await waiting.ticket.land()

    async def abandon(self) -> None:
        """Let go of what is not published: whoever waits for it asks for himself."""
        waiting, self._waiting = self._waiting, {}
        tasks, self._publishing = self._publishing, {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        # A task that was cancelled before it began has landed nothing; twice changes nothing.
        for ticket in (*tasks.values(), *(each.ticket for each in waiting.values())):
            if ticket is not None:
                await ticket.land()

    async def settle(self) -> None:
        """See what the log has published, and take back what was wrong. Raises ``ServiceUnreachable``."""
        await self._published()
        if (wrong := _wrong(self._log.run)) is not None:
            for entry in self._answers.values():
                try:
                    await withdraw(self._services, self._log.stream.tenant, entry, wrong, self._log.stream.id)
                except VersionConflict as error:
                    logger.warning("%s", error)

    async def _published(self) -> None:
        results = await asyncio.gather(*self._publishing, return_exceptions=True)
        self._publishing = {}  # now: what is stopped in between must be abandoned
        for result in results:
            if isinstance(result, ServiceUnreachable):
                raise result
            if isinstance(result, PrecedentError):
                logger.warning("an answer of run %s is not given again: %s", self._log.stream.id, result)
            elif isinstance(result, BaseException):
                logger.error("an answer of run %s is not given again", self._log.stream.id, exc_info=result)

    async def recover(self) -> None:
        """Publish what an earlier driver of this run may have left unpublished. Raises ``ServiceUnreachable``."""
        cache = self._services.cache
        if cache is None or not self._wanted or self._log.run.claim is None:
            return
        stored = (await self._services.store.load(self._log.stream)).events
        requested: dict[str, ModelCallRequested] = {}
        for event in [CATALOG.decode(each) for each in stored]:
            if isinstance(event, ModelCallRequested):
                requested[event.effect] = event
            if not isinstance(event, ModelCallAnswered | ToolCallCompleted | ToolCallFailed):
                continue
            question = self._asked_before(cache, event, requested, parse_time(stored[0].time))
            found = None if question is None else value_of(event, pure=question.volatility == "static")
            if question is not None and found is not None:
                made = offer(cache, self._log.stream.tenant, question, self._log.stream.id, event.effect, *found)
                await self._republish(cache, question, made)

    def _asked_before(
        self,
        cache: Cache,
        event: ModelCallAnswered | ToolCallCompleted | ToolCallFailed,
        requested: dict[str, ModelCallRequested],
        began: datetime,
    ) -> Question | None:
        """The question that a recorded answer missed, where it would be the same now."""
        namespace = self._log.run.accepted_task.cache.namespace
        try:
            if isinstance(event, ModelCallAnswered):
                asked = requested[event.effect]
                identity = self._services.models.identity(asked.model)
                question = model_question(cache, namespace, identity, asked.model, asked.request_digest, began)
                lookups = asked.lookups
            else:
                declared = self._services.tools.declarations().get(event.tool)
                if declared is None or not event.lookups:
                    return None
                tenant, digest = self._log.stream.tenant, event.request_digest
                question = tool_question(cache, tenant, namespace, declared, digest, began)
                lookups = event.lookups
        except (KeyError, ModelUnavailable, CacheKeyInvalid, DataUnknown):
            return None
        return question if any(each.entry == question.key.id for each in lookups) else None

    async def _republish(self, cache: Cache, question: Question, made: CacheEntryPublished) -> None:
        lookup, _ = await find(cache, self._services.clock, self._log.stream.tenant, question.key)
        if lookup.outcome == "miss":
            self._begin_publishing(_Waiting(made, None))

    def _tool_event(
        self, asked: Asked, declaration: ToolDeclaration, published: CacheEntryPublished, lookup: Lookup
    ) -> RunEvent:
        value = published.value
        entry = self._log.preview.journal.get(asked.key)
        common: dict[str, Any] = {
            "effect": asked.key,
            "tool": asked.tool,
            "version": declaration.capability.version,
            "arguments": asked.arguments if entry is None or entry.arguments is None else None,
            "request_digest": asked.digest,
            "source": "cache",
            "duration": lookup.duration,
            "lookups": (lookup,),
            "saved": published.cost,
        }
        match value:
            case {"result": result, **others} if not others:
                _check_result(result, declaration.capability.result)
                return ToolCallCompleted(result=result, result_digest=digest_json(result), **common)
            case {"error": {"type": str(kind), "message": str(message), **others}} if len(value) == 1 and not others:
                return ToolCallFailed(error=Fault(type=kind, message=message), **common)
        raise _Unreadable("it is neither a result nor a failure of a tool")


def _check_result(result: Any, expected: Type) -> None:
    try:
        wrong = mismatch(decode(result), expected)
    except ValueNotDecodable as error:
        raise _Unreadable(str(error)) from error
    if wrong is not None:
        raise _Unreadable(f"its result is not of the tool's type: {wrong}")


def _model_event(effect: str, published: CacheEntryPublished, lookup: Lookup) -> ModelCallAnswered:
    value = published.value
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("text"), str)
        or not isinstance(value.get("served_model"), str)
    ):
        raise _Unreadable("it is no answer of a model")
    return ModelCallAnswered(
        effect=effect,
        text=value["text"],
        served_model=value["served_model"],
        prompt_tokens=0,
        completion_tokens=0,
        usd=0.0,
        recorded=bool(value.get("recorded", False)),
        duration=lookup.duration,
        source="cache",
        saved=published.cost,
    )


def _wrong(run: Run) -> str | None:
    """Why the plans that models drafted for a run were no good; None where they were, or nobody can tell."""
    if run.phase is not Phase.FAILED or run.error is None:
        return None
    if run.verdict is not None and not run.verdict.passed:
        return f"{run.verdict.layer}: {'; '.join(run.verdict.findings)}"
    return run.error.error.message if run.error.error.type == "plan.rejected" else None


def _unknown(error: DataUnknown | CacheKeyInvalid | ModelUnavailable) -> Miss:
    """Why a question has no key."""
    if isinstance(error, CacheKeyInvalid):
        return Miss("oversized", str(error))
    return Miss("unheard" if isinstance(error, DataUnknown) else "failed", str(error))


def _told(event: RunEvent, lookup: Lookup) -> RunEvent:
    """A tool's event with what the cache had said before."""
    if isinstance(event, ToolCallCompleted | ToolCallFailed):
        return event.model_copy(update={"lookups": (lookup,)})
    return event
