"""The parent of a fork: its first events are read once, checked against the fork's digest, and answer what is asked."""

from __future__ import annotations

from collections.abc import Sequence

from commands.runs.log import CATALOG, RunLog
from commands.services import Services
from domain.kernel.errors import StoredDataInvalid, UnknownEventType
from domain.kernel.ids import StreamId
from domain.runs.events import ModelCallAnswered
from domain.runs.guard import Asked
from domain.runs.inheritance import Inheritance, Inherited, history_digest
from domain.runs.parts import RunEvent
from domain.runs.task import ForkPoint


class ParentDiffers(StoredDataInvalid):
    """The parent's events are not those that were forked: verify the log, and fork a run that is whole."""

    code = "stored.fork-parent-differs"


class Parent:
    """What one run inherits; nothing where it is no fork, or has begun to act on its own."""

    def __init__(self, services: Services, log: RunLog) -> None:
        self._services = services
        self._log = log
        self._inheritance: Inheritance | None = None

    async def answers(self, effects: Sequence[Asked]) -> Sequence[Inherited | None]:
        """For each effect the inherited answer, None where it must be asked of the world. Raises ``ParentDiffers``.

        Effects that are asked side by side are inherited side by side: none of them has seen another's answer.
        """
        run = self._log.preview
        if run.live or run.forked_from is None or run.pinned is None:
            return [None] * len(effects)
        inheritance = await self._loaded(run.forked_from)
        keys = run.journal.keys() | {asked.key for asked in effects}
        return [
            None if asked.key in run.journal else inheritance.answer(asked, run.pinned, keys)  # what has begun goes on
            for asked in effects
        ]

    async def model_answer(self, key: str, request_digest: str) -> ModelCallAnswered | None:
        """The inherited answer of a model; None where it must be asked. Raises ``ParentDiffers``."""
        run = self._log.preview
        if run.live or run.forked_from is None:
            return None
        return (await self._loaded(run.forked_from)).model_answer(key, request_digest)

    async def _loaded(self, fork: ForkPoint) -> Inheritance:
        if self._inheritance is None:
            stream = StreamId(self._log.stream.tenant, "run", fork.run)
            stored = (await self._services.store.load(stream)).events[: fork.at]
            actual = history_digest(event.body for event in stored)
            if len(stored) < fork.at or actual != fork.digest:
                raise ParentDiffers(
                    f"run {fork.run} was forked after {fork.at} events with digest {fork.digest}; "
                    f"now there are {len(stored)} of them with digest {actual}"
                )
            try:
                known = [event for each in stored if isinstance(event := CATALOG.decode_known(each), RunEvent)]
                self._inheritance = Inheritance(known)
            except (UnknownEventType, StoredDataInvalid) as error:
                raise ParentDiffers(f"run {fork.run}, which was forked, cannot be read: {error}") from error
        return self._inheritance
