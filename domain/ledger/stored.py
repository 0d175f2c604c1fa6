"""What the log holds of one event, and the rules that hold between its parts, whatever the ledger says.

1. The subject is an event's address, and the body a CloudEvent that says the same: stream, version, type.
2. Every header follows from the event: its id, its content type, the head that it was appended to, and where it stood
   in a batch. So nothing can be hidden in a header, although the tree does not cover headers.
3. Within a stream versions are 1, 2, 3, …, and the expected head is the event before.
4. A stream that goes on in a new epoch begins there with ``StreamCarried``, which has the version of its last event and
   says where that lies. The broker had no head of it then. Whatever expects no head may name the epoch's stream of the
   broker, as a guard against a change of epochs meanwhile.
5. Epochs are numbered without gaps, from the one on that the checkpoints name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import orjson

from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import CONTENT_TYPE
from domain.kernel.ids import Position
from domain.ledger.events import StreamCarried

_ADDRESS: Final = re.compile(
    r"evt\.([0-9]{1,9})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})\.([A-Za-z0-9_-]{1,64})"
    r"\.([1-9][0-9]{0,17})\.([A-Za-z0-9_-]{1,64})\Z"
)
_BEGINNING: Final = b'{"specversion":"1.0","id":"'
HEAD: Final = "Nats-Expected-Last-Subject-Sequence"
FILTER: Final = f"{HEAD}-Subject"
EPOCH: Final = "Nats-Expected-Stream"
"""May stand on a message that expects no head: the broker's stream of the epoch that its writer knew."""
_BEFORE_HEAD: Final = f"NATS/1.0\r\n{HEAD}: ".encode()
_AFTER_ID: Final = f"\r\ncontent-type: {CONTENT_TYPE}\r\n\r\n".encode()
_NUMBER: Final = re.compile(r"(?:0|[1-9][0-9]{0,17})\Z")
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


Part: TypeAlias = tuple[str, bytes, bytes]
"""Subject, headers and body of a message whose place follows from those before it."""


def stored_of(first: Position, parts: Iterable[Part]) -> list[Stored]:
    """Messages that follow one another from this place on."""
    make, epoch, shard = tuple.__new__, first.epoch, first.shard
    return [
        make(Stored, (Position(epoch, shard, sequence), *part)) for sequence, part in enumerate(parts, first.sequence)
    ]


class Standing(NamedTuple):
    """How a stream stands at a place of the log."""

    prefix: str
    """What stands before version and name in its subjects."""
    version: int
    sequence: int
    """Of its last message; 0 where the epoch has none."""
    digest: bytes
    """Of its last body, where it is known."""


class _Stream:
    """What the next event of a stream must agree with."""

    __slots__ = ("after_head", "carried", "digest", "epoch", "identity", "sequence", "source", "version")

    def __init__(self, tenant: str, category: str, identity: str, stream_filter: str, epoch: int) -> None:
        self.version = 0
        self.sequence = 0
        """Of its last message; 0 where the epoch has none yet."""
        self.digest = b""
        """Of its last body, where it is known."""
        self.epoch = epoch
        self.carried: tuple[int, str] = 0, ""
        """Sequence of the mark that it was carried over by, and the position that this names."""
        self.source = f"/{tenant}/{category}/{identity}"
        self.identity = identity
        self.after_head = f"\r\n{FILTER}: {stream_filter}\r\nNats-Msg-Id: ".encode()

    def last(self, shard: int) -> str:
        """Where its last event lies."""
        at, position = self.carried
        return position if at == self.sequence else str(Position(self.epoch, shard, self.sequence))


