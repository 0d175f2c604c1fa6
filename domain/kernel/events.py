"""Events: what happened, as a CloudEvents 1.0 document in structured JSON mode.

Three shapes of one thing: ``DomainEvent`` (what rules speak of), ``Draft`` (a domain event about to be appended, with
its causes) and ``Recorded`` (what the log holds: bytes at a position). The stored bytes are the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, ClassVar, Final, Generic, Literal, NamedTuple, Self, TypeVar, Union, get_args, get_origin

import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from domain.kernel.errors import StoredDataInvalid, UnknownEventType
from domain.kernel.ids import Position, StreamId
from domain.kernel.upcasts import UPCASTS, Upcasts

CONTENT_TYPE: Final = "application/cloudevents+json"

_JSON_ALREADY: Final = frozenset({str, int, float, bool, NoneType, Any})


class DomainEvent(BaseModel):
    """One past fact. ``TYPE`` is its persisted name with a version; it never contains a module path."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TYPE: ClassVar[str]
    ADDED: ClassVar[frozenset[str]] = frozenset()
    """Fields that came after the first event of this type was stored: left out while they hold their default, so that
    what is read would be written alike."""

    @classmethod
    def short_name(cls) -> str:
        """Name in subjects: the type without prefix and version."""
        return cls.TYPE.split(".")[-2]

    def as_json(self) -> dict[str, Any]:
        """The fields as JSON, as the log holds them. Fields of type ``Any`` must hold JSON already."""
        return _json_of(self)


def _json_of(model: BaseModel) -> dict[str, Any]:
    """As ``model_dump(mode="json")`` gives it, in a fraction of the time: most fields are JSON as they are."""
    held, form = model.__dict__, _form(type(model))
    made = {name: held[name] for name in form.names}
    for name, default in form.added:
        if held[name] == default:
            del made[name]
    for name, convert in form.converted:
        if name in made:
            made[name] = convert(held[name])
    return made


class _Form(NamedTuple):
    """How models of a type are written."""

    names: tuple[str, ...]
    added: tuple[tuple[str, Any], ...]
    """Fields that are left out while they hold this."""
    converted: tuple[tuple[str, Callable[[Any], Any]], ...]


@cache
def _form(kind: type[BaseModel]) -> _Form:
    fields = kind.model_fields
    conversions = {name: _conversion(field.annotation) for name, field in fields.items()}
    return _Form(
        names=tuple(fields),
        added=tuple([(name, fields[name].default) for name in getattr(kind, "ADDED", ())]),
        converted=tuple([(name, convert) for name, convert in conversions.items() if convert is not None]),
    )


def _conversion(annotation: Any) -> Callable[[Any], Any] | None:
    """What makes JSON of a field of this type; None where it is JSON already."""
    parts = get_args(annotation)
    if annotation in _JSON_ALREADY or get_origin(annotation) is Literal:
        return None
    if get_origin(annotation) in {Union, UnionType} and all(_conversion(part) is None for part in parts):
        return None
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _json_of
    if get_origin(annotation) is tuple and parts[1:] == (...,):
        each = _conversion(parts[0])
        return list if each is None else lambda items: [each(item) for item in items]
    return partial(TypeAdapter(annotation).dump_python, mode="json")


@dataclass(frozen=True, kw_only=True)
class Draft:
    """An event about to be appended. The store adds its version and its address."""

    id: str
    type: str
    time: str
    correlation: str
    causation: str
    actor: str
    data: dict[str, Any]
    traceparent: str | None = None

    @property
    def short_name(self) -> str:
        """Last token of the subject."""
        return self.type.split(".")[-2]

    def body(self, stream: StreamId, version: int) -> bytes:
        """Bytes of the CloudEvent as version ``version`` of ``stream``; made once for the place last asked for."""
        made: tuple[StreamId, int, bytes] | None = self.__dict__.get("_made")
        if made is None or made[1] != version or (made[0] is not stream and made[0] != stream):
            made = stream, version, self._body(stream, version)
            self.__dict__["_made"] = made  # past the frozen fields: it is no part of the value
        return made[2]

    def _body(self, stream: StreamId, version: int) -> bytes:
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": str(stream),
            "type": self.type,
            "time": self.time,
            "subject": stream.id,
            "sequence": str(version),
            "correlationid": self.correlation,
            "causationid": self.causation,
            "actor": self.actor,
        }
        if self.traceparent is not None:
            document["traceparent"] = self.traceparent
        document["datacontenttype"] = "application/json"
        document["data"] = self.data
        return orjson.dumps(document)


Read = TypeVar("Read")


class _Once(Generic[Read]):
    """As ``cached_property``, which takes a lock at every first look until Python 3.12: a tenth of reading an event."""

    def __init__(self, read: Callable[[Any], Read]) -> None:
        self._read = read
        self._name = read.__name__
        self.__doc__ = read.__doc__

    def __get__(self, instance: Any, owner: object) -> Read:
        found = instance.__dict__[self._name] = self._read(instance)
        return found


