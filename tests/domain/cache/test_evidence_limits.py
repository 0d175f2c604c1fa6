"""Upper limits: the values of other implementations, and the laws that reuse rests on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.cache.confidence import Stratum, beta_cdf, is_bounded, lower_limit, upper_limit, weighted_upper_limit
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


def test_149_right_answers_in_a_row_are_the_first_to_bound_two_percent() -> None:
    assert not is_bounded([Stratum(148, 0, 148)], 0.02, 0.95)
    assert is_bounded([Stratum(149, 0, 149)], 0.02, 0.95)


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


@given(judgements, st.integers(1, 50), st.sampled_from([0.9, 0.95]))
def test_equal_weights_give_clopper_and_pearson(seen: tuple[int, int], each: int, trust: float) -> None:
    wrong, judged = seen
    limit = weighted_upper_limit([Stratum(judged, wrong, each * judged)], trust)
    assert limit == pytest.approx(upper_limit(wrong, judged, trust), rel=1e-6)


@given(strata)
def test_unequal_weights_bound_what_they_estimate(seen: list[Stratum]) -> None:
    cases = sum(stratum.cases for stratum in seen)
    estimate = sum(stratum.cases * stratum.wrong / stratum.judged for stratum in seen) / cases
    limit = weighted_upper_limit(seen, 0.95)
    assert limit == 1 or limit > estimate


@given(strata, st.floats(0.001, 0.5))
def test_bounded_is_the_limit_compared(seen: list[Stratum], bound: float) -> None:
    limit = weighted_upper_limit(seen, 0.95)
    if abs(limit - bound) > 1e-6:
        assert is_bounded(seen, bound, 0.95) == (limit < bound)


def test_nothing_judged_bounds_nothing() -> None:
    assert upper_limit(0, 0, 0.95) == 1
    assert weighted_upper_limit([], 0.95) == 1
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
