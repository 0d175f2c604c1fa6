"""A plan that imports modules: its task brings their texts, and the record says which they were."""

from __future__ import annotations

from typing import Any

import pytest

from commands.replays import recorded_events
from commands.runs.driver import Rest
from domain.kernel.ids import StreamId
from domain.rtfs.compiler.linking import MAX_CHARACTERS, MAX_MODULES
from domain.rtfs.modules import ModuleSource
from domain.runs.journal import ReplayDiverged
from domain.runs.parts import RunEvent
from domain.runs.planning import ProgramCompiled
from domain.runs.replay import verify
from tests.commands.test_driver import told
from tests.commands.world import TENANT, World

RUN = StreamId(TENANT, "run", "r1")
BASE = "(module text.base (:exports [twice]) (defn twice [n] (* 2 n)))"
BASE_DIGEST = ModuleSource(BASE).digest
CALLS = f"""(module text.calls
  (import text.base :as base :digest "{BASE_DIGEST}")
  (defn asked [n] (base/twice (call :t.read {{:n n}}))))"""
CALLS_DIGEST = ModuleSource(CALLS).digest
PLAN = f'(import text.calls :as c :digest "{CALLS_DIGEST}")\n(c/asked 3)'
MODULES = {"text.calls": CALLS, "text.base": BASE}


async def events_of(world: World) -> list[RunEvent]:
    return list(await recorded_events(world.store, RUN))


@told
async def test_modules_are_resolved_and_all_of_them_are_pinned(world: World) -> None:
    await world.submit("r1", PLAN, modules=MODULES)
    assert await world.drive("r1") is Rest.ENDED
    run = await world.state("r1")
    assert run.output == 8
    assert run.program is not None
    assert [(pin.name, pin.digest) for pin in run.program.modules] == [
        ("text.base", BASE_DIGEST),
        ("text.calls", CALLS_DIGEST),
    ]
    assert (await world.verify("r1")).effects == 1


@told
async def test_a_replay_refuses_other_texts(world: World) -> None:
    await world.submit("r1", PLAN, modules=MODULES)
    await world.drive("r1")
    events = await events_of(world)
    task = events[0].task.model_copy(update={"modules": MODULES | {"text.base": BASE + " "}})  # type: ignore[attr-defined]
    with pytest.raises(ReplayDiverged, match=f"module text.base {BASE_DIGEST}"):
        verify([events[0].model_copy(update={"task": task}), *events[1:]])
    without = task.model_copy(update={"modules": {}})
    with pytest.raises(ReplayDiverged, match="no text in the task"):
        verify([events[0].model_copy(update={"task": without}), *events[1:]])


@told
async def test_a_text_of_another_digest_is_not_taken(world: World) -> None:
    other = CALLS.replace("[n] (base", "[n]  (base")
    await world.submit("r1", PLAN, modules=MODULES | {"text.calls": other})
    await world.drive("r1")
    failure = (await world.state("r1")).error
    assert failure is not None
    assert f"the module `text.calls` is {ModuleSource(other).digest}, not what is pinned" in failure.error.message


@told
async def test_a_module_that_the_task_does_not_bring_is_not_found(world: World) -> None:
    await world.submit("r1", PLAN)
    await world.drive("r1")
    failure = (await world.state("r1")).error
    assert failure is not None
    assert "the module `text.calls` is not found" in failure.error.message
    assert "ProgramCompiled" not in await world.kinds("r1")


@told
async def test_an_error_within_a_module_names_it(world: World) -> None:
    await world.submit("r1", "(import bad :as b)\n(b/fail 0)", modules={"bad": "(module bad\n(defn fail [n] (/ 1 n)))"})
    await world.drive("r1")
    failure = (await world.state("r1")).error
    assert failure is not None
    assert failure.error.message == "1 is divided by zero (line 2, column 16 of the module bad)"


@told
async def test_a_planner_is_told_of_modules_and_may_import_them(world: World) -> None:
    world.models.answers = ["```rtfs\n(import text.base :as b)\n(b/twice 21)\n```"]
    await world.submit("r1", None, modules={"text.base": BASE})
    assert await world.drive("r1") is Rest.ENDED
    assert (await world.state("r1")).output == 42
    asked = next(each for each in await events_of(world) if each.short_name() == "ModelCallRequested")
    assert f"text.base: twice ; {BASE_DIGEST}" in asked.request["messages"][0]["content"]  # type: ignore[attr-defined]


@told
async def test_tasks_and_programs_without_modules_are_written_as_before(world: World) -> None:
    await world.submit("r1", "7")
    await world.drive("r1")
    submitted, *others = await events_of(world)
    assert "modules" not in submitted.as_json()["task"]
    compiled = next(each for each in others if isinstance(each, ProgramCompiled))
    assert "modules" not in compiled.as_json()


@pytest.mark.parametrize(
    ("modules", "problem"),
    [
        ({"a": ""}, "the text is no module of this name"),
        ({"a": "(module b 1)"}, "the text is no module of this name; it should be (module a …)"),
        ({"a": "(module a"}, "modules.a: line 1, column 1"),
        ({"a": "(module a 1) (module c 2)"}, "the text is no module of this name"),
        ({"a": "(module)"}, "the text is no module of this name"),
        ({"../a": "7"}, "modules.../a: the text is no module"),
        ({"a": "(module a (import b :as b))"}, "it imports `b`, which is not among the modules"),
        ({"a": "(module a (import [b] [c :as d]))"}, "it imports `b`"),
        ({"a": f'(module a "{"x" * MAX_CHARACTERS}")'}, f"at most {MAX_MODULES} and {MAX_CHARACTERS} characters"),
        ({f"m{n}": f"(module m{n} 1)" for n in range(MAX_MODULES + 1)}, f"at most {MAX_MODULES}"),
    ],
    ids=range(10),
)
def test_texts_that_are_wrong_are_refused_with_the_task(modules: dict[str, str], problem: str) -> None:
    @told
    async def story(world: World) -> None:
        answer = await world.submit("r1", "7", modules=modules)
        assert answer.outcome == "invalid" or answer.outcome == "rejected"
        assert answer.error is not None
        assert problem in answer.error.message

    story()


def test_wrong_shapes_are_refused() -> None:
    shapes: list[Any] = [["a"], {"a": 1}, "text", {"a": None}]

    @told
    async def story(world: World) -> None:
        for number, shape in enumerate(shapes):
            answer = await world.submit(f"r{number}", "7", modules=shape)
            assert answer.error is not None
            assert "modules" in answer.error.message

    story()
