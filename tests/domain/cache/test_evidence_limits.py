"""Upper limits: the values of other implementations, and the laws that reuse rests on."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cache.confidence import Stratum, beta_cdf, is_bounded, log_ratio, lower_limit, upper_limit
from domain.kernel.errors import InvalidInput

# scipy 1.17.1: beta.ppf(trust, wrong + 1, judged - wrong)
PUBLISHED = [
    (0, 1, 0.95, 0.95),
    (0, 149, 0.95, 0.019904816220685077),
    (1, 100, 0.95, 0.046559811453538935),
    (3, 200, 0.9, 0.03309747022756343),
    (17, 1_000, 0.95, 0.025390748776180874),
    (40, 3_000, 0.999, 0.021136992650895397),
    (199, 200, 0.95, 0.9997435664127765),
    (2, 100_000, 0.95, 6.295658396092174e-05),
    (1500, 300_000, 0.95, 0.005217063469311061),
    (7, 20, 0.5, 0.3771052051787048),
]
# mpmath 1.4.1: log(betainc(wrong + 1, judged - wrong + 1, 0, bound) / bound), less the log likelihood at the bound
INTEGRATED = [
    (0, 10, 0.02, 0.1030534373538817),
    (0, 223, 0.02, 2.9946912989559054),
    (3, 500, 0.02, 2.6164618842778027),
    (12, 1_000, 0.02, 1.0302512425365886),
    (40, 5_000, 0.02, 21.870302834263562),
    (100, 5_000, 0.02, -2.139152269647441),
    (1, 30, 0.2, 2.8461508820916124),
    (7, 20_000, 0.001, 4.562531485747721),
]

FIRST = 224

judgements = st.integers(0, 3_000).flatmap(lambda judged: st.tuples(st.integers(0, judged), st.just(judged)))
strata = st.lists(
    st.integers(1, 300).flatmap(
        lambda judged: st.builds(Stratum, st.just(judged), st.integers(0, judged), st.integers(judged, 12 * judged))
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize(("wrong", "judged", "trust", "limit"), PUBLISHED)
def test_limits_are_those_of_scipy(wrong: int, judged: int, trust: float, limit: float) -> None:
    assert upper_limit(wrong, judged, trust) == pytest.approx(limit, rel=1e-9)


def test_so_many_right_answers_in_a_row_are_the_first_to_bound_two_percent() -> None:
    assert upper_limit(0, 148, 0.95) > 0.02 > upper_limit(0, 149, 0.95)
    assert not is_bounded([Stratum(FIRST - 1, 0, FIRST - 1)], 0.02, 0.95)
    assert is_bounded([Stratum(FIRST, 0, FIRST)], 0.02, 0.95)


@pytest.mark.parametrize(("wrong", "judged", "bound", "logarithm"), INTEGRATED)
def test_the_ratio_of_likelihoods_is_the_integral(wrong: int, judged: int, bound: float, logarithm: float) -> None:
    assert log_ratio(wrong, judged, bound) == pytest.approx(logarithm, rel=1e-9, abs=1e-9)


def test_looking_after_every_observation_seldom_trusts_what_is_at_the_bound() -> None:
    fooled = 0
    for seed in range(400):
        drawn = random.Random(seed)
        wrong = 0
        for judged in range(1, 1_500):
            wrong += drawn.random() < 0.02
            if judged % 10 == 0 and is_bounded([Stratum(judged, wrong, judged)], 0.02, 0.95):
                fooled += 1
                break
    # At most 5 % by Ville's inequality; 38 of 400 is what a rate of 5 % reaches once in a hundred thousand times.
    assert fooled < 38


@given(judgements, st.sampled_from([0.5, 0.9, 0.95, 0.999]))
def test_the_limit_is_above_what_was_seen_and_the_lower_one_below(seen: tuple[int, int], trust: float) -> None:
    wrong, judged = seen
    upper, lower = upper_limit(wrong, judged, trust), lower_limit(wrong, judged, trust)
    assert 0 <= lower <= upper <= 1
    assert upper > wrong / judged if wrong < judged else upper == 1
    if judged and 0 < wrong < judged:
        assert lower < wrong / judged


@given(judgements)
def test_one_more_wrong_raises_the_limit_and_one_more_right_lowers_it(seen: tuple[int, int]) -> None:
    wrong, judged = seen
    limit = upper_limit(wrong, judged, 0.95)
    assert upper_limit(wrong + 1, judged + 1, 0.95) >= limit
    assert upper_limit(wrong, judged + 1, 0.95) <= limit


@given(judgements, st.sampled_from([0.005, 0.02, 0.2]), st.sampled_from([0.9, 0.95]))
def test_one_more_right_never_undoes_a_bound_and_one_more_wrong_never_makes_one(
    seen: tuple[int, int], bound: float, trust: float
) -> None:
    wrong, judged = seen
    if is_bounded([Stratum(judged, wrong, judged)], bound, trust):
        assert is_bounded([Stratum(judged + 1, wrong, judged + 1)], bound, trust)
        assert upper_limit(wrong, judged, trust) <= bound
    else:
        assert not is_bounded([Stratum(judged + 1, wrong + 1, judged + 1)], bound, trust)


@given(judgements, st.integers(1, 50), st.lists(st.integers(1, 100), max_size=5))
def test_equal_weights_say_what_the_counts_say(seen: tuple[int, int], each: int, parts: list[int]) -> None:
    wrong, judged = seen
    whole = Stratum(judged, wrong, judged)
    split = [Stratum(part, 0, each * part) for part in parts]
    total = judged + sum(parts)
    weighted = is_bounded([Stratum(judged, wrong, each * judged), *split], 0.02, 0.95)
    if abs(log_ratio(wrong, total, 0.02) - 2.9957) > 1e-3:
        assert weighted == is_bounded([Stratum(total, wrong, total)], 0.02, 0.95)
    assert not wrong or wrong < total or not is_bounded([whole], 0.02, 0.95)


@given(strata)
def test_what_is_bounded_was_seen_below_the_bound(seen: list[Stratum]) -> None:
    cases = sum(stratum.cases for stratum in seen)
    estimate = sum(stratum.cases * stratum.wrong / stratum.judged for stratum in seen) / cases
    if is_bounded(seen, 0.05, 0.95):
        assert estimate < 0.05


def test_nothing_judged_bounds_nothing() -> None:
    assert upper_limit(0, 0, 0.95) == 1
    assert not is_bounded([Stratum(0, 0, 0)], 0.99, 0.95)


def test_a_handful_judged_of_a_great_kind_cannot_be_outvoted_by_many_of_a_small_one() -> None:
    assert not is_bounded([Stratum(10_000, 0, 10_000), Stratum(5, 0, 50_000)], 0.02, 0.95)


@pytest.mark.parametrize("bad", [(1, 0, 0.95), (-1, 5, 0.95), (0, 5, 1.0), (0, 5, 0.3), (0, 5, float("nan"))])
def test_impossible_counts_and_trusts_are_refused(bad: tuple[int, int, float]) -> None:
    with pytest.raises(InvalidInput):
        upper_limit(*bad)


@pytest.mark.parametrize("parameters", [(0.0, 1.0), (1.0, -1.0), (float("nan"), 1.0)])
def test_no_beta_distribution_is_refused(parameters: tuple[float, float]) -> None:
    with pytest.raises(InvalidInput):
        beta_cdf(0.5, *parameters)


@pytest.mark.parametrize("bound", [0.0, 1.0, -0.1, float("nan")])
def test_no_bound_is_refused(bound: float) -> None:
    with pytest.raises(InvalidInput):
        is_bounded([Stratum(10, 0, 10)], bound, 0.95)
