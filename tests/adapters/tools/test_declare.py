from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Dict, List, Literal, NotRequired, Optional, Union  # noqa: UP035
from uuid import UUID

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from adapters.tools.context import ToolContext
from adapters.tools.declare import declare, declared_tool, tool
from domain.kernel.values import Keyword
from domain.rtfs.types import parse_type, print_type
from domain.tools import ToolNotDeclarable
from tests.adapters.tools.calling import CALL, runner_of


class Person(TypedDict):
    full_name: str
    class_: NotRequired[int]


@dataclass
class Point:
    x: int
    y: int = 0
    labels: list[str] = field(default_factory=list)


class Order(BaseModel):
    order_id: UUID
    people: list[Person]


@dataclass
class Chain:
    next: "Chain | None"


class Clash(TypedDict):
    a: int
    a_: int


@pytest.mark.parametrize(
    ("annotation", "spelled"),
    [
        (str, ":string"),
        (int, ":int"),
        (float, ":float"),
        (bool, ":bool"),
        (None, ":nil"),
        (Any, ":any"),
        (datetime, ":timestamp"),
        (UUID, ":uuid"),
        (Keyword, ":keyword"),
        (list[int], "[:vector :int]"),
        (List[int], "[:vector :int]"),  # noqa: UP006
        (list, "[:vector :any]"),
        (dict, "[:map-of :any :any]"),
        (tuple[int, ...], "[:vector :int]"),
        (tuple[int, str], "[:tuple :int :string]"),
        (dict[str, list[int]], "[:map-of :string [:vector :int]]"),
        (Dict[int, str], "[:map-of :int :string]"),  # noqa: UP006
        (Literal["b", "a"], '[:enum "a" "b"]'),
        (int | None, ":int?"),
        (Optional[str], ":string?"),  # noqa: UP045
        (Union[int, str], "[:union :int :string]"),  # noqa: UP007
        (Person, "[:map [:class :int ?] [:full-name :string]]"),
        (Order, "[:map [:order-id :uuid] [:people [:vector [:map [:class :int ?] [:full-name :string]]]]]"),
        (list[Point | None], None),
    ],
)
def test_types_follow_from_annotations(annotation, spelled) -> None:
    def function(value: annotation) -> annotation:
        """Doc."""

    capability = declare(function, "a.b", effects="pure").declaration.capability
    printed = print_type(capability.result)
    assert parse_type(printed) == capability.result
    if spelled is not None:
        assert printed == spelled
        assert print_type(capability.parameters[0].type) == spelled


def test_a_default_is_optional_in_an_argument_and_present_in_a_result() -> None:
    def move(point: Point) -> Point:
        """Doc."""

    capability = declare(move, "a.b", effects="pure").declaration.capability
    assert print_type(capability.parameters[0].type) == "[:map [:labels [:vector :string] ?] [:x :int] [:y :int ?]]"
    assert print_type(capability.result) == "[:map [:labels [:vector :string]] [:x :int] [:y :int]]"


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (set[int], "has no RTFS type"),
        (bytes, "has no RTFS type; use str, int"),
        (Callable, "has no RTFS type"),
        (dict[float, int], "keys of a map"),
        (Chain, "contains itself"),
        (Clash, "same name: a, a"),
        (Literal["a", b"b"], "literals are"),
        (Point | Person, "joined with None only"),
        (tuple[Point, int], "plain values only"),
    ],
)
def test_an_annotation_without_a_type_is_refused_by_name(annotation, why: str) -> None:
    def function(value: annotation) -> None:
        """Doc."""

    with pytest.raises(ToolNotDeclarable, match=rf"a\.b, parameter value: .*{why}"):
        declare(function, "a.b", effects="pure")


def undocumented() -> None: ...


def unannotated(value) -> None:
    """Doc."""


def without_result(value: int):
    """Doc."""


def variadic(*values: int) -> None:
    """Doc."""


def unknown_annotation(value: "Nowhere") -> None:  # noqa: F821
    """Doc."""


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (undocumented, "docstring"),
        (unannotated, "annotate the parameter value"),
        (without_result, "annotate what it returns"),
        (variadic, "no name to call it by"),
        (unknown_annotation, "Nowhere"),
    ],
)
def test_an_incomplete_declaration_is_refused_with_advice(function, why: str) -> None:
    with pytest.raises(ToolNotDeclarable, match=why):
        declare(function, "a.b", effects="pure")


def test_isolation_fits_the_kind_of_function() -> None:
    async def waits() -> None:
        """Doc."""

    def plain() -> None:
        """Doc."""

    assert declare(waits, "a.b", effects="pure").declaration.isolation == "in-process"
    assert declare(plain, "a.b", effects="pure").declaration.isolation == "thread"
    with pytest.raises(ToolNotDeclarable, match="needs a plain function"):
        declare(waits, "a.b", effects="pure", isolation="thread")
    with pytest.raises(ToolNotDeclarable, match="needs an async function"):
        declare(plain, "a.b", effects="pure", isolation="sandbox")


def test_the_declared_function_stays_callable_and_knows_its_tool() -> None:
    @tool("math.double", effects="pure", version="2", timeout=3, tags=("math",))
    def double(number: int) -> int:
        """Twice the number."""
        return number * 2

    assert double(4) == 8
    found = declared_tool(double)
    assert found is not None
    capability = found.declaration.capability
    assert (capability.name, capability.version, capability.effects) == ("math.double", "2", "pure")
    assert capability.doc == "Twice the number."
    assert (found.declaration.timeout, found.declaration.tags) == (3, ("math",))


async def test_records_arrive_as_the_classes_of_the_function_and_leave_as_maps_with_keywords() -> None:
    seen = {}

    def process(context: ToolContext, order: Order, person: Person, where: Point | None, spots: list[Point]) -> Order:
        """Doc."""
        seen.update(order=order, person=person, where=where, spots=spots)
        return Order(order_id=order.order_id, people=[*order.people, person])

    made = declare(process, "a.b", effects="pure", isolation="in-process")
    assert [parameter.name for parameter in made.declaration.capability.parameters] == [
        "order",
        "person",
        "where",
        "spots",
    ]
    identifier = UUID(int=7)
    ada = {Keyword("full-name"): "Ada", Keyword("class"): 1}
    outcome = await runner_of(made).run(
        "a.b",
        {
            "order": {Keyword("order-id"): identifier, Keyword("people"): [ada]},
            "person": {Keyword("full-name"): "Bob"},
            "where": None,
            "spots": [{Keyword("x"): 1}],
        },
        CALL,
    )
    assert outcome.value == {Keyword("order-id"): identifier, Keyword("people"): [ada, {Keyword("full-name"): "Bob"}]}
    assert seen["order"] == Order(order_id=identifier, people=[{"full_name": "Ada", "class_": 1}])
    assert seen["person"] == {"full_name": "Bob"}
    assert seen["where"] is None
    assert seen["spots"] == [Point(x=1)]
