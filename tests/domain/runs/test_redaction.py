"""A run without its secrets still replays, and nothing of them, or made of them, is left."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.kernel.values import Keyword, bytes_of_text, digest_json, encode
from domain.runs.controller import failed
from domain.runs.events import ToolCallFailed
from domain.runs.guard import request_digest
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import Fault
from domain.runs.planning import ProgramCompiled
from domain.runs.redaction import PATTERNS, NotRedactable, redacted
from domain.runs.replay import fold, verify
from tests.domain.runs.given import completed, executing
from tests.domain.runs.test_replay import ended, whole
from tests.histories.test_replay import ENDS, history, lines

KEY = "sk-abcdefghijklmnopqrstuvwxyz"


DIGEST = re.compile("sha256:[0-9a-f]{64}")


def _without_code(data: dict[str, Any]) -> dict[str, Any]:
    return {key: item for key, item in data.items() if key not in ("module", "source_map")}


def told(events: Any) -> str:
    """All that the events say, their programs included; digests aside, in which any short number may be found."""
    parts = [DIGEST.sub("", orjson.dumps(_without_code(event.as_json())).decode()) for event in events]
    parts += [bytes_of_text(each.module).decode("latin-1") for each in events if isinstance(each, ProgramCompiled)]
    return "\n".join(parts)


@pytest.mark.parametrize("name", ENDS)
def test_a_run_without_secrets_stays_as_it_is(name: str) -> None:
    events = history(lines(name))
    assert redacted(events) is events


@pytest.mark.parametrize("secret", ["hunter22", "Zürich-ß", 'with "quotes"', "x" * 5000, "1234"])
def test_a_named_field_is_gone_wherever_it_went(secret: str) -> None:
    plan = '(let [n (call :t.read {:n 1})] {:said (str "to " (:password inputs) n) :size (count (:password inputs))})'
    events = [*executing(plan, inputs={"password": secret, "user": "ann"}), completed("0", "t.read", 5, n=1)]
    events = ended(events, {Keyword("said"): f"to {secret}5", Keyword("size"): len(secret)})
    verify(events)
    made = redacted(events, ["password"])
    assert secret not in told(made)
    assert orjson.dumps(secret).decode()[1:-1] not in told(made)
    run = fold(made)
    assert run.output["$map"][1][1] == len(secret), "lengths stay, so what counts them does"
    assert "ann" in told(made)
    assert verify(made).effects == 1


def test_what_is_made_of_a_secret_is_gone_too() -> None:
    plan = "(let [n (call :t.read {:n 1})] (string-upper (:password inputs)))"
    events = ended([*executing(plan, inputs={"password": "hunter22"}), completed("0", "t.read", 5, n=1)], "HUNTER22")
    made = redacted(events, ["password"])
    assert "HUNTER22" not in told(made)
    assert fold(made).output == fold(made).accepted_task.inputs["$map"][0][1].upper()


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAABCDEFGHIJKLMNOP",
        "AIza" + "a" * 35,
        "xoxb-1234567890-abc",
        "eyJhbGciOiJI.eyJzdWIiOiIx.abcdefgh",
        "Authorization: Bearer abcdef123456",
        "postgres://ann:s3cr3t@host/db",
        "password=correct-horse",
        '{"api_key": "0123456789abcdef"}',
        "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_secret_is_found_in_every_place(text: str) -> None:
    (secret,) = {match.group(1) for pattern in PATTERNS for match in pattern.finditer(text)}
    literal = orjson.dumps(text).decode()
    plan = f"(do (call :t.read {{:n 1}}) [{literal} (:note inputs)])"
    events = executing(plan, goal=f"Use {text}", inputs={"note": text})
    made = redacted(ended([*events, completed("0", "t.read", 5, n=1)], [text, text]))
    for written in {secret, orjson.dumps(secret).decode()[1:-1]}:
        assert written not in told(made)
    verify(made)


def test_equal_secrets_stay_equal_and_different_ones_different() -> None:
    plan = "(do (call :t.read {:n 1}) [(= (:a inputs) (:b inputs)) (= (:a inputs) (:c inputs))])"
    inputs = {"a": "secret-one-and-long", "b": "secret-one-and-long", "c": "secret-two-and-long"}
    events = ended([*executing(plan, inputs=inputs), completed("0", "t.read", 5, n=1)], [True, False])
    made = redacted(events, ["a", "b", "c"])
    assert fold(made).output == [True, False]


def test_numbers_and_nested_values_beneath_a_field_are_gone() -> None:
    inputs = {"who": {"salary": 98765, "notes": [{"text": "quite rich"}, 4321.5]}, "year": 2026}
    events = ended([*executing("(:year inputs)", inputs=inputs)], 2026)
    made = redacted(events, ["who"])
    for secret in ("98765", "quite rich", "4321"):
        assert secret not in told(made)
    assert fold(made).output == 2026


def test_a_failure_that_quotes_a_secret() -> None:
    arguments = encode({"n": 1})
    broken = ToolCallFailed(
        effect="0",
        tool="t.read",
        version="1",
        arguments=arguments,
        request_digest=request_digest("t.read", "1", arguments),
        error=Fault(type="t.refused", message=f"no such key: {KEY}"),
        duration=0.1,
    )
    end = failed("t.refused", f"no such key: {KEY} (line 1, column 1 of the plan)", advice="", effect="0")
    made = redacted([*executing("(call :t.read {:n 1})"), broken, end])
    assert KEY not in told(made)
    assert verify(made).ended == "failed"


def test_a_run_that_the_secret_decides_about_is_refused() -> None:
    plan = '(if (= (:password inputs) "hunter22") (call :t.read {:n 1}) (call :t.pure {:n 1}))'
    events = ended([*executing(plan, inputs={"password": "hunter22"}), completed("0", "t.read", 5, n=1)], 5)
    made = redacted(events, ["password"])
    assert "hunter22" not in told(made), "the plan's own text has the same stand-in"
    plan = '(if (= (string-upper (:password inputs)) "HUNTER22") (call :t.read {:n 1}) (call :t.pure {:n 1}))'
    events = ended([*executing(plan, inputs={"password": "hunter22"}), completed("0", "t.read", 5, n=1)], 5)
    with pytest.raises(NotRedactable, match="without its secrets the program does something else: effect 0"):
        redacted(events, ["password"])


def test_a_field_that_is_nowhere_is_told() -> None:
    with pytest.raises(NotRedactable, match="has a field passwrd"):
        redacted(executing("7", inputs={"password": "hunter22"}), ["password", "passwrd"])


def test_a_run_that_diverges_is_not_made_to_replay() -> None:
    forged = [
        event.model_copy(update={"result": 9, "result_digest": digest_json(9)})
        if getattr(event, "effect", "") == "1" and event.short_name() == "ToolCallCompleted"
        else event
        for event in whole()
    ]
    with pytest.raises(ReplayDiverged):
        redacted(forged, ["n"])


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_whatever_the_secret_it_is_removed_or_refused(one: str, other: str) -> None:
    plan = "(do (call :t.read {:n 1}) (str (:a inputs) (:b inputs)))"
    try:
        events = executing(plan, inputs={"a": one, "b": other})
    except ValueError:
        return
    events = ended([*events, completed("0", "t.read", 5, n=1)], one + other)
    try:
        made = redacted(events, ["a", "b"])
    except NotRedactable:
        return
    verify(made)
    inputs = {key["$kw"]: item for key, item in fold(made).accepted_task.inputs["$map"]}
    assert inputs["a"] != one or len(one) < 4
    assert len(inputs["a"]) == len(one)
