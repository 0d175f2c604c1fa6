"""What people may do to runs: given these events, when this is asked, then these events follow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from domain.kernel.errors import NotFound, PrecedentError
from domain.kernel.values import format_time
from domain.rtfs.types import parse_type
from domain.runs.commands import (
    CancelRun,
    GrantApproval,
    PauseRun,
    RefuseApproval,
    ResolveOutcome,
    ResumeRun,
    RunCommand,
    SubmitRun,
)
from domain.runs.decide import (
    ApprovalDiffers,
    Circumstances,
    EffectNotWaiting,
    RunAlreadyPaused,
    RunHasEnded,
    RunNotPaused,
    decide,
)
from domain.runs.events import (
    ApprovalGranted,
    ApprovalRefused,
    ApprovalRequested,
    OutcomeResolved,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunPaused,
    RunResumed,
    RunSubmitted,
    ToolCallOutcomeUnknown,
    ToolCallRequested,
)
from domain.runs.parts import Decision, Fault, RunEvent
from domain.runs.replay import fold
from domain.runs.state import Settlement
from domain.runs.task import Limits, TaskFile, TaskInvalid

NOW = datetime(2026, 11, 21, 8, tzinfo=UTC)
GIVEN = Circumstances(
    now=NOW, known_tools={"fs.read", "fs.write"}, result_types={"fs.write": parse_type(":int")}, default_limits=Limits()
)
FILE = TaskFile(goal="Count words", inputs={"path": "a.txt"}, output=":int", tools=("fs.read", "fs.write"))
DECISION = Decision(role="guard", chosen="ask a person", options=("allow",), reason="the task says so", saw="sha256:0")


def submitted(seconds: float = 300) -> list[RunEvent]:
    file = FILE.model_copy(update={"limits": FILE.limits.model_copy(update={"seconds": seconds})})
    return when([], SubmitRun(task=file))


def when(given: Sequence[RunEvent], command: RunCommand, later: float = 0) -> list[RunEvent]:
    circumstances = Circumstances(
        now=NOW + timedelta(seconds=later),
        known_tools=GIVEN.known_tools,
        result_types=GIVEN.result_types,
        default_limits=GIVEN.default_limits,
    )
    return decide(fold(given), command, circumstances)


def waiting_for_approval() -> list[RunEvent]:
    return [
        *submitted(),
        ApprovalRequested(
            effect="0",
            tool="fs.write",
            arguments={},
            request_digest=f"sha256:{'ab' * 32}",
            remaining=250.0,
            decision=DECISION,
        ),
    ]


def with_unknown_outcome() -> list[RunEvent]:
    return [
        *submitted(),
        ToolCallRequested(effect="0", tool="fs.write", version="1", arguments={}, request_digest="sha256:1"),
        ToolCallOutcomeUnknown(effect="0", tool="fs.write", remaining=200.0),
    ]


def deadline(seconds: float) -> str:
    return format_time(NOW + timedelta(seconds=seconds))


def test_a_submitted_task_is_settled_and_its_time_runs() -> None:
    (event,) = submitted()
    assert isinstance(event, RunSubmitted)
    assert event.deadline == deadline(300)
    assert event.task.input == "[:map [:path :string]]"
    assert event.task.inputs == {"$map": [[{"$kw": "path"}, "a.txt"]]}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tools": ("fs.raed",)}, "tools: 'fs.raed' is no tool here; did you mean fs.read or fs.write? see"),
        ({"approvals": ("http.get",)}, "approvals: 'http.get' is not among the task's tools"),
        ({"output": "[:vector"}, "output:"),
        ({"input": "[:map [:path :int]]"}, "inputs:"),
        ({"checks": ("(> output",)}, "checks.0:"),
        ({"checks": ("(no-such-function output)",)}, "checks.0:"),
    ],
)
def test_a_wrong_task_names_its_field(change: dict[str, Any], words: str) -> None:
    with pytest.raises(TaskInvalid) as raised:
        when([], SubmitRun(task=FILE.model_copy(update=change)))
    assert words in str(raised.value)


def test_submitting_twice_under_one_id_is_refused() -> None:
    with pytest.raises(RunHasEnded):
        when(submitted(), SubmitRun(task=FILE))


@pytest.mark.parametrize(
    "command",
    [
        PauseRun(run="r"),
        ResumeRun(run="r"),
        CancelRun(run="r"),
        GrantApproval(run="r", effect="0"),
        RefuseApproval(run="r", effect="0"),
        ResolveOutcome(run="r", effect="0", outcome="repeat"),
    ],
)
class TestClosedRuns:
    def test_a_run_that_does_not_exist_is_not_found(self, command: RunCommand) -> None:
        with pytest.raises(NotFound):
            when([], command)

    @pytest.mark.parametrize(
        "end",
        [
            RunCompleted(output=1, output_digest="sha256:1"),
            RunFailed(error=Fault(type="x", message="y"), advice="z"),
            RunCancelled(reason="", decision=DECISION),
        ],
        ids=["completed", "failed", "cancelled"],
    )
    def test_an_ended_run_cannot_be_changed(self, command: RunCommand, end: RunEvent) -> None:
        with pytest.raises(RunHasEnded):
            when([*submitted(), end], command)


def test_time_stands_still_while_paused() -> None:
    paused = when(submitted(300), PauseRun(run="r", reason="lunch"), later=100)
    assert isinstance(paused[0], RunPaused)
    assert paused[0].remaining == 200
    (resumed,) = when([*submitted(300), *paused], ResumeRun(run="r"), later=4000)
    assert isinstance(resumed, RunResumed)
    assert resumed.deadline == deadline(4200)


def test_pausing_twice_and_resuming_what_runs_are_refused() -> None:
    with pytest.raises(RunNotPaused):
        when(submitted(), ResumeRun(run="r"))
    with pytest.raises(RunAlreadyPaused):
        when([*submitted(), *when(submitted(), PauseRun(run="r"))], PauseRun(run="r"))


def test_a_run_can_be_cancelled_with_a_reason() -> None:
    (event,) = when(submitted(), CancelRun(run="r", reason="wrong inputs"))
    assert isinstance(event, RunCancelled)
    assert event.reason == event.decision.reason == "wrong inputs"


def test_an_approval_lets_time_go_on_from_where_it_stood() -> None:
    (event,) = when(waiting_for_approval(), GrantApproval(run="r", effect="0", note="fine"), later=9999)
    assert isinstance(event, ApprovalGranted)
    assert event.deadline == deadline(9999 + 250)
    run = fold([*waiting_for_approval(), event])
    assert run.journal["0"].settlement is Settlement.APPROVED
    assert not run.waiting


def test_an_approval_is_of_the_request_that_was_seen() -> None:
    digest = fold(waiting_for_approval()).journal["0"].request_digest
    (event,) = when(waiting_for_approval(), GrantApproval(run="r", effect="0", digest=digest))
    assert isinstance(event, ApprovalGranted)
    assert event.request_digest == digest
    with pytest.raises(ApprovalDiffers) as raised:
        when(waiting_for_approval(), GrantApproval(run="r", effect="0", digest=f"sha256:{'0' * 64}"))
    assert digest in str(raised.value)
    assert "precedent show r" in str(raised.value)
    (older,) = when(waiting_for_approval(), GrantApproval(run="r", effect="0"))
    assert "request_digest" not in older.as_json(), "clients of before do not say what they saw"


@pytest.mark.parametrize("digest", ["", "0" * 64, "sha256:0", "sha256:" + "F" * 64, "sha256:" + "0" * 65, 7])
def test_what_is_no_digest_is_no_approval(digest: Any) -> None:
    with pytest.raises(ValidationError):
        GrantApproval(run="r", effect="0", digest=digest)


def test_a_refusal_is_an_outcome_that_the_program_is_told() -> None:
    (event,) = when(waiting_for_approval(), RefuseApproval(run="r", effect="0", reason="too risky"))
    assert isinstance(event, ApprovalRefused)
    entry = fold([*waiting_for_approval(), event]).journal["0"]
    assert entry.error == Fault(type="approval.refused", message="too risky")


@pytest.mark.parametrize("command", [GrantApproval, RefuseApproval])
def test_only_an_effect_that_waits_can_be_approved_or_refused(command: type[RunCommand]) -> None:
    with pytest.raises(EffectNotWaiting) as raised:
        when(waiting_for_approval(), command(run="r", effect="7"))
    assert "waiting now: 0" in str(raised.value)
    (granted,) = when(waiting_for_approval(), GrantApproval(run="r", effect="0"))
    with pytest.raises(EffectNotWaiting):
        when([*waiting_for_approval(), granted], command(run="r", effect="0"))


def test_a_person_tells_what_became_of_an_unknown_outcome() -> None:
    happened = ResolveOutcome(run="r", effect="0", outcome="happened", result=12)
    (event,) = when(with_unknown_outcome(), happened)
    assert isinstance(event, OutcomeResolved)
    entry = fold([*with_unknown_outcome(), event]).journal["0"]
    assert (entry.settlement, entry.result, entry.by_person) == (Settlement.COMPLETED, 12, True)


def test_a_told_result_must_have_the_tools_type() -> None:
    with pytest.raises(PrecedentError):
        when(with_unknown_outcome(), ResolveOutcome(run="r", effect="0", outcome="happened", result="twelve"))


def test_an_unknown_outcome_may_be_repeated_and_is_counted_again() -> None:
    (event,) = when(with_unknown_outcome(), ResolveOutcome(run="r", effect="0", outcome="repeat"))
    again = ToolCallRequested(effect="0", tool="fs.write", version="1", arguments={}, request_digest="sha256:1")
    assert fold([*with_unknown_outcome(), event, again]).spent.tool_calls == 2


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"goal": "x", "inptus": {}}, "inptus: no such field; did you mean inputs? allowed here: goal, inputs,"),
        ({"goal": "x", "limits": {"secnds": 1}}, "limits.secnds: no such field; did you mean seconds?"),
        ({"goal": "x", "model": "gpt"}, "model: expected a map of name, max_attempts, found 'gpt'"),
        ({"goal": "x", "limits": {"seconds": "soon"}}, "limits.seconds: "),
        ({}, "goal: it is missing"),
        ([], "a task is a map of fields"),
    ],
)
def test_a_malformed_task_file_is_told_what_was_meant(document: object, words: str) -> None:
    with pytest.raises(TaskInvalid) as raised:
        TaskFile.read(document)
    assert words in str(raised.value)
