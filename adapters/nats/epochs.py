"""The epochs of a shard as the broker has them: which stream is open, which are closed, and how one follows another.

Rollover: the open stream is sealed, gives up its subjects and its direct reads, all in one request of the broker; from
then on every append waits. The next stream is made with the number that follows; from then on appends go on. A rollover
that was interrupted between the two is finished by the next process that connects, which then sees whether the log is
whole. There is no third step: a stream that is older is carried over by the first append to it (``StreamCarried``).

Since a closed stream serves no direct reads, a process that does not know of the rollover yet cannot take it for the
open one and miss what came after.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from adapters.nats.connection import ApiRefused, Connection
from adapters.nats.streams import NAME_TAKEN, NOT_FOUND, check_settings, ensure_bus, events_name, events_settings
from commands.epochs import ArchivedEpochs
from domain.kernel.errors import InvalidInput, PrecedentError, ServiceUnreachable
from domain.kernel.ids import Position
from domain.ledger.epochs import Closed

_NAME: Final = re.compile(r"EVENTS_([0-9]{1,9})_([0-9]{1,9})\Z")


class EpochStrange(PrecedentError):
    """Somebody made a stream that only a rollover makes: see who, then delete that stream with the keeper's account."""

    code: ClassVar[str] = "epoch.strange"


class EpochEmpty(InvalidInput):
    """Roll over once there are events: the epoch that is open has none, and would leave nothing behind."""

    code: ClassVar[str] = "epoch.empty"


@dataclass(frozen=True, slots=True)
class Known:
    """The epochs of a shard."""

    left: tuple[Closed, ...]
    """Those that the archive alone has, in order."""
    closed: tuple[Closed, ...]
    """Closed ones that the broker still has, in order."""
    open: int
    """The one that is appended to."""
    first: int
    """Sequence with which it begins."""
    indexed: frozenset[int]
    """Closed ones of which the archive knows which streams they have."""
    earlier: tuple[Closed, ...]
    """All closed ones, the newest first."""

    def of(self, sequence: int) -> int:
        """Epoch of a sequence."""
        if sequence >= self.first:
            return self.open
        return next((each.epoch for each in self.earlier if each.first <= sequence <= each.last), 0)


