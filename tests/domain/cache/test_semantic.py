"""The rule of reuse: what it allows follows from evidence, and nothing else opens it."""

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cache.evidence import BINS, EntryEvidence, Evidence, Observation
from domain.cache.gates import Refusal
from domain.cache.proposing import Near, propose
from domain.cache.semantic import CLOSED, NEIGHBOURS, Policy, Proposal, decide, score_of, threshold_of
from domain.kernel.errors import InvalidInput

POLICY = Policy()


def digest(n: int) -> str:
    return sha256(str(n).encode()).hexdigest()


def judged(score: float, *, right: int, wrong: int = 0, stands_for: int = 1) -> Evidence:
    evidence = Evidence()
    for correct, times in ((True, right), (False, wrong)):
        for _ in range(times):
            evidence = evidence.observe(
                Observation(score=score, correct=correct, judge="equality", stands_for=stands_for)
            )
    return evidence


def verdict(similarity: float, threshold: float, n: int = 0, own: EntryEvidence | None = None) -> str:
    proposal = Proposal(entry="e", similarity=similarity)
    return decide(proposal, threshold, own or EntryEvidence(), POLICY, digest(n)).action


def test_a_new_namespace_reuses_nothing_and_learns_from_everything_alike() -> None:
    assert threshold_of(Evidence(), POLICY) == CLOSED
    assert {verdict(1.0, CLOSED, n) for n in range(50)} == {"explore"}
    assert verdict(0.1, CLOSED) == "miss"


def test_it_opens_when_enough_was_right_and_not_before() -> None:
    assert threshold_of(judged(0.9, right=200), POLICY) == CLOSED
    assert threshold_of(judged(0.9, right=230), POLICY) == pytest.approx(0.9)


def test_so_many_must_have_been_judged_however_right_they_were() -> None:
    loose = Policy(bound=0.2, trust=0.9)
    assert threshold_of(judged(0.9, right=40), loose) < CLOSED
    assert threshold_of(judged(0.9, right=40), Policy(bound=0.2, trust=0.9, judged=41)) == CLOSED
    assert threshold_of(judged(0.9, right=41), Policy(bound=0.2, trust=0.9, judged=41)) < CLOSED


def test_evidence_at_one_score_says_nothing_of_lower_ones() -> None:
    assert threshold_of(judged(0.9, right=5_000), POLICY) == pytest.approx(0.9)


def test_a_tenth_of_what_could_be_reused_is_explored_and_stands_for_ten() -> None:
    found = [decide(Proposal(entry="e", similarity=0.9), 0.8, EntryEvidence(), POLICY, digest(n)) for n in range(3_000)]
    explored = [one for one in found if one.action == "explore"]
    assert {one.action for one in found} == {"explore", "reuse"}
    assert 240 <= len(explored) <= 360
    assert {one.stands_for for one in explored} == {10}


def test_just_below_the_threshold_all_are_judged_and_far_below_a_tenth() -> None:
    assert {verdict(0.75, 0.8, n) for n in range(100)} == {"explore"}
    far = [verdict(0.5, 0.8, n) for n in range(1_000)]
    assert 60 <= far.count("explore") <= 140
    assert "reuse" not in far


def test_an_entry_that_was_wrong_needs_more_than_it_was_wrong_at() -> None:
    own = EntryEvidence().observe(Observation(score=0.9, correct=False, judge="person", source="feedback"))
    assert verdict(0.9, 0.8, 1, own) != "reuse"
    assert "reuse" in {verdict(0.95, 0.8, n, own) for n in range(5)}
    for _ in range(2):
        own = own.observe(Observation(score=0.9, correct=True, judge="equality"))
    assert "reuse" in {verdict(0.9, 0.8, n, own) for n in range(5)}


@given(st.floats(0, 1), st.floats(0, 1) | st.just(CLOSED), st.integers(0, 5), st.integers(0, 5), st.text(max_size=9))
def test_nothing_below_the_threshold_is_ever_reused(
    score: float, threshold: float, right: int, wrong: int, request: str
) -> None:
    own = EntryEvidence(right=right, wrong=wrong, highest_wrong=0.5 if wrong else 0.0)
    found = decide(Proposal(entry="e", similarity=score), threshold, own, POLICY, request)
    assert found.action != "reuse" or score >= threshold
    assert found == decide(Proposal(entry="e", similarity=score), threshold, own, POLICY, request)
    assert found.reason


