"""The one way a command is handled: check, load, decide, append, react, answer. No command copies this loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from commands.ports import NEW_STREAM, StreamSlice
from commands.repeats import REUSED, cause_of, check_kept, check_repeated, request_of
from commands.services import Services
from domain.kernel.errors import InvalidInput, PrecedentError, ServiceUnreachable, VersionConflict
from domain.kernel.events import DomainEvent, Draft, Recorded
from domain.kernel.ids import StreamId, event_id, token
from domain.kernel.values import format_time
from domain.rtfs.types import TypeMismatch

ATTEMPTS: Final = 8
"""How often a decision is taken anew when others append to the stream at the same time."""

LONGEST_MESSAGE: Final = 4_000
"""Characters of an answer's message: what was sent may be quoted in it, and an answer must fit into one message."""

MOST_PROBLEMS: Final = 20
"""How many wrong fields an answer lists."""

Outcome = Literal["accepted", "rejected", "conflict", "invalid", "denied", "expired"]


class CommandEnvelope(BaseModel):
    """A command as it travels. Who asks is not in it: the subject says that, and the broker guarantees it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    type: str = Field(max_length=64)
    tenant: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    time: AwareDatetime | None = None
    expires: AwareDatetime | None = None
    data: dict[str, Any]
    expectedversion: int | None = Field(None, ge=0)
    traceparent: str | None = Field(None, max_length=64)


class CausedEvent(BaseModel):
    """One event that a command caused."""

    type: str
    sequence: str


class ErrorDetail(BaseModel):
    """Why a command was not accepted."""

    code: str
    message: str
    detail: Any = None


class Answer(BaseModel):
    """What became of a command. ``conflict`` is not final; everything else is given again to a repeated command."""

    model_config = ConfigDict(frozen=True)
    commandid: str
    outcome: Outcome
    position: str | None = None
    events: tuple[CausedEvent, ...] = ()
    error: ErrorDetail | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """How one command is handled: a row of ``commands/catalog.py``."""

    command: type[BaseModel]
    category: str
    stream: Callable[[CommandEnvelope, Any], str]
    """Id of the stream that decides."""
    decide: Callable[[Services, StreamSlice, Any, datetime], list[DomainEvent]]
    check: Callable[[Services, str, str, Any], Awaitable[None]] | None = None
    """What the stream alone cannot tell: tenant, principal and command; raises the rule that is broken."""
    creates: bool = False
    """Whether the stream takes its id from the command, and so is new unless the command is repeated."""


Reaction = Callable[[Services, Recorded], Awaitable[None]]


class AccessDenied(PrecedentError):
    """Ask whoever runs the deployment for the right that the message names, or have somebody do it who has it."""

    code = "access.denied"


@dataclass(frozen=True, slots=True)
class Handled:
    """A command's answer, and the events whose reactions are still owed: the one who asked need not wait for them."""

    answer: Answer
    owed: Sequence[Recorded] = ()
    request: str = ""
    """Digest of what was asked: another command under the same id has another."""


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """Handles every command of a catalog."""

    services: Services
    commands: Mapping[str, Handling]
    reactions: Mapping[str, Sequence[Reaction]]

    async def handle(self, envelope: CommandEnvelope, principal: str) -> Handled:
        """Answer a command. Raises ``ServiceUnreachable`` only: nothing is known then; have it delivered again."""
        request = request_of(envelope, principal)
        try:
            handled = await self._handle(envelope, token(principal, "principal"), request)
        except ServiceUnreachable:
            raise
        except VersionConflict as error:
            handled = _refusal(envelope, "conflict", error)
        except (InvalidInput, TypeMismatch) as error:
            handled = _refusal(envelope, "invalid", error)
        except AccessDenied as error:
            handled = _refusal(envelope, "denied", error)
        except PrecedentError as error:
            handled = _refusal(envelope, "rejected", error)
        return handled if isinstance(handled, Handled) else Handled(handled, request=request)

    async def react(self, handled: Handled) -> None:
        """Set off what the command's events set off. Done again when the command is repeated: reactions bear that."""
        for event in handled.owed:
            for react in self.reactions.get(event.short_name, ()):
                await react(self.services, event)

    async def _handle(self, envelope: CommandEnvelope, principal: str, request: str) -> Answer | Handled:
        handling = self.commands.get(envelope.type)
        if handling is None:
            known = ", ".join(sorted(self.commands))
            return _refused(envelope, "invalid", "command.unknown", f"no command {envelope.type!r}; known: {known}")
        denial = self.services.authorizer.denial(envelope.tenant, principal, envelope.type)
        if denial is not None:
            return _refused(envelope, "denied", AccessDenied.code, denial)
        try:
            command = handling.command.model_validate(envelope.data)
        except ValidationError as error:
            return _invalid(envelope, error)
        stream = StreamId(envelope.tenant, handling.category, handling.stream(envelope, command))
        if handling.creates and envelope.expectedversion is None and not self._is_late(envelope):
            # Where the stream exists after all, appending tells: to a repeated command with the events it caused.
            earlier, slice_ = await self._earlier(envelope, request), StreamSlice((), NEW_STREAM)
        else:
            earlier, slice_ = await asyncio.gather(self._earlier(envelope, request), self.services.store.load(stream))
        if earlier is not None:
            return earlier
        return await self._decide(envelope, principal, handling, command, stream, slice_, request)

    def _is_late(self, envelope: CommandEnvelope) -> bool:
        return envelope.expires is not None and envelope.expires <= self.services.clock.now()

    async def _earlier(self, envelope: CommandEnvelope, request: str) -> Answer | None:
        stored = await self.services.answers.get(envelope.tenant, envelope.id)
        return None if stored is None else Answer.model_validate_json(check_kept(envelope, request, stored))

    async def _decide(
        self,
        envelope: CommandEnvelope,
        principal: str,
        handling: Handling,
        command: BaseModel,
        stream: StreamId,
        slice_: StreamSlice,
        request: str,
    ) -> Answer | Handled:
        for _ in range(ATTEMPTS):
            caused = [event for event in slice_.events if event.causation == envelope.id]
            if caused:
                check_repeated(envelope, request, caused[0])
                return _accepted(envelope, caused)
            now = self.services.clock.now()
            if self._is_late(envelope):
                return _refused(envelope, "expired", "command.expired", f"it expired at {envelope.expires}")
            if envelope.expectedversion not in (None, slice_.head.version):
                message = f"{stream} is at version {slice_.head.version}, not {envelope.expectedversion}"
                return _refused(envelope, "conflict", "stream.conflict", message)
            try:
                events = handling.decide(self.services, slice_, command, now)
                if handling.check is not None:
                    await handling.check(self.services, envelope.tenant, principal, command)
            except PrecedentError:
                # A repeated command was accepted once, whatever the rules say today.
                if slice_.events or not (slice_ := await self.services.store.load(stream)).events:
                    raise
                continue
            cause = cause_of(envelope, request)
            drafts = [
                _draft(envelope, principal, stream, now, event_id(cause, i), event) for i, event in enumerate(events)
            ]
            try:
                stored = await self.services.store.append(stream, drafts, slice_.head)
            except VersionConflict:
                slice_ = await self.services.store.load(stream)
                continue
            return _accepted(envelope, stored)
        raise VersionConflict(f"{stream} changed {ATTEMPTS} times while {envelope.type} was decided; send it again")


