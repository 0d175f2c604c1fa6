"""The entries as tasks without a plan: goals, tools, forms, and which goals do not tell what is right."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from domain.runs.task import TaskFile
from infra.bench.bfcl.corpus import Corpus, Entry, parse_entry
from infra.bench.bfcl.tools import BfclTools
from infra.bench.reuse.workload import MORE_FUNCTIONS, Form, Workload, first_of_each, goal_of, variant_of, workload

NOW = datetime(2026, 2, 3, tzinfo=UTC)
MADE = ("base", "long_context")


def line(**fields: object) -> dict[str, object]:
    return {"id": "multi_turn_base_7", "involved_classes": ["MathAPI"], "initial_config": {}, **fields}


def entry(id_: str, *truth: list[str], said: str = "Add.", config: object = None) -> Entry:
    question = [[{"role": "user", "content": said}], *([] for _ in truth[1:])]
    return parse_entry(line(id=id_, question=question, initial_config=config or {}), truth)


def made(corpus: Corpus, form: Form, *entries: Entry) -> Workload:
    return workload(entries, [list(range(len(each.calls))) for each in entries], BfclTools(corpus).catalogue, form)


def test_the_goal_is_what_the_user_says_and_what_the_runner_says_where_functions_are_added() -> None:
    said = [
        [{"role": "user", "content": "Add 1 and 2."}, {"role": "user", "content": "Quickly."}],
        [],
        [{"role": "user", "content": "And 3."}],
    ]
    entry = parse_entry(line(question=said, excluded_function=["mean"]), [["add(a=1, b=2)"], [], ["add(3, 3)"]])
    assert goal_of(entry) == f"Add 1 and 2.\nQuickly.\n\n{MORE_FUNCTIONS}\n\nAnd 3."
    assert entry.withheld == {"mean"}


def test_by_calls_variants_of_a_task_share_their_program_and_by_turns_they_do_not(made_corpus: Corpus) -> None:
    one = entry("multi_turn_base_0", ["add(a=1, b=2)"], ["add(a=3, b=4)"])
    other = entry("multi_turn_miss_func_0", ["add(a=1, b=2)"], [], ["add(a=3, b=4)"])
    by_calls, by_turns = (made(made_corpus, form, one, other) for form in ("calls", "turns"))
    assert (by_calls.programs, by_turns.programs) == (1, 2)
    assert [task.expected for task in by_calls.tasks] == [[[0, 1]], [[0, 1]]]
    assert [task.expected for task in by_turns.tasks] == [[[0], [1]], [[0], [], [1]]]
    assert not by_calls.untold
    assert not by_turns.untold, "their goals differ by the turn in between"


def test_a_goal_with_two_right_answers_has_the_first_ones_and_tells_nothing_of_the_other(made_corpus: Corpus) -> None:
    one, other = entry("multi_turn_base_0", ["add(1, 2)"]), entry("multi_turn_long_context_0", ["add(1, 9)"])
    found = made(made_corpus, "calls", one, other)
    assert found.plans == {"Add.": found.tasks[0].plan}
    assert found.untold == {"multi_turn_long_context_0"}


def test_a_task_file_has_no_plan_and_all_tools_but_the_withheld(made_corpus: Corpus) -> None:
    without = replace(entry("multi_turn_base_0", ["add(1, 2)"]), withheld=frozenset({"square_root"}))
    found = made(made_corpus, "calls", without)
    (file,) = found.submissions(("L1", "L4"), NOW).values()
    task = TaskFile.read({**file, "inputs": {**file["inputs"]}})
    assert (task.goal, task.plan, task.cache.levels) == ("Add.", None, ("L1", "L4"))
    assert task.tools == ("math-api.add", "math-api.unknown")


def test_the_first_tasks_of_each_variant_are_taken(made_corpus: Corpus) -> None:
    def ids(entries: int | None) -> list[str]:
        return [each.id.removeprefix("multi_turn_") for each in first_of_each(made_corpus, entries, MADE)]

    assert ids(None) == ["base_0", "long_context_0", "long_context_1"]
    assert ids(2) == ["base_0", "long_context_0"]
    assert ids(1) == ["base_0"]
    assert ids(100) == ids(None)


@pytest.mark.parametrize(
    ("id_", "variant"), [("multi_turn_miss_param_17", "miss_param"), ("multi_turn_base_0", "base")]
)
def test_an_id_names_its_variant(id_: str, variant: str) -> None:
    assert variant_of(id_) == variant
