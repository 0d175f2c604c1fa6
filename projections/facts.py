"""Events as projections see them: read once from the stored bytes, for all projections of a runner."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Any, Final, NamedTuple

from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Recorded
from domain.kernel.ids import Position
from domain.kernel.upcasts import UPCASTS
from domain.kernel.values import parse_time

SHOWN_NUL: Final = "\N{SYMBOL FOR NULL}"
"""Stands for U+0000 in rows, because PostgreSQL's text cannot hold it. The log keeps the original."""


class Fact(NamedTuple):
    """One event, decoded. ``data`` is JSON in the shape of ``type``, the newest one that upcasts lead to."""

    position: Position
    tenant: str
    stream: str
    version: int
    """Place within its stream, from 1."""
    type: str
    event: str
    """Short name: the type without prefix and version."""
    id: str
    at: datetime
    actor: str
    data: dict[str, Any]


def read_fact(event: Recorded, types: Container[str]) -> Fact | None:
    """Decode an event whose type is among ``types``; None for others. Raises ``StoredDataInvalid``."""
    document = event.document
    kind, data = UPCASTS.apply(document["type"], event.data)
    if kind not in types:
        return None
    if event.resolved is not None or b"\\u0000" in event.body:
        document, data = _without_nul(document), _without_nul(data)
    _, _, tenant, _, stream, version, short_name = event.address.split(".")
    try:
        return Fact(
            event.position,
            tenant,
            stream,
            int(version),
            kind,
            short_name,
            document["id"],
            parse_time(document["time"]),
            document["actor"],
            data,  # type: ignore[arg-type]  # JSON objects are dicts
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StoredDataInvalid(f"event at {event.position} ({event.address}) lacks a part: {error!r}") from error


def _without_nul(tree: Any) -> Any:
    if isinstance(tree, str):
        return tree.replace("\0", SHOWN_NUL)
    if isinstance(tree, list):
        return [_without_nul(item) for item in tree]
    if isinstance(tree, dict):
        return {_without_nul(name): _without_nul(item) for name, item in tree.items()}
    return tree
