import hashlib
import sys
import unicodedata

import pytest

from adapters.embedding.lexical import LexicalEmbedder, directions, point
from adapters.embedding.texts import readable
from adapters.embedding.unit import unit
from commands.indexes import Embedder
from domain.kernel.embedding import cosine
from tests.contracts.embedder import EmbedderContract


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return LexicalEmbedder()


class TestLexicalEmbedder(EmbedderContract):
    pass


def near(one: str, other: str) -> float:
    return cosine(point(one), point(other))


def test_its_name_says_that_it_knows_words_only() -> None:
    assert LexicalEmbedder().name == "lexical-384-v1"


def test_points_never_change_under_one_name() -> None:
    """They are kept in indexes: whoever changes them changes the name."""
    text = "Zwölf Bäume, naïve: 3.5 km away!"
    assert (
        hashlib.sha256(point(text).vector).hexdigest()
        == "839bbd8348c1d315b3386643f5007ec9753fe13457da19fc2be9f9cb3b3652e2"
    )


def test_the_same_words_in_another_spelling_are_the_same() -> None:
    assert near("LIST the Files", "list the files") > 0.9999
    assert near("naı\u0308ve ﬁles".replace("ı", "i"), "naïve files") > 0.9999
    assert near("list  the\n\tfiles", "list the files") > 0.9999


@pytest.mark.parametrize(
    ("text", "nearer", "farther"),
    [
        ("list the files", "list the files please", "list the users"),
        ("list the installed packages", "list the instaled packages", "list the sealed packages"),
        ("transfer money to my account", "transferring money to my accounts", "when is my flight"),
        ("send bob the money of anna", "send bob the money of ann", "send anna the money of bob and carol"),
    ],
)
def test_shared_words_and_parts_of_words_make_texts_near(text: str, nearer: str, farther: str) -> None:
    assert near(text, nearer) > near(text, farther)


def test_the_order_of_words_counts() -> None:
    assert near("dog bites man", "man bites dog") < 0.99


def test_meaning_is_not_known() -> None:
    assert near("automobile", "car") < 0.2


def test_every_character_that_can_be_seen_has_a_point() -> None:
    """Whatever normalization makes of it: none of them becomes nothing."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if character.isprintable() and not character.isspace():
            assert not unicodedata.normalize("NFKC", character).casefold().isspace()
            assert any(directions(character)), f"U+{code:04X}"


def test_half_a_surrogate_pair_is_unreadable_and_a_whole_one_is_its_character() -> None:
    assert readable(["\ud83d\ude42", "a\ud83d"]) == ["🙂", "a\ufffd"]


@pytest.mark.parametrize("components", [[], [0.0, 0.0], [float("nan")], [float("inf"), 1.0], [1e300, 1.0]])
def test_numbers_without_a_direction_are_no_point(components: list[float]) -> None:
    with pytest.raises((ValueError, OverflowError)):
        unit("any", components)
