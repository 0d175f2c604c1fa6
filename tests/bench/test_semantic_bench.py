"""The benchmark of semantic reuse: its data, its baselines, its counts, and what it says."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from rich.console import Console

from adapters.embedding.lexical import LexicalEmbedder
from domain.cache.proposing import Near
from domain.kernel.embedding import Embedding
from infra.bench.bfcl.figures import Quantiles
from infra.bench.semantic.command import bench
from infra.bench.semantic.corpus import SPLITS, DataInvalid, DataMissing, Request, development, read, reported
from infra.bench.semantic.methods import Bounded, Choice, Fixed, VCache
from infra.bench.semantic.neighbours import Stream
from infra.bench.semantic.report import Report
from infra.bench.semantic.simulation import Part, Result, simulate
from infra.bench.semantic.vcache import Learned, fitted

pytest.importorskip("numpy")

INTENTS = {
    "balance": ["what is my balance", "tell me my balance", "show the balance of my account", "my balance please"],
    "lights": ["turn the lights on", "please turn on the lights", "lights on", "switch on the lights now"],
}


def made(path: Path) -> Path:
    rows = [[text, intent] for intent, texts in INTENTS.items() for text in texts]
    document: dict[str, list[list[str]]] = {
        split: [[f"{split} {text}", intent] for text, intent in rows] for split in SPLITS
    }
    for split in ("oos_train", "oos_val", "oos_test"):
        document[split] = [[f"{split} why is the sky blue", "oos"], [f"{split} why is the sea blue", "oos"]]
    file = path / "data_full.json"
    file.write_text(json.dumps(document))
    return file


def points(texts: Sequence[str]) -> list[Embedding]:
    return list(asyncio.run(LexicalEmbedder().embed(texts)))


def test_the_right_answer_of_an_out_of_scope_request_is_its_own(tmp_path: Path) -> None:
    data = read(made(tmp_path))
    answers = [request.answer for split in SPLITS if split.startswith("oos") for request in data[split]]
    assert len(set(answers)) == len(answers) == 6
    assert {request.answer for request in data["test"]} == set(INTENTS)


def test_no_row_of_the_reported_stream_is_in_the_development_stream() -> None:
    data = {
        split: [Request(f"{split} {n}", "x", split) for n in range(20_000 if split == "train" else 500)]
        for split in SPLITS
    }
    one, other = reported(data, 1), development(data, 1)
    assert len(one) == 16_000
    assert not {request.text for request in one} & {request.text for request in other}
    assert {request.split for request in one} == {"test", "oos_test", "train"}
    assert {request.split for request in other} == {"val", "oos_train", "oos_val", "train"}
    assert reported(data, 1) == one != reported(data, 2)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"train": []}',
        json.dumps({split: [["a"]] for split in SPLITS}),
        json.dumps({split: [[1, "x"]] for split in SPLITS}),
    ],
)
def test_files_that_are_not_the_data_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "data.json"
    file.write_text(content)
    with pytest.raises(DataInvalid, match="clinc/oos-eval"):
        read(file)


def test_without_the_data_it_says_where_it_is(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="clinc/oos-eval"):
        bench(as_json=True)
    with pytest.raises(DataMissing, match="clinc/oos-eval"):
        read(tmp_path / "none.json")


def test_the_nearest_are_those_kept_before_nearest_first() -> None:
    texts = ["a b c d", "a b c e", "x y z", "a b f g", "a b c d"]
    stream = Stream(points(texts))
    kept = stream.kept()
    assert stream.nearest(4, kept, 3) == []
    kept[1] = kept[2] = kept[4] = True
    assert [at for at, _ in stream.nearest(4, kept, 3)] == [1, 2]
    kept[0] = True
    nearest = stream.nearest(4, kept, 1)
    assert nearest[0][0] == 0
    assert nearest[0][1] == pytest.approx(1, abs=1e-6)


def test_neighbours_beyond_those_ranked_beforehand_are_found() -> None:
    texts = [f"word {n} of many" for n in range(400)]
    stream = Stream(points(texts))
    kept = stream.kept()
    similar = [at for at, _ in stream.nearest(399, ~kept, 399)]
    kept[similar[-1]] = True
    assert [at for at, _ in stream.nearest(399, kept, 5)] == [similar[-1]]


def test_hits_wrong_hits_and_calls_are_counted() -> None:
    texts = ["what is my balance", "what is my balance", "what is my balance", "why is the sky blue"]
    requests = [Request(text, answer, "test") for text, answer in zip(texts, ["a", "a", "b", "c"], strict=True)]
    result = simulate(Fixed(0.99), requests, Stream(points(texts)))
    assert (result.whole.hits, result.whole.wrong, result.model_calls, result.stored) == (2, 1, 2, 2)
    assert result.whole.hit_share == 0.5
    assert result.whole.wrong_share == 0.5
    low, high = result.whole.interval
    assert (low, high) == pytest.approx((0.012579, 0.987421), abs=1e-5)  # scipy 1.17.1: binomtest(1, 2).proportion_ci()
    assert (result.last_quarter.requests, result.last_quarter.hits) == (1, 0)


def test_the_rule_of_the_product_learns_to_reuse_on_a_stream_that_repeats_itself() -> None:
    texts = [text for _ in range(250) for intent in INTENTS.values() for text in intent]
    answers = {text: intent for intent, several in INTENTS.items() for text in several}
    requests = [Request(text, answers[text], "test") for text in texts]
    result = simulate(Bounded(), requests, Stream(points(texts)))
    assert result.whole.wrong == 0
    assert result.last_quarter.hit_share > 0.8
    assert result.model_calls == len(texts) - result.whole.hits
    again = simulate(Bounded(), requests, Stream(points(texts)))
    assert (again.whole, again.judged) == (result.whole, result.judged)


def test_vcache_reuses_only_after_six_observations_of_an_entry() -> None:
    learned = Learned()
    for _ in range(4):
        assert learned.asks(0.95, 0.02) == 1
        learned.observe(0.9, right=True)
    assert learned.asks(0.99, 0.02) < 1
    assert learned.asks(0.2, 0.02) == pytest.approx(0.98, abs=0.01)


def test_vcache_asks_more_the_less_alike_and_the_more_was_wrong() -> None:
    learned = Learned()
    for _ in range(30):
        learned.observe(0.9, right=True)
        learned.observe(0.3, right=False)
    asked = [learned.asks(similarity / 100, 0.02) for similarity in range(0, 101, 5)]
    assert asked == sorted(asked, reverse=True)
    before = learned.asks(0.9, 0.02)
    for _ in range(10):
        learned.observe(0.89, right=False)
    assert learned.asks(0.9, 0.02) > before


def test_vcache_fits_the_most_likely_logistic_curve() -> None:
    seen = [(0.0, False), (0.5, False), (0.6, True), (0.65, False), (0.7, True), (0.8, True), (0.9, True), (1.0, True)]
    found = fitted(seen)
    # At the most likely curve, the probabilities sum to the right answers, also when weighted by similarity.
    right = [
        1 / (1 + 2.718281828459045 ** (-found.steepness * (similarity - found.threshold))) for similarity, _ in seen
    ]
    assert sum(right) == pytest.approx(5, abs=1e-6)
    assert sum(p * similarity for p, (similarity, _) in zip(right, seen, strict=True)) == pytest.approx(4.0, abs=1e-6)
    assert found.deviation > 0


def test_vcache_stores_only_what_its_nearest_entry_could_not_answer() -> None:
    method = VCache()
    near = [Near(entry="1", text="a", answer="x", similarity=0.5)]
    assert method.choose("b", near, "d") == Choice("judge", "1")
    assert not method.learn(right=True)
    method.choose("b", near, "d")
    assert method.learn(right=False)


def result(name: str, hits: int, wrong: int) -> Result:
    part = Part(requests=1_000, hits=hits, wrong=wrong)
    times = Quantiles.of([1.0])
    return Result(
        name=name,
        whole=part,
        last_quarter=part,
        model_calls=1_000 - hits,
        judged=0,
        stored=0,
        deciding=times,
        learning=times,
    )


@pytest.mark.parametrize(
    ("embedder", "whole", "hits", "wrong", "passed"),
    [
        ("minilm-v1", True, 400, 8, True),
        ("minilm-v1", True, 400, 9, False),
        ("minilm-v1", True, 200, 0, False),
        ("minilm-v1", False, 0, 0, True),
        ("lexical-384-v1", True, 100, 2, True),
        ("lexical-384-v1", True, 100, 3, False),
    ],
)
def test_it_passes_when_the_bound_is_kept_with_enough_hits(
    embedder: str, whole: bool, hits: int, wrong: int, passed: bool
) -> None:
    report = Report(
        embedder=embedder,
        seed=1,
        requests=1_000,
        out_of_scope=1,
        whole_stream=whole,
        results=[result("Precedent", hits, wrong)],
    )
    assert report.passed is passed
    screen = Console(file=io.StringIO(), width=150)
    screen.print(report.table())
    text = screen.file.getvalue()
    assert embedder in text
    assert f"{hits / 1_000:.1%}" in text
    assert report.document()["methods"][0]["whole"]["wrong"] == wrong


def test_it_runs_on_a_file_of_the_published_form(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEDENT_EMBEDDER", "lexical")
    assert bench(as_json=True, data=made(tmp_path))
    document = json.loads(capsys.readouterr().out)
    assert document["requests"] == 18
    assert document["out_of_scope"] == 2
    assert document["embedder"].startswith("lexical")
    assert [method["name"] for method in document["methods"]][-1] == "Precedent"
