"""A command that was accepted stays accepted, however the world has changed when it is repeated."""

from __future__ import annotations

from tests.commands.test_driver import told
from tests.commands.world import World


@told
async def test_a_repeated_submission_is_accepted_when_its_tools_are_gone(world: World) -> None:
    first = await world.submit("r1", "(call :t.add {:n 1})")
    world.tools.declarations = dict  # type: ignore[method-assign]
    assert await world.submit("r1", "(call :t.add {:n 1})") == first
    assert (await world.submit("r2", "(call :t.add {:n 1})")).outcome == "invalid"
    assert await world.kinds("r1") == ["RunSubmitted"]
