"""When outcomes are appended: at once where the world must not see a call twice, else with what comes next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from commands.runs.driver import Rest
from commands.runs.executing import MOST_STAGED, SOON
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import StreamId
from domain.kernel.values import Value
from domain.tools import CallContext, ToolDeclaration, ToolOutcome, ToolSucceeded
from tests.commands.test_driver import Story
from tests.commands.test_forks import fork, parent
from tests.commands.world import DECLARATIONS, Tools, World
from tests.simulation.virtual_loop import simulate

SHORT = {
    name: replace(each, timeout=1, isolation="in-process", volatility="never") for name, each in DECLARATIONS.items()
}


@dataclass
class Quick(Tools):
    """Tools whose calls are over before anyone would look up from them; none of their answers is given again."""

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return SHORT


@dataclass
class Appends:
    """The log, which notes what was appended together; ``lose`` of its appends fail before they are stored."""

    store: Any
    lose: int | None = None
    batches: list[list[str]] = field(default_factory=list)

    async def append(self, stream: StreamId, drafts: Sequence[Any], expected: Any) -> Any:
        if self.lose is not None and len(self.batches) >= self.lose:
            raise ServiceUnreachable("the broker is gone")
        self.batches.append([draft.short_name for draft in drafts])
        return await self.store.append(stream, drafts, expected)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def watched(world: World, lose: int | None = None) -> Appends:
    appends = Appends(world.store, lose)
    world.services = replace(world.services, store=appends)
    return appends


def told(story: Story) -> Callable[[], None]:
    """As elsewhere, with quick tools."""

    def test() -> None:
        async def tell() -> None:
            await story(World(tools=Quick()))

        simulate(tell())

    test.__name__ = story.__name__
    return test


def calls(*tools: str) -> str:
    return f"[{' '.join(f'(call :{tool} {{:n {n}}})' for n, tool in enumerate(tools))}]"


@told
async def test_reads_in_a_row_are_appended_together(world: World) -> None:
    await world.submit("r1", calls("t.read", "t.read", "t.read"))
    appends = watched(world)
    assert await world.drive("r1") is Rest.ENDED
    assert appends.batches == [
        ["RunClaimed", "RunRouted", "PlanDrafted", "ProgramCompiled"],
        ["ToolCallCompleted"] * 3 + ["VerdictReached", "RunCompleted"],
    ]
    assert (await world.verify("r1")).effects == 3


@told
async def test_a_write_is_asked_for_durably_with_all_that_it_may_depend_on(world: World) -> None:
    await world.submit("r1", calls("t.read", "t.read", "t.put", "t.read", "t.add"))
    appends = watched(world)
    seen: list[int] = []

    async def note(_: CallContext) -> None:
        seen.append(len(appends.batches))

    world.tools.during = note
    assert await world.drive("r1") is Rest.ENDED
    assert appends.batches[1:] == [
        ["ToolCallCompleted", "ToolCallCompleted", "ToolCallRequested"],
        ["ToolCallCompleted", "ToolCallCompleted", "ToolCallRequested"],
        ["ToolCallCompleted", "VerdictReached", "RunCompleted"],
    ]
    assert seen == [1, 1, 2, 2, 3], "each write was called after its request was acknowledged"


@told
async def test_the_outcome_of_what_must_not_be_repeated_is_appended_before_anything_else_is_called(
    world: World,
) -> None:
    await world.submit("r1", calls("t.add", "t.read"))
    appends = watched(world)
    assert await world.drive("r1") is Rest.ENDED
    assert appends.batches[1:] == [["ToolCallCompleted"], ["ToolCallCompleted", "VerdictReached", "RunCompleted"]]


@told
async def test_what_took_longer_than_a_commit_is_appended_before_the_next_call(world: World) -> None:
    async def dawdle(_: CallContext) -> None:
        await asyncio.sleep(SOON)

    await world.submit("r1", calls("t.read", "t.read", "t.read"))
    world.tools.during = dawdle
    appends = watched(world)
    assert await world.drive("r1") is Rest.ENDED
    assert appends.batches[1:-1] == [["ToolCallCompleted", "ToolCallCompleted"]]


@told
async def test_a_long_row_of_reads_is_appended_in_pieces(world: World) -> None:
    await world.submit("r1", calls(*["t.read"] * (2 * MOST_STAGED + 10)), limits={"tool_calls": 1000})
    appends = watched(world)
    assert await world.drive("r1") is Rest.ENDED
    assert [len(batch) for batch in appends.batches[1:-1]] == [MOST_STAGED + 1, MOST_STAGED + 1]


@told
async def test_reads_that_a_crash_lost_are_made_again_and_nothing_else_is(world: World) -> None:
    await world.submit("r1", calls("t.add", "t.read", "t.read", "t.add"))
    whole = world.services
    # Lost are the outcomes of the reads; once more, after the new claim; and the outcome of the second write.
    for attempt, lose in enumerate((2, 1, 2)):
        appends = watched(world, lose)
        with pytest.raises(ServiceUnreachable):
            await world.drive("r1", f"worker/{attempt}")
        assert len(appends.batches) == lose
        world.services = whole
    assert await world.drive("r1", "worker/9") is Rest.WAITING, "nobody knows whether the second write happened"
    assert world.tools.done == {"0": 1, "1": 3, "2": 3, "3": 1}
    assert (await world.state("r1")).waiting == {"3"}


@dataclass
class Slow(Quick):
    """Tools whose calls took long, by their own account."""

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        return replace(await super().run(name, arguments, call), duration=0.9)


def test_what_took_long_to_have_is_not_left_to_a_crash() -> None:
    async def tell() -> None:
        world = World(tools=Slow())
        await world.submit("r1", calls("t.read", "t.read"))
        appends = watched(world)
        assert await world.drive("r1") is Rest.ENDED
        assert appends.batches[1:] == [["ToolCallCompleted"], ["ToolCallCompleted", "VerdictReached", "RunCompleted"]]

    simulate(tell())


@dataclass
class Counting(Quick):
    """Tools of one object a run, which gives how many calls it has seen."""

    seen: Counter[str] = field(default_factory=Counter)

    def declarations(self) -> Mapping[str, ToolDeclaration]:
        return {name: replace(each, stateful=True, idempotent=True) for name, each in SHORT.items()}

    def open_run(self, run: str, inputs: Mapping[str, Value]) -> None:
        self.seen[run] = 0

    async def run(self, name: str, arguments: Mapping[str, Value], call: CallContext) -> ToolOutcome:
        self.seen[call.run] += 1
        return ToolSucceeded(value=self.seen[call.run])


def test_tools_with_state_have_seen_what_a_fork_inherits_although_it_is_not_appended_yet() -> None:
    many = MOST_STAGED + 10

    async def tell() -> None:
        world = World(tools=Counting())
        plan = calls(*["t.read"] * many)
        kinds = await parent(world, plan, limits={"tool_calls": 1000})
        last_inherited = [place for place, kind in enumerate(kinds) if kind == "ToolCallCompleted"][many - 2] + 1
        await fork(world, "fork", last_inherited, plan=plan, limits={"tool_calls": 1000})
        assert (await world.state("fork")).output == list(range(1, many + 1))

    simulate(tell())
