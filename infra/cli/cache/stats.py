"""``cache stats``: how often each level answered, why it did not, what was wrong, and what was saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, get_args

import click
from rich.console import RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from domain.runs.parts import Level
from infra.cli.exits import DONE
from infra.cli.invocation import Invocation, WholeNumber, complete, examples, invoked
from infra.cli.moments import moment_of
from infra.cli.output import short
from infra.cli.session import session
from infra.cli.timeline import seconds
from projections.hit_rates import (
    Grouping,
    HitRate,
    Judged,
    MissReason,
    Period,
    hit_rates,
    judgements,
    miss_reasons,
    tunings,
)
from projections.reuse import ReuseRow

GROUPINGS: Final = get_args(Grouping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is asked of a period."""

    by: Grouping
    groups: Sequence[HitRate]
    misses: Sequence[MissReason]
    judged: Sequence[Judged]
    tuned: Sequence[ReuseRow]


@click.command(
    short_help="Show hit rates, savings, and the reasons of misses.",
    epilog=examples(
        "precedent cache stats",
        "precedent cache stats --since 7d --by namespace",
        "precedent cache stats --level L4 --by module --json",
    ),
)
@click.option("--since", metavar="TIME", help="From this time on, or so long ago: 12h, 7d, 2026-11-21.")
@click.option("--until", metavar="TIME", help="Up to this time, which is not counted any more.")
@click.option("--namespace", metavar="NAME", help="Of this cache namespace only.")
@click.option("--level", type=click.Choice(get_args(Level)), help="Of this level only.")
@click.option(
    "--by", type=click.Choice(GROUPINGS), default="level", show_default=True, help="What the figures are told apart by."
)
@click.option(
    "--limit", type=WholeNumber(1, 1_000), metavar="N", default=20, show_default=True, help="At most so many lines."
)
@invoked
def stats(
    cli: Invocation,
    since: str | None,
    until: str | None,
    namespace: str | None,
    level: str | None,
    by: Grouping,
    limit: int,
) -> int:
    """Show hit rates and savings, the reasons of misses, and how reused answers were judged.

    A hit answered in place of a model or a tool. A comparison would have been a hit: the model was asked all the same,
    and the two were compared. Savings are what the answers had cost when they were made; those of a program count once
    its output was accepted.
    """
    now = datetime.now(UTC)
    period = Period(
        since=None if since is None else moment_of(since, now, "--since"),
        until=None if until is None else moment_of(until, now, "--until"),
        namespace=namespace,
        level=level,
    )
    return complete(_stats(cli, by, period, limit))


async def _stats(cli: Invocation, by: Grouping, period: Period, limit: int) -> int:
    async with session(cli, services=False) as connected:
        await connected.read_up_to(await connected.store.end())
        tenant = connected.settings.tenant
        async with connected.database.transaction() as transaction:
            figures = Figures(
                by=by,
                groups=await hit_rates(transaction, tenant, by, period, limit),
                misses=await miss_reasons(transaction, tenant, period, limit),
                judged=await judgements(transaction, tenant, period),
                tuned=await tunings(transaction, tenant, period, limit),
            )
    cli.output.document(_document(figures))
    cli.output.show(*_rendered(figures, cli.output.screen.width))
    return DONE


def _document(figures: Figures) -> dict[str, Any]:
    return {
        "by": figures.by,
        "groups": [{**asdict(each), "hit_rate": each.rate} for each in figures.groups],
        "misses": [asdict(each) for each in figures.misses],
        "judged": [asdict(each) for each in figures.judged],
        "tuned": [
            {"at": each.at, "namespace": each.namespace, "setting": each.outcome, "change": each.reason}
            for each in figures.tuned
        ],
    }


def _rendered(figures: Figures, width: int) -> list[RenderableType]:
    if not figures.groups and not figures.judged:
        return [Text("no look-ups; tasks ask for reuse with `cache: {levels: [L2, L4]}`")]
    parts: list[RenderableType] = [_rates(figures, width)]
    if figures.misses:
        parts += [Rule("why levels did not answer", align="left", style="dim"), _misses(figures.misses)]
    if figures.judged:
        parts += [Rule("answers that were judged", align="left", style="dim"), _judged(figures.judged)]
    if figures.tuned:
        parts += [Rule("tunings", align="left", style="dim"), _tuned(figures.tuned)]
    return parts


WIDE: Final = 104
"""Columns from which on all figures fit; on narrower screens those of latency are left out."""

_COUNTED: Final = ("asked", "hits", "rate", "compared", "refuted")
_LATENCIES: Final = ("p50", "p99")
_SAVED: Final = ("tokens saved", "USD saved", "time saved")


def _rates(figures: Figures, width: int) -> Table:
    latencies = _LATENCIES if width >= WIDE else ()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(figures.by, overflow="fold")
    for name in (*_COUNTED, *latencies):
        table.add_column(name, justify="right", no_wrap=True)
    for name in _SAVED:
        table.add_column(name, justify="right")
    for each in figures.groups:
        table.add_row(
            short(each.group) or "-",
            f"{each.asked:,}",
            f"{each.hits:,}",
            f"{each.rate:.1%}",
            f"{each.compared:,}",
            f"{each.refuted:,}",
            *(
                ["-" if took is None else seconds(took) for took in (each.seconds_p50, each.seconds_p99)]
                if latencies
                else []
            ),
            f"{each.saved_tokens:,}",
            f"{each.saved_usd:.4f}",
            seconds(each.saved_seconds),
        )
    return table


def _misses(misses: Sequence[MissReason]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("level", no_wrap=True)
    table.add_column("times", justify="right", no_wrap=True)
    table.add_column("because")
    for each in misses:
        table.add_row(each.level, f"{each.count:,}", Text(each.example if each.count == 1 else each.reason_class))
    return table


def _judged(judged: Sequence[Judged]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("namespace", "level", "heard by"):
        table.add_column(name, no_wrap=True)
    for name in ("right", "wrong"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in judged:
        table.add_row(each.namespace, each.level, each.source, f"{each.right:,}", f"{each.wrong:,}")
    return table


def _tuned(tuned: Sequence[ReuseRow]) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in tuned:
        table.add_row(f"{each.at:%Y-%m-%d %H:%M:%S}", each.namespace, each.outcome, Text(each.reason))
    return table
