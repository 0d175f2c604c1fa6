"""What an answer, or a command, does to an entry."""

from __future__ import annotations

from typing import Any

import pytest

from domain.cache.commands import InvalidateCache, InvalidateEntry, JudgeReuse
from domain.cache.decide import EntryNotInUse, decide, publish
from domain.cache.events import (
    CacheEntryDisputed,
    CacheEntryInvalidated,
    CacheEntryPublished,
    CacheEvent,
    CacheInvalidated,
    CacheTuned,
    ReuseJudged,
)
from domain.cache.state import EMPTY, Entry, evolve
from domain.kernel.errors import NotFound
from domain.kernel.values import format_time
from tests.domain.cache.entries import KEY, at, entry


def given(*events: tuple[CacheEvent, float]) -> Entry:
    state = EMPTY
    for event, seconds in events:
        state = evolve(state, event, format_time(at(seconds)))
    return state


def kinds(events: list[CacheEvent]) -> list[type[CacheEvent]]:
    return [type(event) for event in events]


INVALIDATED = CacheEntryInvalidated(reason="wrong")


def test_the_first_answer_is_published() -> None:
    offer = entry()
    assert publish(EMPTY, offer, at(1)) == [offer]


def test_the_same_answer_again_causes_nothing() -> None:
    assert publish(given((entry(), 1)), entry(run="r2", asked=5), at(6)) == []


def test_another_answer_to_what_is_static_is_noted_and_not_taken() -> None:
    (noted,) = publish(given((entry(), 1)), entry({"result": 43}, run="r2"), at(6))
    assert isinstance(noted, CacheEntryDisputed)
    assert (noted.run, noted.namespace) == ("r2", "default")
    assert noted.value_digest != noted.kept_digest


def test_another_answer_to_what_changes_takes_its_place() -> None:
    first, second = (entry(value, volatility="slow", lasts=100) for value in ({"result": 1}, {"result": 2}))
    assert publish(given((first, 1)), second, at(6)) == [second]


def test_an_answer_is_published_anew_after_the_first_has_expired() -> None:
    first, second = (entry(volatility="fast", lasts=60, asked=asked) for asked in (0, 61))
    assert publish(given((first, 1)), second, at(62)) == [second]
    assert publish(given((first, 1)), second, at(59)) == []


@pytest.mark.parametrize("offer", [entry(volatility="never"), entry(volatility="fast", lasts=60)])
def test_what_may_not_be_kept_is_not_published(offer: CacheEntryPublished) -> None:
    assert publish(EMPTY, offer, at(60)) == []


def test_after_an_invalidation_only_what_was_asked_for_later_is_published() -> None:
    state = given((entry(), 1), (INVALIDATED, 10))
    assert publish(state, entry(asked=9), at(11)) == []
    later = entry(asked=10.5)
    assert publish(state, later, at(11)) == [later]
    assert publish(given((entry(), 1), (INVALIDATED, 10), (later, 11)), entry(asked=12), at(13)) == []


def test_after_its_namespace_was_invalidated_the_same_answer_is_published_anew() -> None:
    later = entry(asked=5)
    assert publish(given((entry(), 1)), later, at(6), is_covered=True) == [later]


def test_a_person_invalidates_an_entry_once() -> None:
    command = InvalidateEntry(entry=KEY.id, reason="wrong")
    assert decide(given((entry(), 1)), command) == [INVALIDATED]
    with pytest.raises(NotFound):
        decide(EMPTY, command)
    with pytest.raises(EntryNotInUse):
        decide(given((entry(), 1), (INVALIDATED, 2)), command)


def test_a_namespace_can_be_invalidated_again_and_again() -> None:
    command = InvalidateCache(namespace="default", tag="crm", reason="moved")
    event = CacheInvalidated(namespace="default", tag="crm", reason="moved")
    assert decide(given((event, 1)), command) == [event]


def test_a_judgement_is_kept_as_it_was_given() -> None:
    command = JudgeReuse(namespace="default", run="r1", level="L3", entry="0" * 64, score=0.9, correct=False)
    (judged,) = decide(EMPTY, command)
    assert isinstance(judged, ReuseJudged)
    assert (judged.correct, judged.source, judged.judge) == (False, "feedback", "person")


@pytest.mark.parametrize(
    "event",
    [
        CacheInvalidated(namespace="default", reason=""),
        CacheTuned(namespace="default", setting="ttl", kind="tool", before=1, after=2, reason=""),
    ],
    ids=["invalidated", "tuned"],
)
def test_what_concerns_a_namespace_says_nothing_of_an_entry(event: Any) -> None:
    assert given((entry(), 1), (event, 2)) == given((entry(), 1))
