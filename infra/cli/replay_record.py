"""The trace that a replay leaves, unless ``--no-record``: what cannot be written is said, and changes no result."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from adapters.system.clock import SystemClock
from commands.replays.recording import ReplayLog
from domain.kernel.errors import PrecedentError
from domain.kernel.events import DomainEvent
from domain.kernel.ids import StreamId
from infra.cli.output import Output
from infra.cli.session import Session, new_id, principal


class Record:
    """The stream of one replay."""

    def __init__(self, output: Output, connected: Session, *, kept: bool) -> None:
        """``kept``: whether anything is written at all."""
        self._output = output
        self._log: ReplayLog | None = None
        if kept:
            stream = StreamId(connected.settings.tenant, "replay", new_id())
            self._log = ReplayLog(connected.store, SystemClock(), stream, f"user:{principal()}")

    @property
    def id(self) -> str | None:
        """Id of the stream; None where nothing is written."""
        return None if self._log is None else self._log.stream.id

    async def add(self, *events: DomainEvent) -> None:
        """Write what happened."""
        if self._log is None:
            return
        try:
            await self._log.append(*events)
        except PrecedentError as error:
            self._output.warn(f"this replay is recorded no further: {error}")
            self._log = None


def release() -> str:
    """Version of this program."""
    try:
        return version("precedent")
    except PackageNotFoundError:
        return "unknown"
