"""What the benchmark says: tables for people, one document for machines, from the same data."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.bench.bfcl.figures import Quantiles
from infra.bench.reuse.learned import Learned
from infra.bench.reuse.outcomes import ANSWERING, MODEL, NOBODY, Tally, durations, tallied
from infra.bench.reuse.passes import Pass, Ran
from infra.bench.reuse.workload import variant_of

MOST_WRONG: Final = 0.02
"""Share of the hits that may be wrong where asking the model would have been right."""

_MOST_REASONS: Final = 12
ALL: Final = "all"
_KINDS: Final = ("published", "candidate", "refused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All setups."""

    release: str
    """Release of the corpus."""
    entries: int
    ran: Sequence[Ran]
    machine: dict[str, Any] = field(
        default_factory=lambda: {"cores": os.cpu_count(), "python": platform.python_version()}
    )

    @property
    def passed(self) -> bool:
        """What must hold, holds in every setup."""
        return not any(_faults(one) for one in self.ran)

    def document(self) -> dict[str, Any]:
        """Everything as JSON data."""
        return {
            "release": self.release,
            "entries": self.entries,
            "machine": self.machine,
            "passed": self.passed,
            "setups": [_document(one) for one in self.ran],
        }

    def render(self) -> RenderableType:
        """Everything as tables."""
        parts: list[RenderableType] = []
        for one in self.ran:
            parts += [_table(one), *map(Text, _notes(one)), Text("")]
        return Group(*parts)


def _faults(ran: Ran) -> list[str]:
    """What must hold and does not."""
    found = []
    for each in ran.passes:
        tally = tallied(each.outcomes, ran.workload.untold)
        if tally.completed < tally.runs:
            found.append(f"{each.name} pass: {tally.runs - tally.completed} runs did not complete")
        if each.replays.divergences:
            found.append(f"{each.name} pass: {each.replays.runs - each.replays.identical} replays differ")
        if each.asked != tally.model_calls:
            found.append(f"{each.name} pass: the model counts {each.asked} questions, the record {tally.model_calls}")
        if each.needless:
            found.append(f"{each.name} pass: {len(each.needless)} model calls for what was known")
    together = _together(ran)
    if together.avoidable_share > MOST_WRONG:
        found.append(f"{together.avoidable_share:.2%} of the hits are wrong where the model would have been right")
    return found


def _together(ran: Ran) -> Tally:
    return tallied([outcome for each in ran.passes for outcome in each.outcomes], ran.workload.untold)


def _columns(ran: Ran, each: Pass) -> dict[str, Tally]:
    """Tallies of a pass: of each variant, and of all."""
    untold = ran.workload.untold
    variants = dict.fromkeys(variant_of(outcome.entry) for outcome in each.outcomes)
    by_variant = {
        variant: tallied([o for o in each.outcomes if variant_of(o.entry) == variant], untold) for variant in variants
    }
    return {**by_variant, ALL: tallied(each.outcomes, untold)}


_ROWS: Final[tuple[tuple[str, Callable[[Tally], str]], ...]] = (
    ("runs, completed", lambda tally: f"{tally.runs}, {tally.completed}"),
    ("model calls", lambda tally: f"{tally.model_calls}"),
    *((f"answered by {level}", lambda tally, level=level: f"{tally.answered[level]}") for level in ANSWERING),
    ("hits of L1", lambda tally: f"{tally.hits['L1']}"),
    ("hits, wrong", lambda tally: f"{tally.reused}, {tally.wrong_reused}"),
    ("of these the model errs too", lambda tally: f"{tally.untold_reused}"),
    ("tokens spent, saved", lambda tally: f"{tally.spent // 1000:,} k, {tally.saved // 1000:,} k"),
)


def _table(ran: Ran) -> Table:
    table = Table(title=f"{ran.setup.name}; embedder {ran.embedder}")
    table.add_column("pass")
    table.add_column("")
    columns = [_columns(ran, each) for each in ran.passes]
    for name in columns[0]:
        table.add_column(name, justify="right")
    for each, tallies in zip(ran.passes, columns, strict=True):
        for number, (label, cell) in enumerate(_ROWS):
            table.add_row("" if number else each.name, label, *(cell(tally) for tally in tallies.values()))
        table.add_row("", "published, held, refused", *(_programs(each.learned, name) for name in tallies))
        table.add_section()
    return table


def _programs(known: Learned, name: str) -> str:
    variant = None if name == ALL else name
    return ", ".join(str(known.of(what, variant)) for what in _KINDS)


