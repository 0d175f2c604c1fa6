"""Every recorded run of a pass replayed: verified from its events, and re-executed on objects made anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from commands.runs.log import CATALOG
from domain.kernel.events import Recorded
from domain.kernel.values import decode, digest_json, encode
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.replay import fold, verify
from domain.runs.state import Run, Settlement
from infra.bench.bfcl.report import Divergence, Replays
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.world import Scenario

Histories = dict[str, list[RunEvent]]
"""Run id -> its events in order."""


def histories_of(events: Iterable[Recorded]) -> Histories:
    """Sort the events of many runs, read once, by run. Raises ``UnknownEventType`` rather than skip one."""
    histories: Histories = {}
    for recorded in sorted(events, key=lambda event: event.version):
        event = CATALOG.decode_known(recorded)
        assert isinstance(event, RunEvent), "only runs were selected"
        histories.setdefault(recorded.stream.id, []).append(event)
    return histories


def verify_all(histories: Histories) -> Replays:
    """Execute every program again, each effect answered from the journal."""

    def verified(run: str, events: Sequence[RunEvent]) -> Iterator[Divergence]:
        try:
            verify(events)
        except ReplayDiverged as error:
            tool = _tool(fold(events), error.effect)
            yield Divergence(
                entry=_entry(fold(events)),
                run=run,
                effect=error.effect,
                tool=tool,
                expected=error.expected,
                actual=error.actual,
            )

    return _timed("verify", histories, verified)


def re_execute_all(histories: Histories, tools: BfclTools) -> Replays:
    """Make every run's objects anew from its recorded inputs, really make its calls, and compare the results."""

    def re_executed(name: str, events: Sequence[RunEvent]) -> Iterator[Divergence]:
        run = fold(events)
        inputs = run.accepted_task.input_values
        scenario = Scenario.of_inputs(inputs) if isinstance(inputs, dict) else None
        assert scenario is not None, "the runs of this benchmark have a scenario"
        by_tool = {method.tool: method for method in tools.catalogue.methods(scenario.classes)}
        world = tools.world(scenario)
        for key, entry in run.journal.items():
            method = by_tool[entry.tool]
            arguments = {method.names[each]: decode(value) for each, value in entry.arguments.items()}
            expected = digest_json(entry.result) if entry.settlement is Settlement.COMPLETED else entry.settlement
            try:
                actual = digest_json(encode(world.call(method.class_name, method.name, (), arguments)))
            except Exception as error:  # noqa: BLE001  # the package's methods may raise anything: a failed effect
                actual = Settlement.FAILED if entry.settlement is Settlement.FAILED else repr(error)
            if actual != expected:
                yield Divergence(
                    entry=_entry(run), run=name, effect=key, tool=entry.tool, expected=expected, actual=actual
                )

    return _timed("re-execute", histories, re_executed)


def _timed(
    mode: str, histories: Histories, replay: Callable[[str, Sequence[RunEvent]], Iterable[Divergence]]
) -> Replays:
    began = time.perf_counter()
    found = tuple(divergence for run, events in histories.items() for divergence in replay(run, events))
    return Replays(mode=mode, runs=len(histories), seconds=time.perf_counter() - began, divergences=found)


def _tool(run: Run, effect: str) -> str:
    entry = run.journal.get(effect)
    return entry.tool if entry else ""


def _entry(run: Run) -> str:
    return run.accepted_task.goal.rpartition(" ")[2]
