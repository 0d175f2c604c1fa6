"""What every vector index does. Subclass it and give an ``index`` fixture: empty, of EMBEDDER with DIMENSIONS."""

import asyncio
import heapq
import random
from array import array
from collections.abc import Mapping
from math import hypot, nan
from operator import mul
from uuid import UUID

import pytest

from commands.indexes import Neighbour, Point, VectorIndex
from domain.kernel.embedding import Embedding, EmbeddingInvalid
from domain.kernel.errors import InvalidInput

EMBEDDER = "lexical@1"
DIMENSIONS = 16
MANY = 10_000
HOSTILE = [
    "", " ", "'; DROP TABLE points; --", '"', "\\", "a.b", "a[0]", "a[]", "*", "$", "null", "true", "1", "{}", "\0", "\n",
    "\u202e", "\U0001f92f", "é", "e\u0301", "x" * 4096, "labels", "key=value", '","',
]  # fmt: skip


def id_of(number: int) -> str:
    return str(UUID(int=number))


def embedding(*components: float, embedder: str = EMBEDDER) -> Embedding:
    """Components, filled up with zeros, brought to unit length."""
    length = hypot(*components)
    filled = [component / length for component in components] + [0.0] * (DIMENSIONS - len(components))
    return Embedding(embedder, array("f", filled).tobytes())


def point(number: int, *components: float, **labels: str) -> Point:
    return Point(id_of(number), embedding(*components), labels)


def scattered(count: int, seed: int = 7) -> list[Embedding]:
    """Points all over the sphere."""
    chance = random.Random(seed)
    return [embedding(*(chance.gauss(0, 1) for _ in range(DIMENSIONS))) for _ in range(count)]


def ids(found: list[Neighbour]) -> list[int]:
    return [UUID(each.id).int for each in found]


class Exact:
    """The answers of comparing with every point."""

    def __init__(self, points: list[Point]) -> None:
        self._rows = [(each.id, each.embedding.components(), each.labels.items()) for each in points]

    def nearest(self, near: Embedding, labels: Mapping[str, str], limit: int) -> set[str]:
        wanted, query = labels.items(), near.components()
        held = [(-sum(map(mul, query, row)), id_) for id_, row, has in self._rows if wanted <= has]
        return {id_ for _, id_ in heapq.nsmallest(limit, held)}


X, Y, Z = embedding(1, 0, 0), embedding(0, 1, 0), embedding(0, 0, 1)


