"""Terms of reuse in precedent.yaml: what they become, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.cache.semantic import Policy
from infra.settings import ConfigurationError, effective, load


def written(folder: Path, text: str) -> Path:
    file = folder / "precedent.yaml"
    file.write_text(text)
    return file


def test_nothing_said_is_what_the_rules_say(tmp_path: Path) -> None:
    assert load(written(tmp_path, "")).cache.evidence.policy == Policy()


def test_the_terms_are_shown_with_where_they_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRECEDENT_CACHE__EVIDENCE__EXPLORE_ONE_IN", "5")
    file = written(tmp_path, "cache: {evidence: {bound: 0.01, judged: 500}}")
    settings = load(file)
    assert settings.cache.evidence.policy == Policy(bound=0.01, judged=500, explore_one_in=5)
    lines = {line.key: (line.value, line.origin) for line in effective(settings)}
    assert lines["cache.evidence.bound"] == ("0.01", str(file))
    assert lines["cache.evidence.explore_one_in"] == ("5", "environment PRECEDENT_CACHE__EVIDENCE__EXPLORE_ONE_IN")
    assert lines["cache.evidence.trust"] == ("0.95", "default")


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("{bound: 0}", "cache.evidence.bound: expected a number from 0.001 to 0.5, not 0.0"),
        ("{bound: 7}", "cache.evidence.bound: expected a number from 0.001 to 0.5, not 7.0"),
        ("{bound: .nan}", "cache.evidence.bound: expected a number from 0.001 to 0.5, not nan"),
        ("{trust: 1}", "cache.evidence.trust: expected a number from 0.5 to 0.9999, not 1.0"),
        ("{explore_one_in: 1}", "cache.evidence.explore_one_in: expected a number from 2 to 1000, not 1"),
        ("{explore_one_in: 1.5}", "cache.evidence.explore_one_in: input should be a valid integer"),
        ("{judge_one_in: 0}", "cache.evidence.judge_one_in: expected a number from 1 to 1000, not 0"),
        ("{near: -0.1}", "cache.evidence.near: expected a number from 0 to 1, not -0.1"),
        ("{floor: 1}", "cache.evidence.floor: expected a number from 0 to 0.99, not 1.0"),
        ("{judged: -1}", "cache.evidence.judged: expected a number from 0 to 8192, not -1"),
        ("{judged: 1000000000000000000000}", "cache.evidence.judged: "),
        ("{bound: [0.1]}", "cache.evidence.bound: input should be a valid number"),
        ("{boundd: 0.1}", "cache.evidence.boundd: unknown key; did you mean cache.evidence.bound?"),
        ("{greatest_share: 3}", "allowed: cache.evidence.bound, cache.evidence.trust,"),
        ("[]", "cache.evidence: input should be a valid dictionary"),
        ("{bound: 0.3, trust: 0.5}", "a bound of 0.3 that may fail in 50% of cases is none"),
    ],
    ids=range(16),
)
def test_nonsense_is_refused_with_key_value_and_range(tmp_path: Path, said: str, refused: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        load(written(tmp_path, f"cache: {{evidence: {said}}}"))
    assert refused in str(error.value)


@pytest.mark.parametrize("said", ["{demoters: [a b]}", "{reinstated_after: 0}", "{reinstated_after: 1001}"])
def test_who_may_demote_and_what_it_takes_to_return(tmp_path: Path, said: str) -> None:
    terms = load(written(tmp_path, 'programs: {demoters: ["user:ops-*"], reinstated_after: 5}')).programs.policy
    assert (terms.demoters, terms.reinstated_after) == (("user:ops-*",), 5)
    assert terms.may_demote("user:ops-3")
    assert not terms.may_demote("user:mallory")
    with pytest.raises(ConfigurationError, match=r"programs\."):
        load(written(tmp_path, f"programs: {said}"))
