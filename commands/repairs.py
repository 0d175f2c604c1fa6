"""Repair: a log that has lost events gets them back out of its archive.

1. The newest checkpoint is the one that stands over most events, on the broker or beside the tiles, signed by a key
   that is trusted.
2. The archive is audited against it; nothing is written out of an archive that does not have the signed root.
3. The log is laid beside the archive. What is missing at its end is appended. A hole or a changed event cannot be
   mended in place, since the broker takes messages at the end only: then the stream is made anew, which is done only
   when asked for by name, and after what the log has behind the archive's end is in the archive too.
4. The broker must give every message the place that it had.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol

from commands.archive import ArchivedLog, Copy
from commands.audits import Trust, checkpoint_of, keys_of, rotations_in
from commands.ledger_ports import CheckpointLog, SegmentStore, StoredLog, TileStore
from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.ids import Position
from domain.ledger.auditing import Audit, Known
from domain.ledger.checkpoint import Checkpoint
from domain.ledger.notes import Note
from domain.ledger.restoring import LOOK_BACK, Restoring
from domain.ledger.stored import Rules, Stored

READ_AT_ONCE = 2_000
"""Messages of one batch."""

Progress = Callable[[int, int], None]


class NotRepairable(PrecedentError):
    """The archive cannot mend this log: do what the message says, or restore a backup; nothing was written."""

    code: ClassVar[str] = "ledger.not-repairable"


class NotRestored(PrecedentError):
    """The broker did not take a message back: see that nothing else writes to the log, and repeat the repair."""

    code: ClassVar[str] = "ledger.not-restored"


class LogWriter(Protocol):
    """Writes messages of the log where they were."""

    async def begin_anew(self, first: Position) -> None:
        """Throw the shard's messages away from the epoch of this place on; the next one gets this place."""
        ...

    async def write(self, groups: Sequence[Sequence[Stored]]) -> None:
        """Append messages in order, each group as one batch. Raises ``NotRestored`` where one gets another place."""
        ...


class How(StrEnum):
    """What it takes."""

    WHOLE = "whole"
    APPEND = "append"
    ANEW = "anew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a repair would do."""

    checkpoint: Checkpoint
    note: str
    how: How
    held: tuple[Position, Position]
    """First and last event that the log says it has."""
    differs: Position | None
    """Where the log first has something else than the archive, or nothing in between."""
    after: int
    """Sequence after which events are written."""
    last: int
    """The last of them."""
    anew: Position
    """Where the log begins that would be made anew: what has left the broker stays in the archive."""
    unsigned: int
    """Events of these that no checkpoint stands over: acknowledged shortly before the loss."""
    behind: tuple[Stored, ...] = field(repr=False)
    """What the log has after the archive's end."""

    @property
    def missing(self) -> int:
        """Events that are written."""
        return 0 if self.how is How.WHOLE else self.last - self.after


