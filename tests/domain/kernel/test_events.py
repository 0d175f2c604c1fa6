from datetime import datetime
from typing import Any, ClassVar, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from domain.kernel.errors import PrecedentError, StoredDataInvalid, UnknownEventType
from domain.kernel.events import DomainEvent, Draft, EventCatalog, Recorded, address
from domain.kernel.ids import Position, StreamId
from domain.kernel.upcasts import Upcasts

STREAM = StreamId("acme", "run", "r1")
PLACE = Position(0, 0, 7)


class Greeted(DomainEvent):
    TYPE: ClassVar[str] = "precedent.test.Greeted.v2"
    name: str
    language: str


class Parted(DomainEvent):
    TYPE: ClassVar[str] = "precedent.test.Parted.v1"


def draft(**changes: Any) -> Draft:
    fields = {
        "id": "e1",
        "type": Greeted.TYPE,
        "time": "2026-01-01T00:00:00.000000Z",
        "correlation": "c0",
        "causation": "c1",
        "actor": "agent:a",
        "data": {"name": "Ada", "language": "en"},
    }
    return Draft(**{**fields, **changes})


def recorded(event: Draft, version: int = 3) -> Recorded:
    return Recorded(PLACE, address(STREAM, 1, version, event.short_name), event.body(STREAM, version))


def test_a_body_is_a_cloud_event() -> None:
    assert orjson.loads(draft(traceparent="00-1-2-01").body(STREAM, 3)) == {
        "specversion": "1.0",
        "id": "e1",
        "source": "/acme/run/r1",
        "type": "precedent.test.Greeted.v2",
        "time": "2026-01-01T00:00:00.000000Z",
        "subject": "r1",
        "sequence": "3",
        "correlationid": "c0",
        "causationid": "c1",
        "actor": "agent:a",
        "traceparent": "00-1-2-01",
        "datacontenttype": "application/json",
        "data": {"name": "Ada", "language": "en"},
    }


def test_without_a_trace_there_is_no_traceparent() -> None:
    assert "traceparent" not in orjson.loads(draft().body(STREAM, 1))


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_same_draft_at_the_same_place_has_the_same_bytes(version: int, other: int) -> None:
    event = draft()
    assert event.body(STREAM, version) == draft().body(STREAM, version)
    assert (event.body(STREAM, version) == event.body(STREAM, other)) == (version == other)
    assert event.body(STREAM, version) != event.body(StreamId("acme", "run", "r2"), version)


def test_a_recorded_event_says_what_its_bytes_and_its_address_say() -> None:
    event = recorded(draft())
    assert (event.id, event.type, event.time) == ("e1", Greeted.TYPE, "2026-01-01T00:00:00.000000Z")
    assert (event.actor, event.causation, event.correlation) == ("agent:a", "c1", "c0")
    assert (event.stream, event.version, event.short_name) == (STREAM, 3, "Greeted")
    assert event.data == {"name": "Ada", "language": "en"}


def test_resolved_data_stands_before_stored_data_and_the_bytes_stay() -> None:
    stored = recorded(draft(data={"name": {"$content": "sha256:00"}, "language": "en"}))
    whole = Recorded(stored.position, stored.address, stored.body, {"name": "Ada", "language": "en"})
    assert whole.data == {"name": "Ada", "language": "en"}
    assert whole.document["data"] == stored.data == {"name": {"$content": "sha256:00"}, "language": "en"}
    assert whole == stored


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"{}", b'{"specversion":"0.3","type":"a"}', b'{"specversion":"1.0"}']
)
def test_bytes_that_are_no_event_are_named_with_their_place(body: bytes) -> None:
    event = Recorded(PLACE, "evt.0.acme.run.r1.3.Greeted", body)
    with pytest.raises(StoredDataInvalid, match=r"event at 0\.0:7 \(evt\.0\.acme\.run\.r1\.3\.Greeted\)"):
        _ = event.type


CATALOG = EventCatalog([Greeted, Parted])


def test_a_known_event_is_decoded() -> None:
    assert CATALOG.decode(recorded(draft())) == Greeted(name="Ada", language="en")
    assert CATALOG.decode_known(recorded(draft(type=Parted.TYPE, data={}))) == Parted()


