"""Texts that are near each other and ask for different things; and those that only look different."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cache.gates import GATES, MOST_CHARACTERS, Text, refusal

DIFFERENT = [
    ("polarity", "do not delete the file", "delete the file"),
    ("polarity", "never call me again", "call me again"),
    ("polarity", "I don't want milk", "I want milk"),
    ("polarity", "a cake without eggs", "a cake with eggs"),
    ("polarity", "please lock the door", "please unlock the door"),
    ("polarity", "activate my card", "deactivate my card"),
    ("polarity", "turn the light on", "turn the light off"),
    ("polarity", "raise the limit", "lower the limit"),
    ("polarity", "n\u200bot now", "now"),
    ("extremes", "find the smallest of these numbers", "find the middle of these numbers"),
    ("extremes", "the lowest price this year", "the price this year"),
    ("extremes", "which player scored the most", "which player scored"),
    ("extremes", "the oldest of my orders", "the longest of my orders"),
    ("extremes", "the best and the cheapest flight", "the cheapest flight"),
    ("extremes", "show the MAXIMUM speed", "show the speed"),
    ("extremes", "Open a ticket for the crash. Set to max priority.", "Open a ticket for the crash."),
    ("polarity", "sort by the highest price", "sort by the lowest price"),
    ("numbers", "send 100 dollars", "send 200 dollars"),
    ("numbers", "send two dollars", "send three dollars"),
    ("numbers", "resize to 10 by 20", "resize to 20 by 10"),
    ("numbers", "version 1.1", "version 1.10"),
    ("numbers", "it is -5 outside", "it is 5 outside"),
    ("numbers", "wake me at 7:30", "wake me at 7:15"),
    ("numbers", "twenty-five people", "twenty-six people"),
    ("numbers", "send 100 dollars", "send dollars"),
    ("units", "how far is 5 km", "how far is 5 miles"),
    ("units", "cost in dollars", "cost in yen"),
    ("units", "pay $5", "pay €5"),
    ("units", "alarm at 7am", "alarm at 7pm"),
    ("dates", "meet on Monday", "meet on Tuesday"),
    ("dates", "weather tomorrow", "weather today"),
    ("dates", "report of last month", "report of this month"),
    ("quotations", 'translate "thank you"', 'translate "you are welcome"'),
    ("quotations", "grep 'abc' here", "grep 'abd' here"),
    ("identifiers", "open src/main.py", "open src/test.py"),
    ("identifiers", "status of INV-2041A", "status of INV-2041B"),
    ("identifiers", "mail anna@example.org", "mail bob@example.org"),
    ("identifiers", "call getUser now", "call setUser now"),
    ("identifiers", "price of AAPL", "price of MSFT"),
    ("names", "the weather in Paris", "the weather in London"),
    ("names", "the weather in Paris", "the weather in london"),
    ("names", "does Anna owe Bob", "does Bob owe Anna"),
    ("roles", "fly from paris to rome", "fly from rome to paris"),
    ("roles", "move it from my savings to checking", "move it from checking to savings"),
]

ALIKE = [
    ("don’t delete it", "do not delete it"),
    ("I can't log in", "I cannot log in"),
    ("send 1,000 dollars", "send 1000 dollars"),
    ("pay $5", "pay 5 dollars"),
    ("set an alarm for 5pm", "set an alarm for 5 p.m."),
    ("the weather in Paris", "what is the weather in paris"),
    ("meet on Monday", "on monday, meet"),
    ("Please book a flight", "book me a flight"),
    ("five people", "5 people"),
    ("what's up", "what is up"),
    ("the ﬁle", "the file"),
    ("the highest of these prices", "what is the maximum of these prices"),
    ("the fewest words", "the least words"),
    ("the interest on my request", "what is the interest on my request"),
]


@pytest.mark.parametrize(("gate", "asked", "stored"), DIFFERENT)
def test_what_differs_is_refused_both_ways(gate: str, asked: str, stored: str) -> None:
    for one, other in ((asked, stored), (stored, asked)):
        found = refusal(one, other)
        assert found is not None
        assert found.gate == gate
        assert found.reason


@pytest.mark.parametrize(("asked", "stored"), ALIKE)
def test_what_is_the_same_passes(asked: str, stored: str) -> None:
    assert refusal(asked, stored) is None
    assert refusal(stored, asked) is None


texts = st.text(max_size=300) | st.lists(
    st.sampled_from(
        ["not", "un", "1,000", "1", ",", '"', "'", "`", "from", "to", "a.b", "Paris", "5km", "\u200b", "-", "٣", "ß"]
    ),
    max_size=60,
).map(" ".join)


@given(texts)
def test_a_text_is_never_refused_its_own_answer(text: str) -> None:
    assert refusal(text, text) is None
    if len(text) <= MOST_CHARACTERS:
        assert all(gate(Text(text), Text(text)) is None for gate in GATES if gate.__name__ != "roles")


@given(texts, texts)
def test_refusals_do_not_depend_on_who_came_first(one: str, other: str) -> None:
    assert (refusal(one, other) is None) == (refusal(other, one) is None)


@pytest.mark.parametrize("made_of", ["1,", "111,", '"', "'a ", "1.", "un", "\ufdfa", "`", "a.b", "from to ", "\ud800"])
def test_hostile_texts_are_compared_or_refused(made_of: str) -> None:
    most = (made_of * MOST_CHARACTERS)[:MOST_CHARACTERS]
    refusal(most, most[:-1] + "x")
    too_long = refusal(most + made_of, "x")
    assert too_long is not None
    assert too_long.gate == "length"
    assert len(too_long.reason) < 200


def test_a_reason_shows_little_of_a_long_word() -> None:
    found = refusal("9" * 5_000, "8" * 5_000)
    assert found is not None
    assert len(found.reason) < 200