@dataclass(frozen=True)
class Recorded:
    """One event as the log holds it. Attributes are read from ``body`` once, when first asked for."""

    position: Position
    address: str
    """The broker subject: ``evt.<shard>.<tenant>.<category>.<id>.<version>.<EventType>``."""
    body: bytes
    resolved: dict[str, Any] | None = field(default=None, repr=False, compare=False)
    """Payload with its big fields put back from the content store; None where ``body`` holds all of it."""

    @classmethod
    def just_written(
        cls,
        stream: StreamId,
        version: int,
        position: Position,
        address: str,
        body: bytes,
        resolved: dict[str, Any] | None,
    ) -> Self:
        """As its writer knows it, so that nothing need be read from the address."""
        event = cls.__new__(cls)
        known = {"position": position, "address": address, "body": body, "resolved": resolved}
        event.__dict__.update(known, stream=stream, version=version)
        return event

    @_Once
    def document(self) -> dict[str, Any]:
        """The CloudEvent as a JSON object."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            raise StoredDataInvalid(f"event at {self.position} ({self.address}) is no JSON: {error}") from error
        if not isinstance(document, dict) or document.get("specversion") != "1.0" or "type" not in document:
            raise StoredDataInvalid(f"event at {self.position} ({self.address}) is no CloudEvent 1.0 document")
        return document

    @property
    def id(self) -> str:
        """The event's id."""
        return str(self.document["id"])

    @property
    def type(self) -> str:
        """Persisted type name with version."""
        return str(self.document["type"])

    @property
    def time(self) -> str:
        """When it was decided, RFC 3339."""
        return str(self.document["time"])

    @property
    def actor(self) -> str:
        """Who decided it."""
        return str(self.document["actor"])

    @property
    def causation(self) -> str:
        """Id of the command or effect that caused it."""
        return str(self.document["causationid"])

    @property
    def correlation(self) -> str:
        """Id that all events of one piece of work share."""
        return str(self.document["correlationid"])

    @property
    def data(self) -> dict[str, Any]:
        """Payload, whole: big fields are what they refer to. ``document["data"]`` has the references as stored."""
        return self.document["data"] if self.resolved is None else self.resolved

    @_Once
    def stream(self) -> StreamId:
        """The stream it belongs to, read from its address."""
        _, _, tenant, category, stream_id, _, _ = self.address.split(".")
        return StreamId(tenant, category, stream_id)

    @_Once
    def version(self) -> int:
        """Place within its stream, from 1, read from its address."""
        return int(self.address.split(".")[5])

    @property
    def short_name(self) -> str:
        """Event type without prefix and version, read from its address."""
        return self.address.rsplit(".", 1)[1]


def address(stream: StreamId, shards: int, version: int, short_name: str) -> str:
    """Broker subject of one event."""
    return f"evt.{stream.shard(shards)}.{stream.tenant}.{stream.category}.{stream.id}.{version}.{short_name}"


class EventCatalog:
    """Which persisted type is which domain event; old types go through upcasts first."""

    def __init__(self, types: Iterable[type[DomainEvent]], upcasts: Upcasts = UPCASTS) -> None:
        self._types: dict[str, type[DomainEvent]] = {}
        self._upcasts = upcasts
        for kind in types:
            if kind.TYPE in self._types:
                raise ValueError(f"event type {kind.TYPE} is declared twice")
            self._types[kind.TYPE] = kind

    def __iter__(self) -> Any:
        return iter(self._types.values())

    def decode(self, event: Recorded, data: Mapping[str, Any] | None = None) -> DomainEvent | None:
        """Give the domain event, or None where this release does not know the type (a reader skips those)."""
        name, payload = self._upcasts.apply(event.type, event.data if data is None else data)
        kind = self._types.get(name)
        if kind is None:
            return None
        try:
            return kind.__pydantic_validator__.validate_python(payload)  # type: ignore[no-any-return]  # model_validate
        except ValidationError as error:
            raise StoredDataInvalid(f"event at {event.position} is no valid {name}: {error}") from error

    def decode_known(self, event: Recorded, data: Mapping[str, Any] | None = None) -> DomainEvent:
        """As ``decode``, but an unknown type is refused: a replay must not skip what it cannot understand."""
        decoded = self.decode(event, data)
        if decoded is None:
            raise UnknownEventType(
                f"event at {event.position} has type {event.type}, which this release does not know; "
                "replay it with a release at least as new as the one that wrote it"
            )
        return decoded

    def with_types(self, types: Iterable[type[DomainEvent]]) -> Self:
        """A catalog with further types."""
        return type(self)([*self._types.values(), *types], self._upcasts)
