import pytest

from adapters.vectors import memory
from adapters.vectors.memory import MemoryVectorIndex
from commands.indexes import Point
from tests.contracts.vector_index import DIMENSIONS, EMBEDDER, VectorIndexContract, id_of, scattered


@pytest.fixture
def index() -> MemoryVectorIndex:
    return MemoryVectorIndex(EMBEDDER, DIMENSIONS)


class TestMemoryVectorIndex(VectorIndexContract):
    async def test_without_numpy_the_answers_are_the_same_to_the_last_bit(
        self, index: MemoryVectorIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await index.put([Point(id_of(place), each, {}) for place, each in enumerate(scattered(500))])
        near = scattered(20, seed=8)
        with_numpy = [await index.search(each, {}, 7) for each in near]
        monkeypatch.setattr(memory, "_shortlist", memory._all)
        assert [await index.search(each, {}, 7) for each in near] == with_numpy

    async def test_labels_given_and_got_are_copies(self, index: MemoryVectorIndex) -> None:
        labels = {"tenant": "acme"}
        (near,) = scattered(1)
        await index.put([Point(id_of(1), near, labels)])
        labels["tenant"] = "globex"
        (found,) = await index.search(near, {"tenant": "acme"}, 1)
        found.labels["tenant"] = "globex"
        assert len(await index.search(near, {"tenant": "acme"}, 1)) == 1
