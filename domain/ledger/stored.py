"""What the log holds of one event, and the rules that hold between its parts, whatever the ledger says.

1. The subject is an event's address, and the body a CloudEvent that says the same: stream, version, type.
2. Every header follows from the event: its id, its content type, the head that it was appended to, and where it stood
   in a batch. So nothing can be hidden in a header, although the tree does not cover headers.
3. Within a stream versions are 1, 2, 3, …, and the expected head is the event before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import CONTENT_TYPE
from domain.kernel.ids import Position

_ADDRESS: Final = re.compile(
    r"evt\.([0-9]{1,9})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})"
    r"\.([1-9][0-9]{0,17})\.([A-Za-z0-9_-]{1,64})\Z"
)
_BEGINNING: Final = b'{"specversion":"1.0","id":"'
_HEAD: Final = "Nats-Expected-Last-Subject-Sequence"
_FILTER: Final = f"{_HEAD}-Subject"
_BATCH_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")


class Stored(NamedTuple):
    """One message of the log as it lies there."""

    position: Position
    subject: str
    headers: bytes
    """As stored: ``NATS/1.0`` and lines, or empty where there are none."""
    body: bytes

    @property
    def identity(self) -> str:
        """The event's id, read from its body. Raises ``StoredDataInvalid``."""
        if self.body.startswith(_BEGINNING):  # as our own writers spell it: several times as fast
            return self.body[len(_BEGINNING) : self.body.index(b'"', len(_BEGINNING))].decode()
        try:
            return str(orjson.loads(self.body)["id"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise StoredDataInvalid(f"what lies at {self.position} ({self.subject}) is no event") from None


class Rules:
    """The rules above, along one shard from its first event on."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[int, int]] = {}
        """Stream's filter to version and sequence of its last event."""
        self._batch: tuple[str, int] = ("", 0)
        """Name of the batch that the last event was in, and its number there."""
        self._in_batch: set[str] = set()
        """Streams that already had an event in it: only the first one names the head."""

    @staticmethod
    def of_one(event: Stored) -> tuple[str, list[str]]:
        """Rule 1: give the event's id, and what is wrong with it by itself."""
        found = _ADDRESS.match(event.subject)
        if found is None:
            return "", [f"the subject {event.subject[:200]!r} is no address of an event"]
        shard, tenant, category, stream, version, name = found.groups()
        try:
            document = orjson.loads(event.body)
            identity = document["id"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return "", ["the body is no event"]
        if (
            document.get("source") == f"/{tenant}/{category}/{stream}"
            and document.get("sequence") == version
            and document.get("subject") == stream
            and _short_name(document.get("type")) == name
            and int(shard) == event.position.shard
            and isinstance(identity, str)
        ):
            return identity, []
        return str(identity), [f"the body says {_said(document)}, the subject {event.subject}"]

    def check(self, event: Stored) -> tuple[str, list[str]]:
        """Give the event's id, and what is wrong with it, also among the events before it."""
        identity, problems = self.of_one(event)
        if not identity:
            return identity, problems
        _, shard, tenant, category, stream, version, _ = event.subject.split(".")
        stream_filter = f"evt.{shard}.{tenant}.{category}.{stream}.>"
        last_version, last_sequence = self._heads.get(stream_filter, (0, 0))
        if int(version) != last_version + 1:
            problems.append(f"version {version} of its stream follows version {last_version}")
        problems.extend(self._headers(event.headers, identity, stream_filter, last_sequence))
        self._heads[stream_filter] = int(version), event.position.sequence
        return identity, problems

    def _headers(self, headers: bytes, identity: str, stream_filter: str, last: int) -> Iterator[str]:
        common = f"Nats-Msg-Id: {identity}\r\ncontent-type: {CONTENT_TYPE}\r\n"
        expected = f"NATS/1.0\r\n{_HEAD}: {last}\r\n{_FILTER}: {stream_filter}\r\n{common}\r\n"
        if headers == expected.encode():  # what nearly every event has
            self._leave_batch()
            return
        found, problem = _lines(headers)
        if problem:
            yield problem
            return
        wanted = {"Nats-Msg-Id": identity, "content-type": CONTENT_TYPE}
        wanted |= self._batch_headers(found)
        if stream_filter not in self._in_batch:
            wanted |= {_HEAD: str(last), _FILTER: stream_filter}
        self._in_batch.add(stream_filter)
        if "Nats-Batch-Commit" in found or not self._batch[0]:
            self._leave_batch()
        for name, value in found.items():
            if name not in wanted:
                yield f"the header {name[:80]!r} was added: no event has it"
            elif wanted[name] != value:
                yield f"the header {name} is {value[:120]!r}, not {wanted[name]!r}"
        for name in wanted.keys() - found.keys():
            yield f"the header {name} is missing"

    def _batch_headers(self, found: dict[str, str]) -> dict[str, str]:
        """Give the headers of a batch that may stand here: members are numbered from 1 and follow one another."""
        identity = found.get("Nats-Batch-Id", "")
        if not identity or identity != self._batch[0]:
            self._leave_batch()
        if not identity:
            return {}
        number = self._batch[1] + 1
        self._batch = identity, number
        return {
            "Nats-Batch-Id": identity if _BATCH_ID.match(identity) else "a name",
            "Nats-Batch-Sequence": str(number),
            **({"Nats-Batch-Commit": "1"} if "Nats-Batch-Commit" in found else {}),
        }

    def _leave_batch(self) -> None:
        self._batch = "", 0
        self._in_batch.clear()


def _lines(headers: bytes) -> tuple[dict[str, str], str]:
    """Header lines as names and values; else what is wrong with them."""
    try:
        lines = headers.decode().split("\r\n")
    except UnicodeDecodeError:
        return {}, "the headers are no text"
    if lines[0] != "NATS/1.0" or lines[-2:] != ["", ""]:
        return {}, "the headers are missing" if not headers else "the headers are not as the broker writes them"
    found: dict[str, str] = {}
    for line in lines[1:-2]:
        name, colon, value = line.partition(": ")
        if not colon or name in found:
            return {}, f"the header line {line[:120]!r} is " + ("there twice" if colon else "no header")
        found[name] = value
    return found, ""


def _short_name(kind: Any) -> str:
    parts = kind.split(".") if isinstance(kind, str) else []
    return parts[-2] if len(parts) >= 2 else ""


def _said(document: dict[str, Any]) -> str:
    return ", ".join(f"{name} {document.get(name)!r:.100}" for name in ("source", "sequence", "type"))
