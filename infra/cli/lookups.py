"""What the levels of reuse said in a run: which one answered, and why the others did not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from infra.cli.output import short
from infra.cli.timeline import seconds
from projections.reuse import ReuseRow

STYLES: Final = {"hit": "green", "explore": "yellow", "shadow": "yellow"}
SHOWN_OF_ID: Final = 16
"""Characters of an id on the screen; --json has all."""

_SHOWN: Final = (
    "level", "outcome", "reason", "code", "effect", "entry", "score", "tier", "duration", "settled", "settled_because",
    "tokens", "usd", "seconds",
)  # fmt: skip


def lookup_document(lookup: ReuseRow) -> dict[str, Any]:
    """One look-up as JSON; ``tokens``, ``usd`` and ``seconds`` are what it saved."""
    return {name: getattr(lookup, name) for name in _SHOWN}


def reused_in_words(lookups: Sequence[ReuseRow]) -> str:
    """What answered in place of a model or a tool; empty where nothing did."""
    hits = [lookup for lookup in lookups if lookup.outcome == "hit"]
    programs = [f"program {hit.entry} answered{_how(hit)}" for hit in hits if hit.level == "L4"]
    cached = [f"{hit.level} entry {_cut(hit.entry)} answered effect {hit.effect}" for hit in hits if hit.effect]
    return "; ".join([*programs, *cached])


def _how(hit: ReuseRow) -> str:
    return f", and {hit.settled}" if hit.settled else ""


def lookup_table(lookups: Sequence[ReuseRow]) -> Table:
    """Every look-up of a run, in order."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("level", "said", "effect", "entry", "similarity", "from", "took"):
        table.add_column(name, no_wrap=True, justify="right" if name in ("similarity", "took") else "left")
    table.add_column("because", ratio=1)
    for each in lookups:
        table.add_row(
            each.level,
            Text(each.outcome or "", STYLES.get(each.outcome or "", "dim")),
            each.effect or "",
            _cut(each.entry),
            "" if each.score is None else f"{each.score:.4f}",
            each.tier or "",
            "" if each.duration is None else seconds(each.duration),
            Text(_because(each)),
        )
    return table


def _because(lookup: ReuseRow) -> str:
    settled = f"; {lookup.settled}: {lookup.settled_because}" if lookup.settled else ""
    return short(f"{lookup.reason}{settled}")


def _cut(entry: str | None) -> str:
    return "" if entry is None else entry if len(entry) <= SHOWN_OF_ID else f"{entry[:SHOWN_OF_ID]}…"
