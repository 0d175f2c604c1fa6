"""Reuse in figures: what every level was asked, what it said and why, what became of it, and what it saved.

One row for each look-up; one for each run that asks for reuse, which has its namespace; one for each judgement of a
reused answer, and for each tuning of the cache. What is told of an answer later (how a program did, what an answer of
the cache had cost, how a comparison went) is added to the row of its look-up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Double, Index, MetaData, Table, Text, select
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.kernel.reuse import MISSES
from projections import cells
from projections.facts import Fact
from projections.paging import rows_of
from projections.projection import Row, Selector, Share, SharedRows

RUN: Final = "run"
LOOKUP: Final = "lookup"
JUDGEMENT: Final = "judgement"
TUNING: Final = "tuning"

COMPARED: Final = frozenset({"shadow", "explore"})
"""Outcomes after which the model is asked all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReuseRow:
    """One look-up, one run that asks for reuse, one judgement, or one tuning."""

    tenant: str
    id: str
    kind: str
    """lookup, run, judgement or tuning."""
    run: str
    """Empty for a tuning."""
    version: int
    """Version of the event within its stream."""
    at: datetime
    namespace: str
    level: str | None
    """L1 to L4; None in the row of a run."""
    outcome: str | None
    """Of a look-up: hit, miss, explore or shadow. Of a judgement: right or wrong. Of a tuning: ttl or size."""
    reason: str
    reason_class: str
    """What the reason has in common with others of its kind, to count by: of a miss with a code what that says."""
    code: str | None
    """Of a miss: which reason of the closed set it is (``domain/kernel/reuse``); None in what is older than these."""
    effect: str | None
    """Key of the effect that was to be answered; None where it was the whole run."""
    entry: str | None
    """Id of the entry or program that was found."""
    score: float | None
    tier: str | None
    duration: float | None
    """Seconds that the look-up took."""
    tokens: int
    """Saved by this hit, as are ``usd`` and ``seconds``."""
    usd: float
    seconds: float
    settled: str | None
    """What became of a reused program (succeeded, failed, refuted, revoked), or of a comparison (agreed, differed)."""
    settled_because: str | None
    judge: str | None
    source: str | None
    """Of a judgement: exploration or feedback."""
    explored: bool
    """Whether the model was asked all the same, to compare."""
    stands_for: int
    """Of a judgement: how many proposals it speaks for, where only one in so many is judged."""