class Rules:
    """The rules above, along one shard from its first event on."""

    def __init__(self, assumed: list[Standing] | None = None, epoch: int | None = None) -> None:
        """``epoch``: the one that the log begins with, where that is known.

        With a list, streams are taken to have stood as their first events say, and that is noted there.
        """
        self._assumed = assumed
        self._next_epoch = epoch
        """The one that comes next, where nothing is missing before it."""
        self.epochs: list[tuple[int, int]] = []
        """First sequence and number of every epoch met."""
        self._epoch = -1
        self._streams: dict[str, _Stream] = {}
        """Those met in this epoch, by what stands before version and name in their subjects."""
        self._earlier: dict[str, _Stream] = {}
        """Those of earlier epochs that did not go on yet."""
        self._kinds: dict[str, str] = {}
        """Types of events that were right once, and their names in subjects."""
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

    def check(self, event: Stored, digest: bytes = b"") -> tuple[str, Sequence[str]]:
        """Give the event's id, and what is wrong with it, also among the events before it.

        ``digest`` is its body's, where it is known: with it, marks that carry streams over are compared too.
        """
        if event.position.epoch != self._epoch:
            return self._in_new_epoch(event, digest)
        if self._assumed is not None:
            self._assume(event, self._assumed)
        identity = self.short(event.position.sequence, event.subject, event.headers, event.body, digest)
        return (identity, ()) if identity is not None else self._check(event, digest)

    def short(self, sequence: int, subject: str, headers: bytes, body: bytes, digest: bytes) -> str | None:
        """Give the id of an event that is right, as nearly all are; None where it takes a closer look (``check``).

        It stands in the epoch of the one before it.
        """
        prefix, _, rest = subject.rpartition(".")
        prefix, _, version = prefix.rpartition(".")
        stream = self._streams.get(prefix)
        if stream is None or version != str(stream.version + 1):
            return None
        try:
            document = orjson.loads(body)
            identity: str = document["id"]
            if (
                self._kinds.get(document["type"]) == rest
                and document["source"] == stream.source
                and document["sequence"] == version
                and document["subject"] == stream.identity
                and headers
                == _BEFORE_HEAD + b"%d%b%b%b" % (stream.sequence, stream.after_head, identity.encode(), _AFTER_ID)
            ):
                stream.version += 1
                stream.sequence = sequence
                stream.digest = digest
                if self._in_batch:
                    self._leave_batch()
                return identity
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            pass
        return None

    def _in_new_epoch(self, event: Stored, digest: bytes) -> tuple[str, Sequence[str]]:
        expected = self._next_epoch
        self._begin_epoch(event.position)
        identity, problems = self.check(event, digest)
        if expected is None or event.position.epoch == expected:
            return identity, problems
        return identity, [*problems, f"it stands in epoch {event.position.epoch}, and epoch {expected} is the next one"]

    def lose(self) -> None:
        """Go on after events that are missing: any epoch may have begun there."""
        self._next_epoch = None

    def _assume(self, event: Stored, assumed: list[Standing]) -> None:
        """Take it that a stream stood as its first event says. Raises ``StoredDataInvalid`` where it says nothing."""
        found = _ADDRESS.match(event.subject)
        if found is None or int(found[1]) != event.position.shard:
            return  # which is told later
        prefix = event.subject[: found.start(5) - 1]
        if prefix in self._streams:
            return
        headers = event.headers
        if headers.startswith(_BEFORE_HEAD):
            head = headers[len(_BEFORE_HEAD) : headers.find(b"\r", len(_BEFORE_HEAD))].decode(errors="replace")
        else:
            head = header_lines(headers)[0].get(HEAD, "")
        if not _NUMBER.match(head) or found[6] == StreamCarried.short_name():
            raise StoredDataInvalid(f"what lies at {event.position} does not say how its stream stood before")
        stream = self._begin(prefix, None, event.position.epoch)
        stream.version, stream.sequence = int(found[5]) - 1, int(head)
        assumed.append(Standing(prefix, stream.version, stream.sequence, b""))

    def standing(self) -> list[Standing]:
        """How the streams of this epoch stand."""
        return [Standing(prefix, each.version, each.sequence, each.digest) for prefix, each in self._streams.items()]

    def follows(self, first: Position, before: Iterable[Standing]) -> bool:
        """Whether streams that stood so before a place are those that were met, as they were left."""
        if first.epoch != self._epoch and (self._epoch >= 0 or first.epoch != self._next_epoch):
            return False
        for prefix, version, sequence, _ in before:
            stream = self._streams.get(prefix)
            found = (0, 0) if stream is None else (stream.version, stream.sequence)
            if found != (version, sequence) or (stream is None and prefix in self._earlier):
                return False
        return True

    def adopt(self, first: Position, after: Iterable[Standing]) -> None:
        """Go on from how streams stand after events that were looked at elsewhere."""
        if first.epoch != self._epoch:
            self._begin_epoch(first)
        self._leave_batch()
        for prefix, version, sequence, digest in after:
            stream = self._streams.get(prefix) or self._begin(prefix, None, first.epoch)
            stream.version, stream.sequence, stream.digest = version, sequence, digest

    def _begin_epoch(self, first: Position) -> None:
        self.epochs.append((first.sequence, first.epoch))
        self._epoch, self._next_epoch = first.epoch, first.epoch + 1
        self._earlier.update(self._streams)
        self._streams = {}

    def _check(self, event: Stored, digest: bytes) -> tuple[str, Sequence[str]]:
        identity, problems = self.of_one(event)
        if not identity:
            return identity, problems
        prefix, version, name = event.subject.rsplit(".", 2)
        if not problems:
            self._kinds[orjson.loads(event.body)["type"]] = name
        is_mark = name == StreamCarried.short_name()
        stream = self._streams.get(prefix)
        if stream is None:
            earlier = self._earlier.pop(prefix, None)
            if earlier is not None or is_mark:
                problems.extend(_carried(event, earlier, is_mark=is_mark))
            stream = self._begin(prefix, earlier, event.position.epoch)
        elif is_mark:
            problems.append("it carries over a stream that already has events in this epoch")
        if int(version) != stream.version + (not is_mark):
            problems.append(f"version {version} of its stream follows version {stream.version}")
        problems.extend(self._headers(event, identity, f"{prefix}.>", stream.sequence))
        stream.version, stream.sequence = int(version), event.position.sequence
        if is_mark:
            stream.carried = event.position.sequence, _data(event).get("position", "")
        else:
            stream.digest = digest
        return identity, problems

    def _begin(self, prefix: str, earlier: _Stream | None, epoch: int) -> _Stream:
        """Let a stream begin in this epoch."""
        if earlier is None:
            _, _, tenant, category, stream_id = prefix.split(".")
            earlier = _Stream(tenant, category, stream_id, f"{prefix}.>", epoch)
        earlier.sequence, earlier.epoch = 0, epoch
        self._streams[prefix] = earlier
        return earlier

    def _headers(self, event: Stored, identity: str, stream_filter: str, last: int) -> Iterator[str]:
        headers = event.headers
        found, problem = header_lines(headers)
        if problem:
            yield problem
            return
        wanted = {"Nats-Msg-Id": identity, "content-type": CONTENT_TYPE}
        wanted |= self._batch_headers(found)
        if stream_filter not in self._in_batch:
            wanted |= {HEAD: str(last), FILTER: stream_filter}
            if not last and EPOCH in found:
                wanted[EPOCH] = f"EVENTS_{event.position.epoch}_{event.position.shard}"
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
        if self._in_batch:
            self._batch = "", 0
            self._in_batch.clear()


def _carried(event: Stored, earlier: _Stream | None, *, is_mark: bool) -> Iterator[str]:
    """What is wrong with how a stream of an earlier epoch goes on in this one."""
    if earlier is None:
        yield "it carries over a stream that has no event before"
        return
    if not is_mark:
        yield f"its stream goes on from {earlier.last(event.position.shard)}, in an earlier epoch, without a mark first"
        return
    data, last = _data(event), earlier.last(event.position.shard)
    if data.get("position") != last:
        yield f"it carries over {data.get('position')!r:.80}, and the last event of its stream lies at {last}"
    if earlier.digest and data.get("digest") != f"sha256:{earlier.digest.hex()}":
        yield f"it says {data.get('digest')!r:.80} of the event at {last}, whose body has another digest"


def _data(event: Stored) -> dict[str, Any]:
    data = orjson.loads(event.body).get("data")
    return data if isinstance(data, dict) else {}


def header_lines(headers: bytes) -> tuple[dict[str, str], str]:
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