scores = st.integers(0, BINS).map(lambda step: step / BINS)
batches = st.lists(
    st.tuples(scores, st.integers(0, 400), st.integers(0, 12), st.sampled_from([1, 10])), min_size=1, max_size=5
)


def folded(batch: list[tuple[float, int, int, int]]) -> list[Observation]:
    return [
        Observation(score=score, correct=correct, stands_for=stands_for, judge="equality")
        for score, right, wrong, stands_for in batch
        for correct, times in ((True, right), (False, wrong))
        for _ in range(times)
    ]


@given(batches, st.randoms(use_true_random=False))
def test_the_order_of_observations_does_not_matter(
    batch: list[tuple[float, int, int, int]], order: random.Random
) -> None:
    seen = folded(batch)
    shuffled = list(seen)
    order.shuffle(shuffled)
    one, other = Evidence(), Evidence()
    for first, second in zip(seen, shuffled, strict=True):
        one, other = one.observe(first), other.observe(second)
    assert one == other


@given(batches, scores)
def test_one_more_wrong_answer_above_never_lowers_the_threshold_and_one_more_right_never_raises_it(
    batch: list[tuple[float, int, int, int]], score: float
) -> None:
    evidence = Evidence()
    for seen in folded(batch):
        evidence = evidence.observe(Observation(score=seen.score, correct=seen.correct, judge="equality"))
    before = threshold_of(evidence, POLICY)
    # A wrong one below it is evidence of scores of which nothing was known: with enough right ones above, they pass.
    if score >= before:
        assert threshold_of(evidence.observe(Observation(score=score, correct=False, judge="e")), POLICY) >= before
    assert threshold_of(evidence.observe(Observation(score=score, correct=True, judge="e")), POLICY) <= before


@given(batches)
def test_a_stricter_policy_never_lowers_the_threshold(batch: list[tuple[float, int, int, int]]) -> None:
    evidence = Evidence()
    for seen in folded(batch):
        evidence = evidence.observe(seen)
    before = threshold_of(evidence, POLICY)
    assert threshold_of(evidence, Policy(bound=0.01)) >= before
    assert threshold_of(evidence, Policy(trust=0.999)) >= before


@given(batches)
def test_what_is_reused_was_not_seen_wrong_more_often_than_the_bound(batch: list[tuple[float, int, int, int]]) -> None:
    evidence = Evidence()
    for seen in folded(batch):
        evidence = evidence.observe(seen)
    threshold = threshold_of(evidence, POLICY)
    if threshold == CLOSED:
        return
    cases = wrong = 0.0
    for below_top, stratum in enumerate(evidence.strata(), 1):
        if (BINS - below_top) / BINS >= threshold and stratum.judged:
            cases += stratum.judged
            wrong += stratum.wrong
    assert cases >= 200
    assert wrong / cases < 0.2


def test_a_stream_of_wrong_answers_at_high_scores_closes_an_open_namespace() -> None:
    evidence = judged(0.9, right=7_000)
    assert threshold_of(evidence, POLICY) < CLOSED
    served = 0
    for n in range(10_000):
        found = decide(
            Proposal(entry="poisoned", similarity=0.95),
            threshold_of(evidence, POLICY),
            EntryEvidence(),
            POLICY,
            digest(n),
        )
        if found.action == "reuse":
            served += 1
        if found.action == "explore":
            evidence = evidence.observe(
                Observation(
                    score=found.score,
                    correct=False,
                    stands_for=found.stands_for,
                    reusable=found.reason == "sample of hits",
                    judge="equality",
                )
            )
        if evidence.alarms:
            break
    assert served < 150
    assert threshold_of(evidence, POLICY) == CLOSED
    assert evidence == Evidence(alarms=1)


def test_complaints_about_hits_close_it_sooner() -> None:
    evidence = judged(0.9, right=7_000)
    complaints = 0
    while not evidence.alarms:
        evidence = evidence.observe(
            Observation(score=0.9, correct=False, source="feedback", reusable=True, judge="person")
        )
        complaints += 1
    assert complaints < 60