@dataclass(frozen=True, slots=True)
class Repairs:
    """Repairs of one deployment's log."""

    log: StoredLog
    segments: SegmentStore
    checkpoints: CheckpointLog
    tiles: TileStore
    left: int = 0
    """Sequence of the last event that has left the broker; the archive alone has what is before."""

    async def plan(self, shard: int, trust: Trust, progress: Progress = lambda _done, _total: None) -> Plan:
        """Look, and write nothing. Raises ``NotFound``, ``NotRepairable``, and what reading an archive raises."""
        archive = ArchivedLog(self.segments)
        checkpoint, note = await self._newest(shard, trust, await rotations_in(archive, shard))
        base, (_, last) = checkpoint.first, await archive.extent(shard)
        held = await self.log.extent(shard)
        audit = Audit(base, [Known(checkpoint)])
        rules = Rules()
        ours = aiter(_each(self.log, shard))
        mine = await anext(ours, None)
        differs: Position | None = None
        anew = base
        end = base.sequence - 1
        """Of what the log has like the archive."""
        async for messages in archive.read_stored(shard, base.sequence - 1, READ_AT_ONCE):
            audit.feed(messages)
            if anew.sequence <= self.left:
                anew = next((each.position for each in messages if each.position.sequence > self.left), anew)
            for message in messages:
                if differs is not None or mine is None:
                    break
                if _is_same(mine, message, rules):
                    end = mine.position.sequence
                    mine = await anext(ours, None)
                else:
                    differs = message.position
            progress(messages[-1].position.sequence, last.sequence)
        behind = await _behind(mine, ours, last.sequence)
        until = behind[-1].position.sequence if behind else last.sequence
        if until != last.sequence + len(behind):
            raise NotRepairable(f"the log also lost events behind the archive's end, {last}, and nothing has those")
        audit.feed(behind)
        report = audit.finish()
        if not report.sound:
            first = report.findings[0]
            raise NotRepairable(f"the archive is not fit to repair from: {first.message} ({first.first})")
        signed = checkpoint.position(checkpoint.size - 1).sequence
        has = until if behind else end
        is_broken = differs is not None or held[1].sequence != has
        how = How.ANEW if is_broken else How.WHOLE if has >= signed else How.APPEND
        return Plan(
            checkpoint=checkpoint,
            note=note,
            how=how,
            held=held,
            differs=differs,
            after=end if how is How.APPEND else anew.sequence - 1,
            last=until,
            anew=anew,
            unsigned=max(0, until - signed),
            behind=tuple(behind),
        )

    async def _newest(self, shard: int, trust: Trust, rotations: Sequence[str]) -> tuple[Checkpoint, str]:
        found = await self.checkpoints.newest(shard)
        notes = [*trust.held, *([found[1]] if found else []), await self.tiles.checkpoint(shard)]
        keys = keys_of(trust, rotations)
        opened = [
            (checkpoint_of(note, keys, trust.witnesses, trust.required), note) for note in notes if note is not None
        ]
        if not opened:
            raise NotFound(f"there is no checkpoint of shard {shard}: nothing says what the log must have")
        return max(opened, key=lambda each: each[0].size)

    async def carry_out(
        self, plan: Plan, writer: LogWriter, *, progress: Progress = lambda _done, _total: None
    ) -> None:
        """Write what the plan says. It may be repeated at any time. Raises ``NotRestored``."""
        shard, base = plan.checkpoint.first.shard, plan.checkpoint.first
        if plan.how is How.ANEW:
            await self._keep(plan.behind, base)
            await writer.begin_anew(plan.anew)
        if plan.how is not How.WHOLE:
            restoring = Restoring(plan.after)
            archive = ArchivedLog(self.segments)
            begin = max(base.sequence - 1, plan.after - LOOK_BACK)
            async for messages in archive.read_stored(shard, begin, READ_AT_ONCE):
                await writer.write(list(restoring.feed(messages)))
                progress(max(0, messages[-1].position.sequence - plan.after), plan.missing)
            await writer.write(list(restoring.finish()))
        await self._give_back_checkpoint(plan, shard)

    async def _keep(self, behind: Sequence[Stored], base: Position) -> None:
        """What only the log has is in the archive before the log goes."""
        if not behind:
            return
        copy = Copy(self.segments, base)
        copy.resume(behind[0].position.sequence - 1)
        copy.add(behind)
        await copy.flush()

    async def _give_back_checkpoint(self, plan: Plan, shard: int) -> None:
        newest = await self.checkpoints.newest(shard)
        place, note = newest or (0, "")
        if not note or Checkpoint.parse(Note.parse(note).text).size < plan.checkpoint.size:
            await self.checkpoints.publish(shard, plan.note, place)


async def _each(log: StoredLog, shard: int) -> AsyncIterator[Stored]:
    async for messages in log.read_stored(shard, batch=READ_AT_ONCE):
        for message in messages:
            yield message


async def _behind(mine: Stored | None, ours: AsyncIterator[Stored], last: int) -> list[Stored]:
    """Messages of the log after this sequence."""
    found: list[Stored] = []
    while mine is not None:
        if mine.position.sequence > last:
            found.append(mine)
        mine = await anext(ours, None)
    return found


def _is_same(mine: Stored, archived: Stored, rules: Rules) -> bool:
    """Tell whether the log has what the archive has; the headers of a batch may have gone in an earlier repair."""
    _, problems = rules.check(mine)
    if mine == archived:
        return True
    return not problems and mine[:2] == archived[:2] and mine.body == archived.body