class VectorIndexContract:
    async def settle(self, index: VectorIndex) -> None:
        """Let it finish what it does after a bulk load."""

    async def test_an_empty_index_finds_nothing(self, index: VectorIndex) -> None:
        assert await index.count() == 0
        assert list(await index.search(X, {}, 10)) == []
        assert list(await index.search(X, {"tenant": "acme"}, 10)) == []
        await index.remove([id_of(1)])
        await index.clear()
        await index.put([])

    async def test_the_nearest_come_first_with_their_similarity_and_labels(self, index: VectorIndex) -> None:
        await index.put([point(1, 0, 1), point(2, 1, 1, tenant="acme", kind="run"), point(3, 1), point(4, -1)])
        found = list(await index.search(X, {}, 10))
        assert ids(found) == [3, 2, 1, 4]
        assert [each.score for each in found] == pytest.approx([1, 0.5**0.5, 0, -1], abs=1e-6)
        assert all(-1 <= each.score <= 1 for each in found)
        assert [dict(each.labels) for each in found] == [{}, {"tenant": "acme", "kind": "run"}, {}, {}]
        assert await index.count() == 4

    async def test_a_search_sees_only_points_with_all_its_labels(self, index: VectorIndex) -> None:
        await index.put(
            [
                point(1, 1, tenant="acme", namespace="a"),
                point(2, 1, tenant="acme", namespace="b"),
                point(3, 1, tenant="globex", namespace="a"),
                point(4, 1, tenant="acme"),
                point(5, 1),
            ]
        )
        for labels, expected in (
            ({"tenant": "acme"}, [1, 2, 4]),
            ({"tenant": "acme", "namespace": "a"}, [1]),
            ({"namespace": "a"}, [1, 3]),
            ({"namespace": "acme"}, []),
            ({"tenant": "acme", "absent": ""}, []),
            ({}, [1, 2, 3, 4, 5]),
        ):
            assert ids(list(await index.search(X, labels, 10))) == expected, labels

    async def test_equals_stand_in_the_order_of_their_ids_also_where_the_limit_cuts(self, index: VectorIndex) -> None:
        numbers = list(range(2, 42))
        random.Random(3).shuffle(numbers)
        for number in numbers:
            await index.put([point(number, 1, 0, kind="same")])
        await index.put([point(1, 1, 1, kind="same"), point(99, 1, 0, kind="other")])
        for limit in (1, 3, 17, 39, 40):
            assert ids(list(await index.search(X, {"kind": "same"}, limit))) == list(range(2, 2 + limit))
        assert ids(list(await index.search(X, {"kind": "same"}, 50))) == [*range(2, 42), 1]

    async def test_the_same_id_again_replaces_the_point_and_all_its_labels(self, index: VectorIndex) -> None:
        await index.put([point(1, 1, 0, tenant="acme", old="yes"), point(2, 0, 1, tenant="acme")])
        await index.put([point(1, 0, 0, 1, tenant="globex")])
        assert await index.count() == 2
        assert list(await index.search(X, {"old": "yes"}, 10)) == []
        assert ids(list(await index.search(X, {"tenant": "acme"}, 10))) == [2]
        (found,) = await index.search(Z, {"tenant": "globex"}, 10)
        assert (found.id, found.score) == (id_of(1), pytest.approx(1))

    async def test_of_one_id_twice_at_once_the_last_counts(self, index: VectorIndex) -> None:
        await index.put([point(1, 1, 0, turn="first"), point(1, 0, 1, turn="second")])
        assert await index.count() == 1
        assert [dict(each.labels) for each in await index.search(Y, {}, 10)] == [{"turn": "second"}]

    async def test_what_is_removed_is_found_no_more(self, index: VectorIndex) -> None:
        await index.put([point(number, 1, number, tenant="acme") for number in range(1, 6)])
        await index.remove([id_of(2), id_of(4), id_of(4), id_of(77)])
        assert await index.count() == 3
        assert ids(list(await index.search(X, {"tenant": "acme"}, 10))) == [1, 3, 5]

    async def test_a_cleared_index_is_empty_and_can_be_filled_anew(self, index: VectorIndex) -> None:
        await index.put([point(number, 1, number, tenant="acme") for number in range(1, 6)])
        await index.clear()
        assert await index.count() == 0
        assert list(await index.search(X, {"tenant": "acme"}, 10)) == []
        await index.put([point(3, 1, tenant="acme")])
        assert ids(list(await index.search(X, {"tenant": "acme"}, 10))) == [3]

    async def test_limits_of_nothing_and_of_more_than_there_is(self, index: VectorIndex) -> None:
        await index.put([point(number, 1, number) for number in range(1, 4)])
        assert list(await index.search(X, {}, 0)) == []
        assert ids(list(await index.search(X, {}, 2**63))) == [1, 2, 3]
        with pytest.raises(InvalidInput, match="-1 neighbours"):
            await index.search(X, {}, -1)

    async def test_a_label_is_any_text_and_means_only_itself(self, index: VectorIndex) -> None:
        names = {f"{place}": text for place, text in enumerate(HOSTILE)}
        await index.put(
            [Point(id_of(1 + place), X, {text: "named", "value": text}) for place, text in enumerate(names.values())]
        )
        for place, text in enumerate(HOSTILE):
            for labels in ({text: "named"}, {"value": text}, {text: "named", "value": text}):
                found = list(await index.search(X, labels, 100))
                assert ids(found) == [1 + place], labels
                assert dict(found[0].labels) == {text: "named", "value": text}

    @pytest.mark.parametrize(
        "labels",
        [{"x": "y" * 4097}, {"x" * 4097: "y"}, {"x": "\ud800"}, {"\udfff": "y"}, {str(n): "" for n in range(33)}],
        ids=["long value", "long name", "half a pair", "half a pair as name", "too many"],
    )
    async def test_labels_beyond_every_index_are_refused(self, index: VectorIndex, labels: dict[str, str]) -> None:
        with pytest.raises(InvalidInput, match="label"):
            await index.put([point(1, 1), Point(id_of(2), X, labels)])
        with pytest.raises(InvalidInput, match="label"):
            await index.search(X, labels, 1)
        assert await index.count() == 0

    @pytest.mark.parametrize(
        "wrong",
        [
            Embedding(EMBEDDER, array("f", [1.0, *[0.0] * DIMENSIONS]).tobytes()),
            Embedding(EMBEDDER, array("f", [1.0]).tobytes()),
            Embedding(EMBEDDER, b""),
            Embedding(EMBEDDER, X.vector[:-1]),
            Embedding("lexical@2", X.vector),
            Embedding("", X.vector),
            Embedding(EMBEDDER, array("f", [nan] * DIMENSIONS).tobytes()),
            Embedding(EMBEDDER, array("f", [float("inf")] + [0.0] * (DIMENSIONS - 1)).tobytes()),
            Embedding(EMBEDDER, bytes(4 * DIMENSIONS)),
            Embedding(EMBEDDER, array("f", [0.9] + [0.0] * (DIMENSIONS - 1)).tobytes()),
        ],
        ids=["long", "short", "empty", "torn", "version", "unnamed", "nan", "infinite", "zero", "off the sphere"],
    )
    async def test_a_point_of_another_space_is_refused_with_all_that_came_with_it(
        self, index: VectorIndex, wrong: Embedding
    ) -> None:
        with pytest.raises(EmbeddingInvalid):
            await index.put([point(1, 1), Point(id_of(2), wrong, {})])
        with pytest.raises(EmbeddingInvalid):
            await index.search(wrong, {}, 1)
        assert await index.count() == 0

    @pytest.mark.parametrize(
        "wrong", ["", "1", "x" * 36, "../../etc/passwd", f"{{{id_of(1)}}}", id_of(2**128 - 1).upper()]
    )
    async def test_an_id_that_is_no_canonical_uuid_is_refused(self, index: VectorIndex, wrong: str) -> None:
        with pytest.raises(InvalidInput, match="UUID"):
            await index.put([point(1, 1), Point(wrong, X, {})])
        with pytest.raises(InvalidInput, match="UUID"):
            await index.remove([wrong])
        assert await index.count() == 0

    async def test_writers_and_readers_at_once(self, index: VectorIndex) -> None:
        async def write(first: int) -> None:
            await index.put([point(number, 1, number, part=str(first)) for number in range(first, first + 20)])
            assert len(await index.search(X, {"part": str(first)}, 100)) == 20
            await index.remove([id_of(number) for number in range(first, first + 10)])

        await asyncio.gather(*(write(100 * part + 1) for part in range(20)))
        assert await index.count() == 200
        for part in range(20):
            assert ids(list(await index.search(X, {"part": str(100 * part + 1)}, 100))) == list(
                range(100 * part + 11, 100 * part + 21)
            )

    async def test_of_ten_thousand_points_it_finds_the_nearest(self, index: VectorIndex) -> None:
        points = [
            Point(id_of(1 + place), each, {"tenant": "acme", "of-ten": str(place % 10), "of-100": str(place % 100)})
            for place, each in enumerate(scattered(MANY))
        ]
        exact = Exact(points)
        for first in range(0, MANY, 1000):
            await index.put(points[first : first + 1000])
        await self.settle(index)
        assert await index.count() == MANY
        for labels in ({}, {"tenant": "acme"}, {"tenant": "acme", "of-ten": "3"}, {"of-100": "42"}):
            right = 0
            for near in scattered(30, seed=8):
                found = await index.search(near, labels, 10)
                assert all(labels.items() <= dict(each.labels).items() for each in found)
                assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
                right += len({each.id for each in found} & exact.nearest(near, labels, 10))
            assert right >= 0.95 * 30 * 10, labels