TABLE: Final = Table(
    "reuse",
    MetaData(),
    Column("tenant", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("run", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("namespace", Text, nullable=False),
    Column("level", Text),
    Column("outcome", Text),
    Column("reason", Text, nullable=False),
    Column("reason_class", Text, nullable=False),
    Column("code", Text),
    Column("effect", Text),
    Column("entry", Text),
    Column("score", Double),
    Column("tier", Text),
    Column("duration", Double),
    Column("tokens", BigInteger, nullable=False),
    Column("usd", Double, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("settled", Text),
    Column("settled_because", Text),
    Column("judge", Text),
    Column("source", Text),
    Column("explored", Boolean, nullable=False),
    Column("stands_for", BigInteger, nullable=False),
)
Index(None, TABLE.c.tenant, TABLE.c.run)
Index(None, TABLE.c.tenant, TABLE.c.at)
Index(None, TABLE.c.tenant, TABLE.c.entry)


def _row(fact: Fact, name: str, kind: str, run: str, namespace: str) -> Row:
    return {
        "tenant": fact.tenant, "id": name, "kind": kind, "run": run, "version": fact.version, "at": fact.at,
        "namespace": namespace, "level": None, "outcome": None, "reason": "", "reason_class": "", "code": None,
        "effect": None, "entry": None, "score": None, "tier": None, "duration": None,
        "tokens": 0, "usd": 0.0, "seconds": 0.0,
        "settled": None, "settled_because": None, "judge": None, "source": None, "explored": False,
        "stands_for": 1,
    }  # fmt: skip


def _asks(_: Sequence[Row], fact: Fact) -> Iterable[Row]:
    """A run that asks for reuse; others have no row, so that reuse costs nothing where it is not used."""
    choice = fact.data["task"]["cache"]
    if choice["levels"]:
        yield _row(fact, fact.stream, RUN, fact.stream, cells.text(choice["namespace"])) | {
            "reason": cells.text(" ".join(map(str, choice["levels"])))
        }


def _run_of_lookups(fact: Fact) -> Sequence[Selector]:
    return [("id", fact.stream)] if fact.data.get("lookups") else ()


def _looked_up(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    namespace = rows[0]["namespace"] if rows else ""
    for number, lookup in enumerate(fact.data.get("lookups", ())):
        reason = cells.text(lookup["reason"], cells.PARAGRAPH)
        score, code = lookup.get("score"), cells.optional_text(lookup.get("code"))
        yield (
            _row(fact, f"{fact.stream}/{fact.version}/{number}", LOOKUP, fact.stream, namespace)
            | {
                "level": cells.text(lookup["level"]),
                "outcome": cells.text(lookup["outcome"]),
                "reason": reason,
                "reason_class": MISSES.get(code or "") or reason_class(reason),
                "code": code if code in MISSES else None,
                "effect": cells.optional_text(fact.data.get("effect")),
                "entry": cells.optional_text(lookup.get("entry")),
                "score": None if score is None else cells.number(score),
                "tier": cells.optional_text(lookup.get("tier")),
                "duration": cells.number(lookup.get("duration", 0.0)),
                "explored": lookup["outcome"] in COMPARED,
            }
            | _saved_at_once(lookup, fact)
        )


def _saved_at_once(lookup: Mapping[str, Any], fact: Fact) -> Row:
    """What a tool's answer had cost: its event has both the look-up and that."""
    saved = fact.data.get("saved")
    is_given_again = lookup["outcome"] == "hit" and fact.data.get("source") == "cache"
    return _saved(saved) if saved and is_given_again else {}


_ID: Final = re.compile(r"\b(?:sha256:)?[0-9a-f]{8}[0-9a-f-]{24,}\b")
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_PATH: Final = re.compile(r"(?<!\S)/\S*")
_NUMBER: Final = re.compile(r"\d[\d.,]*")


def reason_class(reason: str) -> str:
    """What a reason without a code has in common with others: its first clause, without names, ids and numbers."""
    text = _PATH.sub("…", _ID.sub("…", _QUOTED.sub("…", cells.one_line(reason))))
    text = text.removeprefix("…: ").partition(": ")[0].partition("; ")[0].partition(" (")[0]
    return cells.text(_NUMBER.sub("#", text).strip(), 80)


def _rows_of_run(fact: Fact) -> Sequence[Selector]:
    return [("run", fact.stream)]


def _rows_where_cached(fact: Fact) -> Sequence[Selector]:
    return [("run", fact.stream)] if fact.data.get("source") == "cache" else ()


def _saved(saved: Mapping[str, Any]) -> Row:
    return {
        "tokens": cells.whole(saved["tokens"]),
        "usd": cells.number(saved["usd"]),
        "seconds": cells.number(saved["seconds"]),
    }


def _answered(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    """An answer that was not paid for: what it had cost is what its hit saved."""
    effect = cells.text(fact.data["effect"])
    hit = _last(row for row in rows if row["outcome"] == "hit" and row["effect"] == effect)
    if hit is not None:
        yield {**hit, **_saved(fact.data["saved"])}


def _settled(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    """How a reused program, or an answer to a question of the same meaning, did."""
    hit = _last(row for row in rows if row["outcome"] == "hit" and _of_entry(row, fact))
    if hit is not None:
        yield {**hit, **_saved(fact.data["saved"]), **_settlement(fact.data["outcome"], fact)}


def _compared(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    """How a program that would have answered did beside the model's."""
    lookup = _last(row for row in rows if row["explored"] and _of_entry(row, fact))
    if lookup is not None:
        agreed = fact.data["agreed"]
        words = "not comparable" if agreed is None else "agreed" if agreed else "differed"
        yield {**lookup, **_settlement(words, fact)}


def _of_entry(row: Row, fact: Fact) -> bool:
    level = cells.text(fact.data.get("level", "L4"))
    return bool(row["level"] == level and row["entry"] == cells.text(fact.data["entry"]))


def _settlement(outcome: str, fact: Fact) -> Row:
    return {"settled": cells.text(outcome), "settled_because": cells.text(fact.data["reason"], cells.PARAGRAPH)}


def _last(rows: Iterable[Row]) -> Row | None:
    return max(rows, key=lambda row: (row["version"], row["id"]), default=None)


def _judged(_: Sequence[Row], fact: Fact) -> Iterable[Row]:
    data = fact.data
    yield _row(
        fact, f"{fact.stream}/{fact.version}", JUDGEMENT, cells.text(data["run"]), cells.text(data["namespace"])
    ) | {
        "level": cells.text(data["level"]),
        "outcome": "right" if data["correct"] else "wrong",
        "entry": cells.text(data["entry"]),
        "score": cells.number(data["score"]),
        "judge": cells.text(data["judge"]),
        "source": cells.text(data["source"]),
        "stands_for": cells.whole(data.get("stands_for", 1)),
    }


def _tuned(_: Sequence[Row], fact: Fact) -> Iterable[Row]:
    data = fact.data
    change = f"{data['kind'] or 'every kind'}: from {cells.number(data['before']):g} to {cells.number(data['after']):g}"
    yield _row(fact, f"{fact.stream}/{fact.version}", TUNING, "", cells.text(data["namespace"])) | {
        "outcome": cells.text(data["setting"]),
        "reason": cells.text(f"{change}: {data['reason']}", cells.PARAGRAPH),
    }


def _nothing(_: Fact) -> Sequence[Selector]:
    return ()


REUSE: Final = SharedRows(
    name="reuse",
    version=2,
    table=TABLE,
    appliers={
        "precedent.run.RunSubmitted.v1": Share(_nothing, _asks),
        "precedent.run.RunRouted.v1": Share(_run_of_lookups, _looked_up),
        "precedent.run.ModelCallRequested.v1": Share(_run_of_lookups, _looked_up),
        "precedent.run.ToolCallCompleted.v1": Share(_run_of_lookups, _looked_up),
        "precedent.run.ToolCallFailed.v1": Share(_run_of_lookups, _looked_up),
        "precedent.run.ModelCallAnswered.v1": Share(_rows_where_cached, _answered),
        "precedent.run.ReuseSettled.v1": Share(_rows_of_run, _settled),
        "precedent.run.ShadowCompared.v1": Share(_rows_of_run, _compared),
        "precedent.cache.ReuseJudged.v1": Share(_nothing, _judged),
        "precedent.cache.CacheTuned.v1": Share(_nothing, _tuned),
    },
)


async def uses_of_entry(connection: AsyncConnection, tenant: str, entry: str, *, limit: int = 10) -> Sequence[ReuseRow]:
    """Look-ups that came to an entry or a program, the latest first."""
    query = (
        select(TABLE)
        .where(TABLE.c.tenant == tenant, TABLE.c.entry == entry, TABLE.c.kind == LOOKUP)
        .order_by(TABLE.c.at.desc(), TABLE.c.id)
        .limit(limit)
    )
    return await rows_of(connection, query, ReuseRow)


async def lookups_of_run(
    connection: AsyncConnection, tenant: str, run: str, *, limit: int = 1000
) -> Sequence[ReuseRow]:
    """What the levels of reuse said in a run, in order."""
    query = (
        select(TABLE)
        .where(TABLE.c.tenant == tenant, TABLE.c.run == run, TABLE.c.kind == LOOKUP)
        .order_by(TABLE.c.version, TABLE.c.id)
        .limit(limit)
    )
    return await rows_of(connection, query, ReuseRow)
