"""What every work queue of runs does. Subclass it and give a `wakes` fixture with a fresh queue, and its `clock`."""

import asyncio
from datetime import timedelta

import pytest

from commands.ports import Clock, Wake, Wakes
from domain.kernel.ids import StreamId


def wake(run: str, reason: str = "submitted") -> Wake:
    return Wake(StreamId("acme", "run", run), reason)


class WakesContract:
    async def test_a_wake_reaches_one_receiver(self, wakes: Wakes) -> None:
        await wakes.send(wake("r1", "approved"))
        (held,) = await wakes.receive(10, 5.0)
        assert held.wake == wake("r1", "approved")
        assert await wakes.receive(10, 0.1) == []

    async def test_without_wakes_the_receiver_waits_and_gets_none(self, wakes: Wakes) -> None:
        started = asyncio.get_running_loop().time()
        assert await wakes.receive(10, 0.3) == []
        assert asyncio.get_running_loop().time() - started >= 0.25

    async def test_a_waiting_receiver_gets_a_wake_at_once(self, wakes: Wakes) -> None:
        waiting = asyncio.create_task(wakes.receive(10, 30.0))
        await asyncio.sleep(0.05)
        await wakes.send(wake("r1"))
        async with asyncio.timeout(5):
            assert [held.wake for held in await waiting] == [wake("r1")]

    async def test_what_is_there_comes_together_up_to_the_limit(self, wakes: Wakes) -> None:
        for number in range(7):
            await wakes.send(wake(f"r{number}"))
        first = await wakes.receive(5, 5.0)
        rest = await wakes.receive(5, 5.0)
        assert len(first) == 5
        assert [held.wake.run.id for held in [*first, *rest]] == [f"r{number}" for number in range(7)]

    async def test_receivers_share(self, wakes: Wakes) -> None:
        async def work() -> list[str]:
            mine: list[str] = []
            while held := await wakes.receive(3, 0.5):
                for one in held:
                    mine.append(one.wake.run.id)
                    await one.settle()
            return mine

        for number in range(50):
            await wakes.send(wake(f"r{number}"))
        done = [run for mine in await asyncio.gather(work(), work(), work()) for run in mine]
        assert sorted(done) == sorted(f"r{number}" for number in range(50))

    async def test_a_wake_sent_twice_is_delivered_twice(self, wakes: Wakes) -> None:
        await wakes.send(wake("r1"))
        await wakes.send(wake("r1"))
        assert len(await wakes.receive(10, 5.0)) == 2

    async def test_a_wake_that_is_put_back_comes_after_the_delay(self, wakes: Wakes) -> None:
        await wakes.send(wake("r1"))
        (held,) = await wakes.receive(1, 5.0)
        await held.put_back(0.5)
        assert await wakes.receive(1, 0.2) == []
        (again,) = await wakes.receive(1, 5.0)
        assert again.wake == held.wake

    async def test_a_silent_workers_wake_is_delivered_again_a_kept_or_settled_one_is_not(self, wakes: Wakes) -> None:
        for run in ("settled", "kept", "forgotten"):
            await wakes.send(wake(run))
        settled, kept, _ = await wakes.receive(3, 5.0)
        await settled.settle()

        async def keep() -> None:
            while True:
                await asyncio.sleep(1.5)
                await kept.keep()

        keeping = asyncio.create_task(keep())
        assert [held.wake.run.id for held in await wakes.receive(5, 9.0)] == ["forgotten"]
        assert await wakes.receive(5, 1.0) == []
        keeping.cancel()

    async def test_a_timer_wakes_when_it_is_due(self, wakes: Wakes, clock: Clock) -> None:
        await wakes.send(wake("later", "timer due"), due=clock.now() + timedelta(seconds=1.5))
        await wakes.send(wake("now"))
        assert [held.wake.run.id for held in await wakes.receive(5, 5.0)] == ["now"]
        assert await wakes.receive(5, 0.2) == []
        (held,) = await wakes.receive(5, 5.0)
        assert held.wake == wake("later", "timer due")

    async def test_a_timer_of_the_past_wakes_now(self, wakes: Wakes, clock: Clock) -> None:
        await wakes.send(wake("late"), due=clock.now() - timedelta(days=1))
        assert [held.wake for held in await wakes.receive(5, 5.0)] == [wake("late")]

    async def test_timers_of_one_run_do_not_replace_each_other(self, wakes: Wakes, clock: Clock) -> None:
        for reason, seconds in (("first", 0.3), ("second", 0.6)):
            await wakes.send(wake("r1", reason), due=clock.now() + timedelta(seconds=seconds))
        reasons: list[str] = []
        while len(reasons) < 2:
            held = await wakes.receive(5, 5.0)
            assert held, reasons
            reasons += [one.wake.reason for one in held]
        assert reasons == ["first", "second"]

    @pytest.mark.parametrize("count", [1500])
    async def test_many_wakes_may_be_held_at_once(self, wakes: Wakes, count: int) -> None:
        await asyncio.gather(*(wakes.send(wake(f"r{number}")) for number in range(count)))
        held = []
        while len(held) < count:
            more = await wakes.receive(500, 2.0)
            assert more, f"only {len(held)} of {count}"
            held += more
        for one in held:
            await one.settle()
        assert await wakes.receive(10, 0.1) == []