class Epochs:
    """What this process knows of the epochs, asked again when something shows that it is no longer so."""

    def __init__(self, connection: Connection, archived: ArchivedEpochs | None = None) -> None:
        """``archived``: epochs that have left the broker."""
        self._connection = connection
        self._known: dict[int, Known] = {}
        self.archived = archived

    async def known(self, shard: int) -> Known:
        """Raises ``ServiceUnreachable``."""
        found = self._known.get(shard)
        return found if found is not None else await self.refreshed(shard)

    def forget(self, shard: int) -> None:
        """Ask again the next time."""
        self._known.pop(shard, None)

    async def refreshed(self, shard: int) -> Known:
        """Ask the broker and the archive. Raises ``ServiceUnreachable``, also in the midst of a rollover."""
        return await self._asked(shard, finish=False)

    async def _asked(self, shard: int, *, finish: bool) -> Known:
        kept = self.archived.closed(shard) if self.archived is not None else ()
        left, indexed = tuple(each for each in kept if each.has_left), frozenset(each.epoch for each in kept)
        gone = {each.epoch for each in left}
        numbers = [number for number in await self._numbers(shard) if number not in gone]
        if not numbers:
            raise ServiceUnreachable(f"the broker has no stream EVENTS_<epoch>_{shard}: connect anew to have it made")
        infos = [await self._connection.api(f"STREAM.INFO.{events_name(number, shard)}") for number in numbers]
        _check_closed(numbers[:-1], shard, infos)
        newest = infos[-1]
        closed = [_closed(number, shard, info) for number, info in zip(numbers, infos, strict=True)][:-1]
        if newest["config"].get("sealed"):
            if not finish:
                raise ServiceUnreachable(
                    f"epoch {numbers[-1]} of shard {shard} is closed and the next one is not open yet; if this lasts, "
                    "`precedent epochs rollover` finishes it"
                )
            closed.append(_closed(numbers[-1], shard, newest))
            newest = await self._open(numbers[-1] + 1, shard, newest["state"]["last_seq"] + 1)
            numbers.append(numbers[-1] + 1)
        earlier = tuple(sorted((*left, *closed), key=lambda each: each.epoch, reverse=True))
        first = newest["config"].get("first_seq") or 1
        known = Known(left, tuple(closed), numbers[-1], first, indexed, earlier)
        self._known[shard] = known
        return known

    async def ensure(self, shard: int) -> None:
        """Make the open epoch's stream where there is none. Raises ``StreamDiffers``, ``ServiceUnreachable``."""
        left = self.archived.left(shard) if self.archived is not None else ()
        if not set(await self._numbers(shard)) - {each.epoch for each in left}:
            number, first = (left[-1].epoch + 1, left[-1].last + 1) if left else (0, 1)
            await self._open(number, shard, first)
        known = await self._asked(shard, finish=True)
        name = events_name(known.open, shard)
        check_settings(name, events_settings(shard), (await self._connection.api(f"STREAM.INFO.{name}"))["config"])

    async def roll_over(self, shard: int) -> Known:
        """Close the open epoch and open the next one. Raises ``EpochEmpty``, ``ServiceUnreachable``."""
        before = await self._asked(shard, finish=True)
        name = events_name(before.open, shard)
        state = (await self._connection.api(f"STREAM.INFO.{name}"))["state"]
        if state["last_seq"] < before.first:
            raise EpochEmpty(f"epoch {before.open} of shard {shard} has no event yet: there is nothing to close")
        await self.close(shard, before.open)
        return await self._asked(shard, finish=True)

    async def close(self, shard: int, number: int) -> None:
        """Seal an epoch: from now on nothing is appended to it, and nothing to the shard until the next one is open."""
        name = events_name(number, shard)
        settings = {**events_settings(shard), "subjects": [f"closed.{shard}.{number}"]}
        config = (await self._connection.api(f"STREAM.INFO.{name}"))["config"]
        begins = {"first_seq": config["first_seq"]} if "first_seq" in config else {}  # or the broker forgets it
        request = {"name": name, **settings, **begins, "sealed": True, "allow_direct": False}
        await self._connection.api(f"STREAM.UPDATE.{name}", request)

    async def closed(self, shard: int) -> Sequence[Closed]:
        """Closed epochs that the broker still has, whatever the archive says of them."""
        numbers = await self._numbers(shard)
        infos = [await self._connection.api(f"STREAM.INFO.{events_name(number, shard)}") for number in numbers]
        return [
            _closed(number, shard, info)
            for number, info in zip(numbers, infos, strict=True)
            if info["config"].get("sealed")
        ]

    async def drop(self, closed: Closed) -> None:
        """As the port says."""
        try:
            await self._connection.api(f"STREAM.DELETE.{events_name(closed.epoch, closed.shard)}")
        except ApiRefused as refusal:
            if refusal.number != NOT_FOUND:
                raise
        self.forget(closed.shard)

    async def begin(self, first: Position) -> None:
        """Throw away what the broker has from an epoch on, and open that epoch at this place."""
        for number in await self._numbers(first.shard):
            if number >= first.epoch:
                await self._connection.api(f"STREAM.DELETE.{events_name(number, first.shard)}")
        await self._open(first.epoch, first.shard, first.sequence)
        self.forget(first.shard)

    async def go_on(self, first: Position) -> None:
        """Close the open epoch and open this one, as it was once."""
        known = await self._asked(first.shard, finish=False)
        await self.close(first.shard, known.open)
        await self._open(first.epoch, first.shard, first.sequence)
        self.forget(first.shard)

    async def _open(self, number: int, shard: int, first: int) -> dict[str, Any]:
        name = events_name(number, shard)
        request = {"name": name, **({"first_seq": first} if first > 1 else {}), **events_settings(shard)}
        try:
            return await self._connection.api(f"STREAM.CREATE.{name}", request)
        except ApiRefused as refusal:
            if refusal.number != NAME_TAKEN:
                raise
            return await self._connection.api(f"STREAM.INFO.{name}")  # another process made it in between

    async def _numbers(self, shard: int) -> list[int]:
        numbers: list[int] = []
        offset = 0
        while True:
            page = await self._connection.api("STREAM.NAMES", {"offset": offset})
            names: list[str] = page.get("streams") or []
            found = filter(None, map(_NAME.match, names))
            numbers += [int(each[1]) for each in found if int(each[2]) == shard]
            offset += len(names)
            if not names or offset >= page["total"]:
                return sorted(numbers)


async def ensure_streams(connection: Connection, *, shards: int = 1, archived: ArchivedEpochs | None = None) -> None:
    """Make every stream that is missing. Raises ``StreamDiffers``, ``ServiceUnreachable``."""
    epochs = Epochs(connection, archived)
    for shard in range(shards):
        await epochs.ensure(shard)
    await ensure_bus(connection)


def _check_closed(numbers: Sequence[int], shard: int, infos: Sequence[Mapping[str, Any]]) -> None:
    """An epoch is closed before the next one is made: else whoever may make streams could let the log go on there."""
    for number, info in zip(numbers, infos, strict=False):
        if not info["config"].get("sealed"):
            raise EpochStrange(f"the broker has an epoch after {number} of shard {shard}, and {number} is not closed")


def _closed(number: int, shard: int, info: Mapping[str, Any]) -> Closed:
    first = info["config"].get("first_seq") or 1
    return Closed(epoch=number, shard=shard, first=first, last=info["state"]["last_seq"])
