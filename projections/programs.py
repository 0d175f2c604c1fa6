"""The metadata index of programs: one row an entry, with what it is, how far it is trusted, and how it did.

What may run is never decided by these rows (``commands/programs/retrieving.py`` reads the log). They are for people,
and for questions that need every program at once.

A row is told by the program's own stream, by the stream of its module (a revocation is of every entry of the module),
and by the runs that used it. These may be on different shards, whose events arrive in any order: counts add up, a
revocation stays, and a use that is heard of first makes a row that waits for its program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import orjson

from domain.kernel.embedding import Embedding, EmbeddingInvalid
from domain.kernel.values import ValueNotDecodable, bytes_of_text, digest_bytes
from domain.programs.events import module_stream
from domain.programs.state import Status
from projections import cells
from projections.facts import Fact
from projections.program_rows import MODULE, PROGRAM, REFUSED, TABLE
from projections.projection import Row, Selector, Share, SharedRows

Change: TypeAlias = Callable[[Row, Fact], Row]
"""What an event changes in a program's row."""


def _blank(fact: Fact, name: str, kind: str = PROGRAM) -> Row:
    """A row of which nothing is known yet but that something happened."""
    return {
        "tenant": fact.tenant, "id": name, "kind": kind, "namespace": "", "goal": "",
        "semantic_embedding": None, "embedder": None, "interface_hash": "", "module": "", "storage_pointer": None,
        "validation_status": Status.UNKNOWN.value, "reason": "", "signature": None, "signed_by": None, "effects": [],
        "plan": None, "evidence": None, "policy": None, "proofs": 0, "run": None,
        "creation_timestamp": fact.at, "last_used_timestamp": None, "updated_at": fact.at,
        "uses": 0, "successes": 0, "failures": 0, "refutations": 0, "agreements": 0, "disagreements": 0,
        "superseded_by": None, "saved_tokens": 0, "saved_usd": 0.0, "saved_seconds": 0.0,
    }  # fmt: skip