def test_praise_is_no_sample() -> None:
    evidence = Evidence()
    for _ in range(5_000):
        evidence = evidence.observe(Observation(score=0.9, correct=True, source="feedback", judge="person"))
    assert evidence == Evidence()


def test_as_many_wrong_as_allowed_raise_no_alarm() -> None:
    evidence = Evidence()
    for n in range(20_000):
        evidence = evidence.observe(
            Observation(score=0.9, correct=n % 100 != 0, stands_for=10, reusable=True, judge="equality")
        )
    assert evidence.alarms == 0


def test_memory_is_bounded_and_old_evidence_is_forgotten() -> None:
    evidence = judged(0.9, right=8_192 * 2 + 100)
    assert 8_192 <= sum(stratum.judged for stratum in evidence.strata()) <= 16_384
    assert threshold_of(judged(0.9, right=8_192 * 2 + 100, wrong=300), POLICY) == CLOSED


@pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf"), -0.01, 1.01])
def test_what_is_no_score_is_refused(score: float) -> None:
    with pytest.raises(InvalidInput, match="score"):
        Observation(score=score, correct=True, judge="equality")
    with pytest.raises(InvalidInput):
        Policy(floor=score)


@pytest.mark.parametrize("similarity", [float("nan"), float("inf"), -1.5, 1.0001])
def test_what_is_no_cosine_is_refused(similarity: float) -> None:
    for bad in ({"similarity": similarity}, {"similarity": 0.5, "agreeing": (similarity,)}):
        with pytest.raises(InvalidInput, match="cosine"):
            Proposal(entry="e", **bad)
    with pytest.raises(InvalidInput, match="cosine"):
        Proposal(entry="e", similarity=0.5, differing=(similarity,))


@pytest.mark.parametrize(
    "bad",
    [
        {"bound": 0.0},
        {"bound": 1.0},
        {"bound": float("nan")},
        {"trust": 1.0},
        {"explore_one_in": 1},
        {"judge_one_in": 0},
        {"judged": -1},
    ],
)
def test_policies_that_promise_nothing_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Policy(**bad)


cosines = st.floats(-1, 1)


@given(cosines, st.lists(cosines, max_size=9), st.lists(cosines, max_size=9), cosines)
def test_support_raises_the_score_and_contradiction_lowers_it(
    similarity: float, agreeing: list[float], differing: list[float], more: float
) -> None:
    def scored(pro: list[float], contra: list[float]) -> float:
        return score_of(Proposal(entry="e", similarity=similarity, agreeing=tuple(pro), differing=tuple(contra)))

    found = scored(agreeing, differing)
    assert 0 <= found <= 1
    assert scored([*agreeing, more], differing) >= found - 1e-12
    assert scored(agreeing, [*differing, more]) <= found + 1e-12


def test_a_lone_entry_scores_its_similarity() -> None:
    assert score_of(Proposal(entry="e", similarity=0.99)) == 0.99
    assert score_of(Proposal(entry="e", similarity=-0.5)) == 0


def near(entry: str, text: str, answer: str, similarity: float) -> Near:
    return Near(entry=entry, text=text, answer=answer, similarity=similarity)


def test_the_nearest_that_passes_the_gates_is_proposed_and_all_vote() -> None:
    found = propose(
        "send 200 dollars",
        [
            near("a", "send 100 dollars", "x", 0.95),
            near("b", "send 200 dollars now", "y", 0.9),
            near("c", "go", "y", 0.4),
        ],
    )
    assert found == Proposal(entry="b", similarity=0.9, agreeing=(0.4,), differing=(0.95,))


def test_when_none_passes_the_nearest_says_why() -> None:
    found = propose("send 200 dollars", [near("a", "send 100 dollars", "x", 0.9), near("b", "do not go", "y", 0.1)])
    assert isinstance(found, Refusal)
    assert found.gate == "numbers"
    assert isinstance(propose("anything", []), Refusal)


def test_only_the_nearest_vote() -> None:
    found = propose("go", [near(str(n), "go", "x", 0.9) for n in range(50)])
    assert isinstance(found, Proposal)
    assert len(found.agreeing) == NEIGHBOURS - 1
