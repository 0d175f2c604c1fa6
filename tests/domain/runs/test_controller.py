"""What comes next in a run is a function of its events and the time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from domain.kernel.values import digest
from domain.runs.commands import CancelRun, PauseRun, ResumeRun
from domain.runs.controller import (
    Step,
    attempts_left,
    budget_broken,
    compiled,
    concluded,
    drafted,
    failed,
    next_step,
    overtime,
    rejected,
    route,
)
from domain.runs.critic import judge
from domain.runs.decide import decide
from domain.runs.events import ModelCallAnswered, ModelCallRequested, RunCompleted, RunFailed, TimerFired, TimerStarted
from domain.runs.guard import authorize
from domain.runs.parts import RunEvent
from domain.runs.planning import RunRouted
from domain.runs.replay import fold
from domain.runs.state import Settlement
from tests.domain.runs.given import NOW, circumstances, deadline, executing, later, submitted
from tests.domain.runs.test_guard import WRITE, asked


def step(given: Sequence[RunEvent], seconds: float = 0) -> Step:
    return next_step(fold(given), later(seconds))


def told(given: Sequence[RunEvent], command: Any, seconds: float = 0) -> list[RunEvent]:
    return [*given, *decide(fold(given), command, circumstances(seconds))]


def planned_by_model(attempts: int = 3, **limits: Any) -> list[RunEvent]:
    given = submitted(plan=None, model={"name": "m", "max_attempts": attempts}, limits=limits)
    return [*given, route(fold(given), ("m",))]


def answered(effect: str, tokens: int = 0, usd: float = 0.0) -> ModelCallAnswered:
    return ModelCallAnswered(
        effect=effect,
        text="7",
        served_model="m-1",
        prompt_tokens=tokens,
        completion_tokens=0,
        usd=usd,
        recorded=False,
        duration=1.0,
    )


def judged(given: list[RunEvent], output: Any) -> list[RunEvent]:
    return [*given, judge(fold(given).accepted_task, output)]


class TestSteps:
    def test_a_run_goes_from_step_to_step(self) -> None:
        events = executing("7", output=":int")
        assert [step(events[:count]) for count in range(len(events) + 1)] == [
            Step.END,
            Step.ROUTE,
            Step.DRAFT,
            Step.COMPILE,
            Step.EXECUTE,
        ]
        assert step(judged(events, 7)) is Step.CONCLUDE

    def test_a_rejected_draft_leads_to_another(self) -> None:
        events = planned_by_model()
        events.append(drafted(fold(events), "(+ 1", "m"))
        events.append(rejected(fold(events), "line 1: an end is missing"))
        assert step(events) is Step.DRAFT
        assert [draft.rejected for draft in fold(events).drafts] == ["line 1: an end is missing"]

    @pytest.mark.parametrize("ended", ["completed", "failed", "cancelled"])
    def test_an_ended_run_stays_so(self, ended: str) -> None:
        events = executing()
        events = {
            "completed": [*events, RunCompleted(output=7, output_digest=digest(7))],
            "failed": [*events, failed("x", "y", advice="z")],
            "cancelled": told(events, CancelRun(run="r")),
        }[ended]
        assert step(events, 10**6) is Step.END

    def test_a_paused_run_rests_and_goes_on_where_it_was(self) -> None:
        events = told(executing(), PauseRun(run="r"))
        assert step(events, 10**6) is Step.REST
        assert step(told(events, ResumeRun(run="r"), 10**6), 10**6) is Step.EXECUTE

    def test_a_run_that_waits_for_a_person_rests(self) -> None:
        events = executing("(call :t.write {:n 1})", approvals=["t.write"])
        request = authorize(fold(events), asked("t.write"), WRITE, NOW)
        assert request is not None
        assert step([*events, request], 10**6) is Step.REST


class TestTime:
    def test_active_time_runs_out_in_every_phase_but_the_last(self) -> None:
        events = executing("7", limits={"seconds": 60})
        for count in range(1, len(events) + 1):
            assert step(events[:count], 59.9) is not Step.OVERTIME
            assert step(events[:count], 60) is Step.OVERTIME
        assert step(judged(events, 7), 61) is Step.CONCLUDE, "the work is done"

    def test_sleeping_is_active_time(self) -> None:
        events = executing("7", limits={"seconds": 60})
        events.append(TimerStarted(effect="0", due=deadline(100), request_digest="sha256:0"))
        assert step(events, 61) is Step.OVERTIME

    def test_a_timer_that_fired_is_settled(self) -> None:
        events = [*executing(), TimerStarted(effect="0", due=deadline(1), request_digest="sha256:0")]
        assert fold(events).journal["0"].settlement is Settlement.SLEEPING
        assert fold([*events, TimerFired(effect="0")]).journal["0"].settlement is Settlement.COMPLETED

    def test_overtime_says_which_limit(self) -> None:
        event = overtime(fold(executing("7", limits={"seconds": 1.5})))
        assert (event.error.type, "1.5 seconds" in event.error.message) == ("limits.seconds", True)


class TestRoutes:
    def test_a_plan_goes_before_a_model(self) -> None:
        event = route(fold(submitted(plan="7", model={"name": "m"})), ("m",))
        assert isinstance(event, RunRouted)
        assert (event.route, event.decision.chosen, event.decision.role) == ("given-plan", "given-plan", "router")

    def test_without_a_plan_the_tasks_model_is_asked(self) -> None:
        event = route(fold(submitted(plan=None, model={"name": "b"})), ("a", "b"))
        assert isinstance(event, RunRouted)
        assert (event.decision.chosen, event.decision.options) == ("model b", ("model a", "model b"))

    def test_without_either_the_way_out_is_named(self) -> None:
        event = route(fold(submitted(plan=None)), ("a",))
        assert isinstance(event, RunFailed)
        assert event.error.type == "run.no-planner"
        assert "'default' is not configured (configured: a)" in event.error.message
        assert "precedent.yaml" in event.advice

    def test_what_the_router_saw_is_told_apart(self) -> None:
        seen = {route(fold(submitted(goal=goal)), ()).decision.saw for goal in ("a", "b", "a")}  # type: ignore[union-attr]
        assert len(seen) == 2


class TestDrafts:
    def test_attempts_are_counted(self) -> None:
        events = planned_by_model(attempts=2)
        for attempt in (1, 2):
            assert attempts_left(fold(events))
            draft = drafted(fold(events), "(+ 1", "m-1")
            assert (draft.attempt, draft.decision.chosen) == (attempt, f"draft {attempt}")
            events += [draft, rejected(fold([*events, draft]), "no")]
        assert not attempts_left(fold(events))

    def test_a_given_plan_is_tried_once(self) -> None:
        assert not attempts_left(fold(executing()))

    def test_the_compilers_word_is_its_decision(self) -> None:
        events = planned_by_model()
        events.append(drafted(fold(events), "(+ 1", "m"))
        event = rejected(fold(events), "an end is missing")
        assert (event.attempt, event.message, event.decision.role, event.decision.chosen) == (
            1,
            "an end is missing",
            "compiler",
            "reject",
        )
        accepted = compiled(fold(events), digest="d", interface_hash="i", effects=(), module="m", source_map="{}")
        assert (accepted.decision.chosen, accepted.decision.saw) == ("accept", event.decision.saw)


class TestBudgets:
    def test_within_its_budget_a_model_may_be_asked(self) -> None:
        events = [*planned_by_model(tokens=100, usd=1.0), answered("plan/1", tokens=99, usd=0.99)]
        assert budget_broken(fold(events)) is None

    @pytest.mark.parametrize(
        ("tokens", "usd", "kind"), [(100, 0.0, "limits.tokens"), (101, 0.0, "limits.tokens"), (1, 1.0, "limits.usd")]
    )
    def test_a_budget_that_is_used_up_ends_the_run(self, tokens: int, usd: float, kind: str) -> None:
        events = [*planned_by_model(tokens=100, usd=1.0), answered("plan/1", tokens, usd)]
        broken = budget_broken(fold(events))
        assert broken is not None
        assert broken.error.type == kind

    def test_no_money_at_all_still_allows_what_costs_nothing(self) -> None:
        assert budget_broken(fold([*planned_by_model(usd=0), answered("plan/1", tokens=5)])) is None

    def test_without_tokens_no_model_is_asked(self) -> None:
        broken = budget_broken(fold(planned_by_model(tokens=0)))
        assert broken is not None
        assert broken.error.type == "limits.tokens"

    def test_answers_add_up(self) -> None:
        events = [*planned_by_model(), answered("plan/1", 10, 0.5), answered("plan/2", 5, 0.25)]
        assert (fold(events).spent.tokens, fold(events).spent.usd) == (15, 0.75)

    def test_a_question_on_record_is_known(self) -> None:
        question = ModelCallRequested(effect="plan/1", model="m", request={}, request_digest="sha256:1")
        assert fold([*planned_by_model(), question]).asked == {"plan/1": "sha256:1"}


class TestConclusions:
    def test_what_the_critic_accepts_is_the_result(self) -> None:
        events = executing("7", output=":int")
        verdict = judge(fold(events).accepted_task, 7)
        assert concluded(verdict, 7) == RunCompleted(output=7, output_digest=digest(7))

    def test_what_the_critic_rejects_is_no_result(self) -> None:
        events = executing("7", output=":int", checks=["(> output 7)"])
        event = concluded(judge(fold(events).accepted_task, 7), 7)
        assert isinstance(event, RunFailed)
        assert event.error.type == "critic.rejected"
        assert "(postconditions): (> output 7) is not true" in event.error.message