def _notes(ran: Ran) -> list[str]:
    together, tasks, programs = _together(ran), len(ran.workload.tasks), ran.workload.programs
    low, high = together.interval
    wrong = (
        f"wrong hits / hits: {together.wrong_reused} / {together.reused} = {together.wrong_share:.2%} "
        f"(95 %: {low:.2%} to {high:.2%}); without those that the model gets wrong too: {together.avoidable_share:.2%}"
    )
    ceiling = (
        f"{programs} distinct programs for {tasks} tasks: at most {1 - programs / tasks:.1%} of the first pass can be "
        f"reused; {_of_first(ran):.1%} was"
    )
    notes = [wrong, ceiling]
    for each in ran.passes:
        notes.append(f"{each.name} pass, {each.seconds:.1f} s: {_learned(each)}")
        notes.append(f"  replayed, verify: {each.replays.identical} of {each.replays.runs} identical")
        notes += [f"  {level} {reason}: {count}" for (level, reason), count in _misses(ran, each)]
        notes.append(f"  look-ups, ms p50, p99: {_latencies(each)}")
        tally = tallied(each.outcomes, ran.workload.untold)
        if tally.answered[NOBODY] or tally.wrong[MODEL] or tally.setbacks or tally.tool_hits:
            notes.append(
                f"  wrong though the model was asked: {tally.wrong[MODEL]}; answered by nobody: "
                f"{tally.answered[NOBODY]}; reused in vain: {_counted(tally.setbacks)}; tool answers: {tally.tool_hits}"
            )
    processes = ", ".join(f"{name} {used.processor_seconds:.0f} s" for name, used in ran.used.items())
    return [*notes, f"processor time: {processes or 'unknown'}", *(f"fault: {fault}" for fault in _faults(ran))]


def _of_first(ran: Ran) -> float:
    tally = tallied(ran.passes[0].outcomes, ran.workload.untold)
    return tally.reused / tally.runs if tally.runs else 0.0


def _learned(each: Pass) -> str:
    known = each.learned
    return (
        f"{known.of('published')} programs published by now ({len(known.modules)} distinct), "
        f"candidates: {_counted(known.candidates)}, refused: {_counted(known.refused)}, "
        f"demoted: {_counted(known.demoted)}, judged: {_counted(known.judged)}"
    )


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} ({reason})" for reason, count in counter.most_common()) or "none"


def _misses(ran: Ran, each: Pass) -> list[tuple[tuple[str, str], int]]:
    found = tallied(each.outcomes, ran.workload.untold).misses
    return sorted(found.most_common(_MOST_REASONS), key=lambda item: (item[0][0], -item[1]))


def _latencies(each: Pass) -> str:
    found = {level: Quantiles.of(sample) for level, sample in sorted(durations(each.outcomes).items())}
    return "; ".join(f"{level} {q.p50:.2f}, {q.p99:.2f}" for level, q in found.items()) or "none"


def _document(ran: Ran) -> dict[str, Any]:
    together = _together(ran)
    return {
        **asdict(ran.setup),
        "embedder": ran.embedder,
        "distinct_programs": ran.workload.programs,
        "untold": sorted(ran.workload.untold),
        "faults": _faults(ran),
        "together": _tally(together),
        "passes": [
            {
                "name": each.name,
                "seconds": each.seconds,
                "asked": each.asked,
                "needless": each.needless,
                "variants": {name: _tally(tally) for name, tally in _columns(ran, each).items()},
                "learned": {
                    **{
                        what: {variant: n for (kind, variant), n in each.learned.programs.items() if kind == what}
                        for what in _KINDS
                    },
                    "distinct": len(each.learned.modules),
                    "proven": each.learned.proven,
                    **{name: dict(getattr(each.learned, name)) for name in ("demoted", "judged")},
                    "lacking": dict(each.learned.candidates),
                    "reasons": dict(each.learned.refused),
                },
                "replays": {"runs": each.replays.runs, "identical": each.replays.identical},
                "lookups_ms": {
                    level: asdict(Quantiles.of(sample)) for level, sample in durations(each.outcomes).items()
                },
                "wrong": [
                    {"entry": outcome.entry, "by": outcome.by, "goal_tells": outcome.entry not in ran.workload.untold}
                    for outcome in each.outcomes
                    if not outcome.right
                ],
            }
            for each in ran.passes
        ],
        "used": {name: asdict(used) for name, used in ran.used.items()},
    }


def _tally(tally: Tally) -> dict[str, Any]:
    low, high = tally.interval
    return {
        **{name: getattr(tally, name) for name in ("runs", "completed", "model_calls", "spent", "saved", "tool_hits")},
        **{name: dict(getattr(tally, name)) for name in ("answered", "wrong", "untold", "hits", "setbacks")},
        "misses": [{"level": level, "reason": why, "count": n} for (level, why), n in tally.misses.most_common()],
        "reused": tally.reused,
        "wrong_share": tally.wrong_share,
        "wrong_share_interval": [low, high],
        "avoidable_share": tally.avoidable_share,
    }