def test_unknown_fields_are_ignored() -> None:
    assert CATALOG.decode(recorded(draft(data={"name": "Ada", "language": "en", "new": 1}))) == Greeted(
        name="Ada", language="en"
    )


def test_an_unknown_type_is_skipped_by_a_reader_and_refused_by_a_replay() -> None:
    event = recorded(draft(type="precedent.test.Unheard.v1"))
    assert CATALOG.decode(event) is None
    with pytest.raises(UnknownEventType, match=r"0\.0:7 has type precedent\.test\.Unheard\.v1.*newer|at least as new"):
        CATALOG.decode_known(event)


def test_data_that_does_not_fit_its_type_is_an_error_of_the_log() -> None:
    with pytest.raises(StoredDataInvalid, match=r"event at 0\.0:7 is no valid precedent\.test\.Greeted\.v2"):
        CATALOG.decode(recorded(draft(data={"name": 5})))


def test_a_type_is_declared_once() -> None:
    with pytest.raises(ValueError, match=r"Greeted\.v2 is declared twice"):
        EventCatalog([Greeted, Greeted])


def test_a_catalog_grows_without_changing() -> None:
    small = EventCatalog([Greeted])
    assert list(small.with_types([Parted])) == [Greeted, Parted]
    assert list(small) == [Greeted]


def test_an_old_event_is_read_in_its_newest_shape() -> None:
    upcasts = Upcasts(
        {
            "precedent.test.Greeted.v0": ("precedent.test.Greeted.v1", lambda data: {"name": data["who"]}),
            "precedent.test.Greeted.v1": (Greeted.TYPE, lambda data: {**data, "language": "en"}),
        }
    )
    catalog = EventCatalog([Greeted], upcasts)
    stored = recorded(draft(type="precedent.test.Greeted.v0", data={"who": "Ada"}))
    assert catalog.decode(stored) == Greeted(name="Ada", language="en")
    assert stored.data == {"who": "Ada"}
    assert catalog.with_types([]).decode(stored) == Greeted(name="Ada", language="en")


def test_upcasts_that_run_in_a_circle_are_refused() -> None:
    with pytest.raises(ValueError, match="circle"):
        Upcasts({"a.v1": ("a.v2", dict), "a.v2": ("a.v1", dict)})


def test_a_type_without_upcasts_stays() -> None:
    data = {"name": "Ada"}
    assert Upcasts({}).apply("a.v1", data) == ("a.v1", data)


def every_error(kind: type[PrecedentError] = PrecedentError) -> list[type[PrecedentError]]:
    return [kind, *(error for sub in kind.__subclasses__() for error in every_error(sub))]


def test_every_error_has_a_code_of_its_own_and_tells_the_caller_what_to_do() -> None:
    errors = [error for error in every_error() if error.__module__.startswith("domain.kernel.")]
    assert all(error.__doc__ for error in errors)
    codes = [error.code for error in errors if "code" in vars(error)]
    assert len(codes) == len(set(codes))


class Part(BaseModel):
    words: tuple[str, ...] = ()
    moment: datetime | None = None


class Told(DomainEvent):
    TYPE: ClassVar[str] = "precedent.test.Told.v1"
    flag: bool
    number: float
    note: str | None
    choice: Literal["a", "b"]
    anything: Any
    part: Part
    parts: tuple[Part, ...]
    pair: tuple[int, str]
    optional: Part | None
    names: frozenset[str]
    by_name: dict[str, Part]
    seven: Literal[7] = 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda items: st.lists(items, max_size=3) | st.dictionaries(st.text(), items, max_size=3),
    max_leaves=8,
)
PARTS = st.builds(Part, words=st.lists(st.text()).map(tuple), moment=st.none() | st.datetimes())


@given(
    st.builds(
        Told,
        pair=st.tuples(st.integers(-(2**53), 2**53), st.text()),
        anything=JSON,
        part=PARTS,
        parts=st.lists(PARTS, max_size=2).map(tuple),
        optional=st.none() | PARTS,
        by_name=st.dictionaries(st.text(), PARTS, max_size=2),
    )
)
def test_fields_as_json_are_what_pydantic_makes_of_them(event: Told) -> None:
    assert orjson.dumps(event.as_json()) == orjson.dumps(event.model_dump(mode="json"))