def _accepted(envelope: CommandEnvelope, events: Sequence[Recorded]) -> Handled:
    answer = Answer(
        commandid=envelope.id,
        outcome="accepted",
        position=str(events[-1].position) if events else None,
        events=tuple(CausedEvent(type=event.type, sequence=str(event.version)) for event in events),
    )
    return Handled(answer, events)


def _draft(
    envelope: CommandEnvelope, principal: str, stream: StreamId, now: datetime, name: str, event: DomainEvent
) -> Draft:
    return Draft(
        id=name,
        type=event.TYPE,
        time=format_time(now),
        correlation=stream.id,
        causation=envelope.id,
        actor=f"user:{principal}",
        data=event.as_json(),
        traceparent=envelope.traceparent,
    )


def _refused(envelope: CommandEnvelope, outcome: Outcome, code: str, message: str, detail: Any = None) -> Answer:
    error = ErrorDetail(code=code, message=clipped(message), detail=detail)
    return Answer(commandid=envelope.id, outcome=outcome, error=error)


def clipped(message: str, longest: int = LONGEST_MESSAGE) -> str:
    """The message, or its beginning where it is too long to be sent."""
    return message if len(message) <= longest else f"{message[:longest]} … ({len(message)} characters)"


def _refusal(envelope: CommandEnvelope, outcome: Outcome, error: PrecedentError) -> Answer:
    return _refused(envelope, outcome, error.code, str(error))


def _invalid(envelope: CommandEnvelope, error: ValidationError) -> Answer:
    problems = wrong_fields(error)
    shown = "; ".join(f"{item['field'] or 'data'}: {item['problem']}" for item in problems)
    return _refused(envelope, "invalid", "command.invalid", f"{envelope.type}: {shown}", problems)


def wrong_fields(error: ValidationError) -> list[dict[str, str]]:
    """The first wrong fields, each with what is wrong with it."""
    if error.error_count() > 50 * MOST_PROBLEMS:
        # Someone's four megabytes of unknown fields are counted, not read.
        return [{"field": "", "problem": f"{error.error_count()} fields are wrong or unknown"}]
    return [
        {"field": clipped(".".join(str(part) for part in item["loc"]), 200), "problem": clipped(item["msg"], 500)}
        for item in error.errors(include_url=False, include_input=False)[:MOST_PROBLEMS]
    ]


def is_final(answer: Answer) -> bool:
    """Whether a repeated command must get this same answer. One under another's id gets none that would be kept."""
    return answer.outcome != "conflict" and (answer.error is None or answer.error.code != REUSED)
