"""What the benchmark says: one table for people, one document for machines, from the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from rich.table import Table

from infra.bench.semantic.methods import PRODUCT
from infra.bench.semantic.simulation import Part, Result

MOST_WRONG: Final = 0.02
FEWEST_HITS: Final = 0.29
"""Shares that the product's rule must keep on the whole stream, with an embedder by meaning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Results of all methods on one stream."""

    embedder: str
    seed: int
    requests: int
    out_of_scope: int
    whole_stream: bool
    """Whether it was the stream that figures are published for, not a beginning of it."""
    results: Sequence[Result]

    @property
    def passed(self) -> bool:
        """Whether the product's rule kept its bound, and gave enough hits where that is asked."""
        ours = next(result for result in self.results if result.name == PRODUCT)
        by_meaning = not self.embedder.startswith("lexical")
        enough = not (by_meaning and self.whole_stream) or ours.whole.hit_share >= FEWEST_HITS
        return ours.whole.wrong_share <= MOST_WRONG and enough

    def document(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "embedder": self.embedder,
            "seed": self.seed,
            "requests": self.requests,
            "out_of_scope": self.out_of_scope,
            "passed": self.passed,
            "methods": [
                {
                    **asdict(result),
                    "whole": _figures(result.whole),
                    "last_quarter": _figures(result.last_quarter),
                }
                for result in self.results
            ],
        }

    def table(self) -> Table:
        """Everything as a table."""
        title = f"CLINC150: {self.requests:,} requests, {self.out_of_scope:,} out of scope, seed {self.seed}"
        table = Table(title=f"{title}, embedder {self.embedder}")
        table.add_column("rule")
        for column in ("hits", "wrong / hits", "95 %", "last quarter", "model calls", "judged", "µs p50, p99"):
            table.add_column(column, justify="right")
        for result in self.results:
            low, high = result.whole.interval
            table.add_row(
                result.name,
                f"{result.whole.hit_share:.1%}",
                f"{result.whole.wrong_share:.2%}",
                f"{low:.2%} - {high:.2%}",
                f"{result.last_quarter.hit_share:.1%}, {result.last_quarter.wrong_share:.2%}",
                f"{result.model_calls:,}",
                f"{result.judged:,}",
                f"{result.deciding.p50:,.0f}, {result.deciding.p99:,.0f}",
            )
        table.caption = "Precedent bounds wrong / hits to 2 %. Model calls include exploration. µs: CPU of a decision."
        return table


def _figures(part: Part) -> dict[str, Any]:
    low, high = part.interval
    return {
        **asdict(part),
        "hit_share": part.hit_share,
        "wrong_share": part.wrong_share,
        "wrong_share_interval": [low, high],
    }
