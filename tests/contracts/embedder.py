"""What every embedder does. Subclass it and give an `embedder` fixture."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.embedding.texts import MOST_CHARACTERS
from commands.indexes import Embedder
from domain.kernel.embedding import Embedding, cosine
from domain.kernel.errors import InvalidInput

GOAL = "List the licences of the installed Python packages and those that declare none"
OTHERS = ["add two numbers", "What's the weather in Kyïv? 🌦", "x", "!", GOAL + ".", "Äpfel\tund\nBirnen", "ﬁne" * 50]
HOSTILE = [
    "\ud800",
    "a\udfffb\ud83d",
    "\ud83d\ude42",
    "\0a\0",
    "🙂🙃" * 40,
    "\u202eabc\u202c",
    "e" + "\u0301" * 500,
    "[CLS] [SEP] [PAD] [MASK] [UNK]",
    "##ing </s> <pad>",
    "x" * 100_000,
    "seven words that are said many times " * 2_700,
    "\ufdfa" * 100,
]
"""Each is a text all the same."""

NOTHING = ["", " ", "\t\r\n", "\0", "\0\u200b\ufeff", "\u00a0\u2028\u3000", "\x7f\x1b"]

UNICODE = st.text(st.characters(codec=None, categories=None), max_size=60)
"""Every code point, halves of surrogate pairs too."""


class EmbedderContract:
    async def test_a_point_is_of_unit_length_and_says_whose_it_is(self, embedder: Embedder) -> None:
        for point in await embedder.embed([GOAL, *OTHERS]):
            assert point.checked() is point
            assert point.embedder == embedder.name
            assert point.dimensions == embedder.dimensions

    def test_its_name_can_be_part_of_a_key(self, embedder: Embedder) -> None:
        assert embedder.name
        assert len(embedder.name) <= 200
        assert embedder.name.isascii()
        assert embedder.name.isprintable()
        assert " " not in embedder.name

    async def test_no_texts_have_no_points(self, embedder: Embedder) -> None:
        assert list(await embedder.embed([])) == []

    async def test_a_text_alone_or_among_others_has_the_same_bytes(self, embedder: Embedder) -> None:
        (alone,) = await embedder.embed([GOAL])
        among = await embedder.embed([*OTHERS, GOAL, *reversed(OTHERS), GOAL])
        assert among[len(OTHERS)] == among[-1] == alone
        assert [point.vector for point in among[: len(OTHERS)]] == [
            (await embedder.embed([other]))[0].vector for other in OTHERS
        ]

    async def test_points_come_in_the_order_of_their_texts(self, embedder: Embedder) -> None:
        there = await embedder.embed(OTHERS)
        back = await embedder.embed(OTHERS[::-1])
        assert list(there) == list(back)[::-1]
        assert len({point.vector for point in there}) == len(OTHERS)

    async def test_many_at_once_get_what_each_would_get_alone(self, embedder: Embedder) -> None:
        alone = {text: (await embedder.embed([text]))[0] for text in (GOAL, *OTHERS)}
        asked = [[text, GOAL] for text in (GOAL, *OTHERS)] * 4
        answers = await asyncio.gather(*(embedder.embed(texts) for texts in asked))
        assert [list(answer) for answer in answers] == [[alone[text] for text in texts] for texts in asked]

    async def test_a_text_is_nearest_to_itself(self, embedder: Embedder) -> None:
        (one, again, *others) = await embedder.embed([GOAL, GOAL, *OTHERS])
        assert cosine(one, again) > 0.9999
        assert all(cosine(one, other) < 0.9999 for other in others)

    async def test_long_texts_that_differ_only_far_behind_are_told_apart(self, embedder: Embedder) -> None:
        beginning = "the same beginning of a very long text " * 400
        one, other, again = await embedder.embed([beginning + "cats", beginning + "tax", beginning + "cats"])
        assert one == again
        assert one != other

    @pytest.mark.parametrize("text", HOSTILE, ids=[f"hostile {number}" for number in range(len(HOSTILE))])
    async def test_hostile_texts_have_points_too(self, embedder: Embedder, text: str) -> None:
        one, other = await embedder.embed([text, text])
        assert one.checked() == other

    @pytest.mark.parametrize("text", NOTHING, ids=[f"nothing {number}" for number in range(len(NOTHING))])
    async def test_a_text_with_nothing_to_be_seen_is_refused_and_named(self, embedder: Embedder, text: str) -> None:
        with pytest.raises(InvalidInput, match="text 2 of 2"):
            await embedder.embed([GOAL, text])

    async def test_a_huge_text_is_refused_and_not_shown(self, embedder: Embedder) -> None:
        with pytest.raises(InvalidInput, match=f"{MOST_CHARACTERS + 1:,} characters") as caught:
            await embedder.embed(["x" * (MOST_CHARACTERS + 1)])
        assert len(str(caught.value)) < 200

    async def test_one_text_in_place_of_a_list_is_refused(self, embedder: Embedder) -> None:
        with pytest.raises(InvalidInput, match="list"):
            await embedder.embed("ab")

    @settings(
        max_examples=40,
        deadline=None,
        database=None,  # each adapter has its own failures
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(texts=st.lists(UNICODE, max_size=3))
    async def test_whatever_is_asked_is_answered_by_points_or_refused(
        self, embedder: Embedder, texts: list[str]
    ) -> None:
        try:
            points = await embedder.embed(texts)
        except InvalidInput:
            assert any(not visible(text) for text in texts)
        else:
            assert all(visible(text) for text in texts)
            assert all(isinstance(point.checked(), Embedding) for point in points)
            assert len(points) == len(texts)


def visible(text: str) -> bool:
    """Whether there is anything to be seen in a text; half a surrogate pair is seen as U+FFFD."""
    return any((each.isprintable() and not each.isspace()) or 0xD800 <= ord(each) < 0xE000 for each in text)
