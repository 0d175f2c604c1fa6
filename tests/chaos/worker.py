"""A worker that ends or stops itself, as the kernel would, at a chosen step of a chosen effect.

python -m tests.chaos.worker NAME FOLDER

A file ``FOLDER/faults/RUN`` with the lines step, effect, signal is obeyed once by whichever worker comes there first.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from commands.ports import EventStore, Head, StreamSlice, ToolRunner
from commands.runs.pool import DriverPool
from domain.kernel.events import Draft, Recorded
from domain.kernel.ids import StreamId
from domain.kernel.values import Value
from domain.tools import CallContext, ToolDeclaration, ToolOutcome
from infra.bootstrap.write_side import command_bus, write_side
from infra.settings import load
from infra.stack.endpoints import endpoints_of
from infra.stack.service import announce_ready
from tests.chaos.tools import FOLDER, Counting

BEFORE_REQUEST: Final = "before request"
AFTER_REQUEST: Final = "after request"
BEFORE_EXECUTION: Final = "before execution"
AFTER_EXECUTION: Final = "after execution"
AFTER_RECORD: Final = "after record"
BEFORE_COMMAND: Final = "before command"
AFTER_COMMAND: Final = "after command"
SUBMISSION: Final = "submission"
"""In the place of an effect: the command that starts the run."""

OUTCOMES: Final = {"ToolCallCompleted", "ToolCallFailed"}


@dataclass(frozen=True)
class Faults:
    """What is to go wrong, read from files."""

    folder: Path

    def reach(self, run: str, effect: object, step: str) -> None:
        """Obey the fault that is planned here, if one is."""
        file = self.folder / run
        if not file.exists() or file.read_text().splitlines()[:2] != [step, effect]:
            return
        number = signal.Signals[file.read_text().splitlines()[2]]
        try:
            file.rename(file.with_suffix(".done"))
        except FileNotFoundError:
            return  # another worker was here first
        os.kill(os.getpid(), number)


@dataclass(frozen=True)
class MortalStore:
    """The real log; its user may die on either side of an append."""

    inner: EventStore
    faults: Faults

    async def append(self, stream: StreamId, drafts: Sequence[Draft], expected: Head) -> tuple[Recorded, ...]:
        for draft in drafts:
            if draft.short_name == "ToolCallRequested":
                self.faults.reach(stream.id, draft.data["effect"], BEFORE_REQUEST)
            elif draft.short_name == "RunSubmitted":
                self.faults.reach(stream.id, SUBMISSION, BEFORE_COMMAND)
        stored = await self.inner.append(stream, drafts, expected)
        for draft in drafts:
            if draft.short_name == "ToolCallRequested":
                self.faults.reach(stream.id, draft.data["effect"], AFTER_REQUEST)
            elif draft.short_name == "RunSubmitted":
                self.faults.reach(stream.id, SUBMISSION, AFTER_COMMAND)
            elif draft.short_name in OUTCOMES:
                self.faults.reach(stream.id, draft.data["effect"], AFTER_RECORD)
        return stored

    async def load(self, stream: StreamId, after: int = 0) -> StreamSlice:
        return await self.inner.load(stream, after)


@dataclass(frozen=True)
class MortalTools:
    """The real tools; their user may die on either side of a call."""

    inner: ToolRunner
    faults: Faults

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return self.inner.declarations()

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        self.inner.open_run(run, inputs)

    def close_run(self, run: str) -> None:
        self.inner.close_run(run)

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        self.faults.reach(call.run, call.effect, BEFORE_EXECUTION)
        outcome = await self.inner.run(name, arguments, call)
        self.faults.reach(call.run, call.effect, AFTER_EXECUTION)
        return outcome


async def serve(name: str, folder: Path) -> None:
    settings = load()
    endpoints = endpoints_of(settings)
    assert endpoints is not None
    faults = Faults(folder / "faults")
    async with write_side(settings, endpoints, run_scoped=(Counting(),)) as side:
        real = side.services
        mortal: Any = replace(real, store=MortalStore(real.store, faults), tools=MortalTools(real.tools, faults))
        bus = command_bus(replace(side, services=mortal), endpoints)
        await bus.start()
        announce_ready()
        await DriverPool(mortal, f"{name}/{os.getpid()}", settings.workers).work()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    os.environ[FOLDER] = sys.argv[2]
    asyncio.run(serve(sys.argv[1], Path(sys.argv[2])))
