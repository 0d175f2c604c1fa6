"""Killed anywhere, woken twice, cancelled or paused: nothing is published twice, lost for ever or left half done."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from commands.heard import never_heard
from commands.programs.log import load_program
from commands.runs.driver import Driver
from commands.runs.log import CATALOG
from domain.kernel.errors import ServiceUnreachable
from domain.kernel.ids import StreamId
from domain.programs.events import ProgramDemoted, ProgramPublished
from domain.programs.policy import Policy
from domain.programs.state import Status
from domain.rtfs.vm.execution import SLICE
from domain.runs.parts import RunEvent
from domain.runs.replay import verify, verifying
from domain.runs.state import Phase
from tests.commands.reusing import PLAN, TASK, ReusingWorld
from tests.commands.world import TENANT
from tests.simulation.virtual_loop import simulate

BOTH: dict[str, Any] = {"cache": {"levels": ["L1", "L4"]}}
SAME: dict[str, Any] = {"checks": ["(= (first output) (second output))"]}
TWICE = "(let [a (call :t.read {:n (:n inputs)})] [a a])"


class Killed(BaseException):
    """The process is gone."""


class Mortal:
    """A port that lets so many awaits through, then the process dies: before the call, or just after it."""

    def __init__(self, inner: Any, life: list[int], *, after: bool) -> None:
        self._inner, self._life, self._after = inner, life, after

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not asyncio.iscoroutinefunction(found):
            return found

        async def call(*args: Any, **named: Any) -> Any:
            if self._life[0] == 0 and not self._after:
                raise Killed(name)
            made = await found(*args, **named)
            if self._life[0] == 0:
                raise Killed(name)
            self._life[0] -= 1
            return made

        return call


async def drive_dying(world: ReusingWorld, run: str, life: int, *, after: bool, gone: bool = False) -> bool:
    """Drive in a process that dies after so many calls; whether it died."""
    left = [life]
    whole = world.services
    reuse = replace(
        world.reuse,
        vectors=Mortal(world.reuse.vectors, left, after=after),
        embedder=Mortal(world.reuse.embedder, left, after=after),
        signer=Mortal(world.reuse.signer, left, after=after),
    )
    services = replace(
        whole,
        store=Mortal(whole.store, left, after=after),
        content=Mortal(whole.content, left, after=after),
        reuse=reuse,
    )
    try:
        await Driver(services, StreamId(TENANT, "run", run), "worker/dying").drive()
    except (Killed, ServiceUnreachable):
        return True
    return False


async def submit(world: ReusingWorld, run: str, plans: list[str], **task: Any) -> None:
    world.models.answers[:] = plans * 5
    assert (await world.submit(run, None, **(TASK | task))).outcome == "accepted"
    await world.feed.catch_up()


async def count(world: ReusingWorld, kind: type[Any]) -> int:
    return sum(isinstance(event, kind) for event in await world.program_events())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("story_of", ["publish", "refute", "shadow"])
def test_a_worker_that_dies_anywhere_leaves_what_another_finishes(story_of: str, after: bool) -> None:
    async def once(life: int) -> bool:
        world = ReusingWorld()
        task = dict(BOTH)
        if story_of != "publish":
            world.use(Policy(shadow=1.0 if story_of == "shadow" else 0.0))
            await world.solve("zero", **BOTH)
            world.feed.heard.clear()
            if story_of == "refute":
                task |= SAME
        plan = TWICE if story_of == "refute" else PLAN
        await submit(world, "one", [plan], **task)
        died = await drive_dying(world, "one", life, after=after)
        await world.drive("one", "worker/next")
        await world.drive("one", "worker/third")
        await world.feed.catch_up()
        run = await world.state("one")
        assert run.phase is Phase.COMPLETED
        await world.verify("one")
        published = 2 if story_of == "refute" else 1
        assert await count(world, ProgramPublished) == published
        assert await count(world, ProgramDemoted) == (1 if story_of == "refute" else 0)
        for event in await world.program_events():
            if isinstance(event, ProgramPublished):
                assert await world.services.content.get(TENANT, event.offer.module)
        kinds = await world.kinds("one")
        assert kinds.count("RunCompleted") == 1
        if story_of == "shadow":
            assert kinds.count("ShadowCompared") == 1
            assert world.reuse.evidence.own(TENANT, _entry(run)).right == 1
            world.use()
        assert "ProgramReused" in await world.solve("two", None, inputs={"n": 5}, **task)
        return died

    lives = 0
    while simulate(once(lives)):
        lives += 1
    assert lives > 10


def _entry(run: Any) -> str:
    return next(each.entry for each in run.routing.lookups if each.level == "L4")


@pytest.mark.parametrize("seed", range(4))
def test_two_workers_that_get_the_same_wake_publish_once(seed: int) -> None:
    async def story() -> None:
        world = ReusingWorld()
        await submit(world, "one", [PLAN], **BOTH)

        async def late(worker: str, pause: float) -> None:
            await asyncio.sleep(pause)
            for _ in range(3):
                await world.drive("one", worker)
                await asyncio.sleep(11)

        await asyncio.gather(*(late(f"worker{n}/{seed}", n * seed * 0.01) for n in range(3)))
        assert (await world.state("one")).phase is Phase.COMPLETED
        assert await count(world, ProgramPublished) == 1
        streams = {event.stream for event in await _cached(world)}
        assert len(await _cached(world)) == len(streams) == 1

    simulate(story())


async def _cached(world: ReusingWorld) -> list[Any]:
    from commands.ports import Selection
    from domain.kernel.ids import START

    return [e async for batch in world.store.read(START, Selection(category="cache")) for e in batch]


@pytest.mark.parametrize("command", ["PauseRun", "CancelRun"])
def test_a_run_that_is_stopped_while_a_program_answers(command: str) -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")

        async def stop(_: Any) -> None:
            world.tools.during = None
            assert (await world.send(command, {"run": "second"}, "c1")).outcome == "accepted"

        world.tools.during = stop
        kinds = await world.solve("second", None)
        assert "RunCompleted" not in kinds
        if command == "PauseRun":
            await world.send("ResumeRun", {"run": "second"}, "c2")
            await world.drive("second", "worker/2")
            assert (await world.state("second")).phase is Phase.COMPLETED
        await world.verify("second")
        assert await count(world, ProgramDemoted) == 0
        assert "ProgramReused" in await world.solve("third", None)

    simulate(story())


def test_overtime_in_a_reused_program_ends_the_run_and_accuses_nobody() -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")

        async def slow(_: Any) -> None:
            await asyncio.sleep(30)

        world.tools.during = slow
        await world.solve("second", None, limits={"seconds": 10})
        run = await world.state("second")
        assert run.error is not None
        assert run.error.error.type == "limits.seconds"
        await world.verify("second")
        assert await count(world, ProgramDemoted) == 0

    simulate(story())


def test_a_module_that_was_revoked_while_no_worker_ran_does_not_go_on() -> None:
    """The process that takes the run up again has not heard the log yet."""

    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        (published,) = await world.program_events()
        assert isinstance(published, ProgramPublished)
        done = world.tools.done.total()
        await world.solve("second", None, approvals=["t.read"])
        assert (await world.state("second")).waiting == {"0"}
        await world.send("RevokeProgram", {"module": published.offer.module, "reason": "it leaks"}, "c2")
        world.use()  # a new process, which has heard nothing
        await world.send("GrantApproval", {"run": "second", "effect": "0"}, "c3")
        world.models.answers[:] = [PLAN]
        await world.drive("second", "worker/2")
        run = await world.state("second")
        assert [each.outcome for each in run.refuted] == ["revoked"]
        assert (run.waiting, world.tools.done.total()) == ({"0"}, done), "what another plan asks is approved anew"
        await world.send("GrantApproval", {"run": "second", "effect": "0"}, "c4")
        await world.drive("second", "worker/2")
        assert (await world.state("second")).phase is Phase.COMPLETED
        await world.verify("second")
        program, _ = await load_program(world.services, StreamId(TENANT, "program", published.offer.id))
        assert program.status is Status.VERIFIED, "the module is revoked, not the entry"

    simulate(story())


@pytest.mark.parametrize("feed_is_heard", [True, False], ids=["heard", "silent"])
def test_while_the_log_is_heard_a_running_program_asks_it_nothing(*, feed_is_heard: bool) -> None:
    async def story() -> None:
        world = ReusingWorld()
        await world.solve("first")
        (published,) = await world.program_events()
        assert isinstance(published, ProgramPublished)
        if feed_is_heard:
            world.reuse.revocations.silence = lambda: 0.2
        else:
            world.reuse.heard.silent_for = never_heard
        asked: list[StreamId] = []
        inner = world.store

        class Counting:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            async def load(self, stream: StreamId, after: int = 0) -> Any:
                asked.append(stream)
                return await inner.load(stream, after)

        world.services = replace(world.services, store=Counting())
        await world.solve("second", None)
        module = StreamId(TENANT, "program", published.offer.module.removeprefix("sha256:"))
        assert asked.count(module) == (0 if feed_is_heard else 3), "when it is chosen, begun, and before its effect"

    simulate(story())


async def turns_beside_a_comparison(published: str) -> tuple[int, int]:
    """How often others had their turn while a run was compared with this program, and its slices of fuel."""
    world = ReusingWorld()
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    await world.solve("first", published)
    fuel = (await world.verify("first")).fuel
    world.use(Policy(shadow=1.0))
    await submit(world, "compared", [PLAN])
    other = asyncio.create_task(other_work())
    before = turns
    await world.drive("compared")
    other.cancel()
    assert "ShadowCompared" in await world.kinds("compared")
    return turns - before, fuel // SLICE


def test_comparing_a_long_program_leaves_time_for_everything_else() -> None:
    """A worker that only computed could neither keep its claims nor hear of revocations."""
    long = "(let [a (call :t.read {:n (:n inputs)})] [(reduce (fn [x y] (+ x y)) 0 (range 0 1000000)) a])"

    async def story() -> None:
        short_turns, _ = await turns_beside_a_comparison(TWICE)
        long_turns, slices = await turns_beside_a_comparison(long)
        assert slices > 5
        assert long_turns - short_turns >= slices - 1

    simulate(story())


def test_a_replay_pauses_after_every_slice() -> None:
    long = "(let [a (call :t.read {:n (:n inputs)})] [(reduce (fn [x y] (+ x y)) 0 (range 0 1000000)) a])"

    async def story() -> None:
        world = ReusingWorld()
        await world.solve("long", long)
        stored = (await world.store.load(StreamId(TENANT, "run", "long"))).events
        events = [event for each in stored if isinstance(event := CATALOG.decode(each), RunEvent)]
        assert sum(1 for _ in verifying(events)) >= verify(events).fuel // SLICE - 1 > 5

    simulate(story())