def _own(change: Change) -> Share:
    """An event of the program's own stream, and what is known of its module's withdrawal."""

    def about(fact: Fact) -> Sequence[Selector]:
        module = _offer(fact).get("module")
        return [("id", fact.stream)] + ([("id", module_stream(cells.text(module)))] if module is not None else [])

    def changed(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
        known = {row["id"]: row for row in rows}
        row = known.get(fact.stream) or _blank(fact, fact.stream)
        row = {**row, **change(row, fact), "updated_at": max(row["updated_at"], fact.at)}
        withdrawn = next((other for other in rows if other["kind"] == MODULE), None)
        if withdrawn is not None:
            row |= _revoked(withdrawn["reason"])
        elif known.get(fact.stream, row)["validation_status"] == Status.REVOKED:
            row |= _revoked(known[fact.stream]["reason"])
        return [row]

    return Share(about, changed)


def _used(change: Change) -> Share:
    """An event of a run that tells something of a program."""

    def about(fact: Fact) -> Sequence[Selector]:
        return [("id", cells.text(fact.data["entry"]))] if _is_of_program(fact) else ()

    def changed(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
        if not _is_of_program(fact):
            return []
        row = rows[0] if rows else _blank(fact, cells.text(fact.data["entry"]))
        return [{**row, **change(row, fact), "updated_at": max(row["updated_at"], fact.at)}]

    return Share(about, changed)


def _is_of_program(fact: Fact) -> bool:
    """Answers of other levels are settled likewise; their entries are no programs."""
    return bool(fact.data.get("level", "L4") == "L4")


def _about_module(fact: Fact) -> Sequence[Selector]:
    return [("id", fact.stream), ("module", cells.text(fact.data["module"]))]


def _withdraw(rows: Sequence[Row], fact: Fact) -> Iterable[Row]:
    reason = cells.text(fact.data["reason"], cells.PARAGRAPH)
    module = next((row for row in rows if row["kind"] == MODULE), None) or _blank(fact, fact.stream, MODULE)
    module = {**module, "module": cells.text(fact.data["module"])}
    for row in (module, *(row for row in rows if row["kind"] == PROGRAM)):
        yield {**row, **_revoked(reason), "updated_at": max(row["updated_at"], fact.at)}


def _revoked(reason: str) -> Row:
    return {"validation_status": Status.REVOKED.value, "reason": reason}


def _offer(fact: Fact) -> Mapping[str, Any]:
    """What is offered; of a refusal, the event itself has the few fields that there are."""
    offer: Mapping[str, Any] = fact.data.get("offer", fact.data)
    return offer


def _described(fact: Fact) -> Row:
    offer = _offer(fact)
    return {
        "namespace": cells.text(offer["namespace"]),
        "goal": cells.one_line(offer["goal"]),
        "interface_hash": cells.text(offer["interface"]),
        "module": cells.text(offer["module"]),
        "creation_timestamp": fact.at,
    }


_EFFECT: Final = ("name", "version", "mode")


def _offered(fact: Fact) -> Row:
    offer = _offer(fact)
    meaning = offer["meaning"]
    return {
        **_described(fact),
        "semantic_embedding": _components(meaning),
        "embedder": cells.text(meaning["embedder"]),
        "effects": [{part: cells.text(each[part]) for part in _EFFECT} for each in offer["effects"]],
        "plan": digest_bytes(offer["plan"].encode()),
    }


def _components(meaning: Mapping[str, Any]) -> list[float] | None:
    """The point as numbers; None for what is none, which nobody can be near to."""
    try:
        return list(Embedding(meaning["embedder"], bytes_of_text(meaning["vector"])).checked().components())
    except (EmbeddingInvalid, ValueNotDecodable, ValueError, OverflowError):
        return None


def _published(_: Row, fact: Fact) -> Row:
    signed_by, signature = _signature(fact.data["envelope"])
    proofs = fact.data["proofs"]
    return {
        **_offered(fact),
        "validation_status": Status.VERIFIED.value,
        "reason": "",
        "storage_pointer": cells.text(fact.data["offer"]["module"]),
        "signature": signature,
        "signed_by": signed_by,
        "evidence": cells.text(fact.data["evidence"]),
        "policy": cells.text(fact.data["policy"]),
        "proofs": len(proofs),
        "run": cells.text(proofs[0]["run"]) if proofs else None,
    }


def _signature(envelope: str) -> tuple[str | None, str | None]:
    """Key id and signature, as they stand in the envelope; nothing is verified here."""
    try:
        first = orjson.loads(envelope)["signatures"][0]
        return cells.text(first["keyid"]), cells.text(first["sig"])
    except (ValueError, KeyError, IndexError, TypeError):
        return None, None


def _proposed(_: Row, fact: Fact) -> Row:
    return {
        **_offered(fact),
        "validation_status": Status.CANDIDATE.value,
        "reason": cells.text(fact.data["lacks"], cells.PARAGRAPH),
        **dict.fromkeys(("signature", "signed_by", "evidence", "policy")),
        "proofs": 1,
        "run": cells.text(fact.data["proof"]["run"]),
    }


def _refused(_: Row, fact: Fact) -> Row:
    return {
        **_described(fact),
        "validation_status": REFUSED,
        "reason": cells.text(fact.data["reason"], cells.PARAGRAPH),
        "run": cells.text(fact.data["run"]),
    }


def _withdrawn(status: Status) -> Change:
    def change(_: Row, fact: Fact) -> Row:
        by = fact.data.get("by")
        reason = cells.text(fact.data["reason"], cells.PARAGRAPH)
        return {"validation_status": status.value, "reason": reason} | ({"superseded_by": cells.text(by)} if by else {})

    return change


def _reinstated(row: Row, _: Fact) -> Row:
    """As it was published: what was never published has no signature, and stays what it was."""
    return {} if row["signature"] is None else {"validation_status": Status.VERIFIED.value, "reason": ""}


_COUNTED: Final[Mapping[str, str]] = {"succeeded": "successes", "failed": "failures", "refuted": "refutations"}


def _settled(row: Row, fact: Fact) -> Row:
    saved = fact.data["saved"]
    counted = _COUNTED.get(fact.data["outcome"])
    return {
        "saved_tokens": cells.whole(row["saved_tokens"] + cells.whole(saved["tokens"])),
        "saved_usd": cells.number(row["saved_usd"] + cells.number(saved["usd"])),
        "saved_seconds": cells.number(row["saved_seconds"] + cells.number(saved["seconds"])),
    } | ({counted: row[counted] + 1} if counted else {})


def _compared(row: Row, fact: Fact) -> Row:
    agreed = fact.data["agreed"]
    counted = {True: "agreements", False: "disagreements"}.get(agreed) if agreed is not None else None
    return {counted: row[counted] + 1} if counted else {}


def _reused(row: Row, fact: Fact) -> Row:
    last = row["last_used_timestamp"]
    return {"uses": row["uses"] + 1, "last_used_timestamp": fact.at if last is None else max(last, fact.at)}


PROGRAMS: Final = SharedRows(
    name="programs",
    version=1,
    table=TABLE,
    appliers={
        "precedent.program.ProgramProposed.v1": _own(_proposed),
        "precedent.program.ProgramProven.v1": _own(lambda row, _: {"proofs": row["proofs"] + 1}),
        "precedent.program.ProgramPublished.v1": _own(_published),
        "precedent.program.ProgramRefused.v1": _own(_refused),
        "precedent.program.ProgramDemoted.v1": _own(_withdrawn(Status.DEMOTED)),
        "precedent.program.ProgramContradicted.v1": _own(lambda row, _: {"updated_at": row["updated_at"]}),
        "precedent.program.ProgramReinstated.v1": _own(_reinstated),
        "precedent.program.ProgramSuperseded.v1": _own(_withdrawn(Status.SUPERSEDED)),
        "precedent.program.ProgramRevoked.v1": Share(_about_module, _withdraw),
        "precedent.run.ProgramReused.v1": _used(_reused),
        "precedent.run.ReuseSettled.v1": _used(_settled),
        "precedent.run.ShadowCompared.v1": _used(_compared),
    },
)
