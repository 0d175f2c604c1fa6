"""What a process finds in an index when it starts: what is there already is not put again, what is not there is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from adapters.embedding.lexical import LexicalEmbedder
from adapters.vectors.memory import MemoryVectorIndex
from commands.filled import LABEL, OFTEN, Filled
from commands.indexes import Neighbour, Point
from commands.points import Awaited, Filling
from domain.kernel.events import Recorded
from domain.kernel.ids import Position

TEXTS = ("one", "two", "three", "four")
EMBEDDER = LexicalEmbedder()


class Index(MemoryVectorIndex):
    """One that several processes share, and that counts what is put."""

    def __init__(self) -> None:
        super().__init__(EMBEDDER.name, EMBEDDER.dimensions)
        self.puts = 0

    async def put(self, points: Sequence[Point]) -> None:
        self.puts += len([point for point in points if LABEL not in point.labels])
        await super().put(points)

    async def texts(self) -> set[str]:
        (near,) = await EMBEDDER.embed(["one"])
        return {each.labels["text"] for each in await self.search(near, {"kind": "k"}, 10_000)}


@dataclass
class Process:
    """One that hears of texts, and of texts that are withdrawn."""

    index: Index
    name: str
    log: str = "log"
    filling: Filling = field(init=False)

    def __post_init__(self) -> None:
        filled = Filled(self.index, EMBEDDER.name, EMBEDDER.dimensions, "k", self.name)
        self.filling = Filling(EMBEDDER, self.index, filled)

    async def hear(self, *texts: str, first: int = 1) -> None:
        """A text at each position from ``first`` on; one that begins with a minus withdraws."""
        for number, text in enumerate(texts, first):
            position = Position(0, 0, number)
            self.filling.filled.hear(Recorded(position, f"evt.0.t.k.s.{number}.E", f"{self.log} {number}".encode()))
            name = str(UUID(int=sum(text.removeprefix("-").encode()) + 1))
            if text.startswith("-"):
                self.filling.remove([name], position)
            else:
                labels = {"kind": "k", "text": text}
                self.filling.put(name, Awaited(text=text, embedder="", vector="", labels=labels, position=position))
        await self.filling.flush()


def test_what_the_index_has_is_not_put_again_and_what_came_since_is() -> None:
    async def story() -> None:
        index = Index()
        await Process(index, "first").hear(*TEXTS)
        await Process(index, "second").hear(*TEXTS)
        assert index.puts == len(TEXTS)
        await Process(index, "third").hear(*TEXTS, "five")
        assert index.puts == len(TEXTS) + 1
        assert await index.texts() == {*TEXTS, "five"}

    asyncio.run(story())


def test_an_emptied_index_is_filled_from_the_first_event_on() -> None:
    async def story() -> None:
        index = Index()
        await Process(index, "first").hear(*TEXTS)
        await index.clear()
        await Process(index, "second").hear(*TEXTS)
        assert await index.texts() == set(TEXTS)

    asyncio.run(story())


@pytest.mark.parametrize("is_begun", [False, True], ids=["and left so", "and begun by another"])
def test_who_filled_an_index_that_was_emptied_meanwhile_does_not_say_that_it_is_full(is_begun: bool) -> None:
    async def story() -> None:
        index = Index()
        first = Process(index, "first")
        await first.hear(*TEXTS)
        await index.clear()
        if is_begun:
            await Process(index, "begun").filling.filled.begin()
        await first.hear(*(f"more {number}" for number in range(OFTEN)), first=5)
        await Process(index, "second").hear(*TEXTS)
        assert await index.texts() >= set(TEXTS)

    asyncio.run(story())


def test_another_log_fills_the_index_anew() -> None:
    async def story() -> None:
        index = Index()
        await Process(index, "first").hear(*TEXTS)
        await Process(index, "second", log="another").hear("other", "words")
        assert await index.texts() >= {"other", "words"}
        await Process(index, "third", log="another").hear("other", "words")
        assert index.puts == len(TEXTS) + 2

    asyncio.run(story())


def test_what_was_withdrawn_since_leaves_the_index_and_what_came_back_is_in_it() -> None:
    async def story() -> None:
        index = Index()
        await Process(index, "first").hear("one", "two", "-two", "three")
        assert await index.texts() == {"one", "three"}
        await Process(index, "second").hear("one", "two", "-two", "three", "-one", "two", "-three", "three")
        assert await index.texts() == {"two", "three"}
        await Process(index, "third").hear("one", "two", "-two", "three", "-one", "two", "-three", "three")
        assert await index.texts() == {"two", "three"}

    asyncio.run(story())


def test_a_process_that_lags_behind_takes_nothing_back() -> None:
    async def story() -> None:
        index = Index()
        ahead, behind = Process(index, "ahead"), Process(index, "behind")
        await behind.hear("one")
        await ahead.hear(*TEXTS)
        await behind.hear("two", first=2)
        put = index.puts
        await Process(index, "next").hear(*TEXTS)
        assert index.puts == put

    asyncio.run(story())


@pytest.mark.parametrize(
    "labels",
    [
        {},
        {"note": ""},
        {"note": "[]"},
        {"note": '{"by":"x","upto":"0.0:99"}'},
        {"note": '{"by":"x","upto":"0.0:99","origins":[]}'},
        {"note": '{"by":"x","upto":"elsewhere","origins":{}}'},
        {"note": '{"by":"x","upto":"0.0:99","origins":{"0":"of another log"}}'},
        {"note": "[" * 4_000},
    ],
    ids=str,
)
def test_a_note_that_says_nothing_that_can_be_true_keeps_nothing_out(labels: Mapping[str, str]) -> None:
    async def story() -> None:
        index = Index()
        (somewhere,) = await EMBEDDER.embed(["somewhere"])
        await index.put([Point(str(UUID(int=9)), somewhere, {LABEL: "k", **labels})])
        await Process(index, "first").hear(*TEXTS)
        assert await index.texts() == set(TEXTS)

    asyncio.run(story())


def test_who_hears_of_nothing_for_the_index_does_not_start_one() -> None:
    class Unstarted(Index):
        async def search(self, *_: object) -> Sequence[Neighbour]:
            raise AssertionError("nobody needs it")

    async def story() -> None:
        index = Unstarted()
        await Process(index, "first").hear()
        assert await index.count() == 0

    asyncio.run(story())


def test_a_process_without_a_name_notes_nothing() -> None:
    async def story() -> None:
        index = Index()
        await Process(index, "").hear(*TEXTS)
        assert await index.count() == len(TEXTS)

    asyncio.run(story())
