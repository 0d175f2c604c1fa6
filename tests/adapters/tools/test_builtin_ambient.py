from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from tests.adapters.tools.calling import BuiltIn


@pytest.fixture
def tools(tmp_path: Path) -> BuiltIn:
    return BuiltIn(tmp_path)


async def test_the_clock_tells_the_time_with_its_zone(tools: BuiltIn) -> None:
    before = datetime.now(UTC)
    told = (await tools.outcome("clock.now")).value
    assert before <= told <= datetime.now(UTC)


async def test_random_integers_cover_both_ends_and_nothing_beyond(tools: BuiltIn) -> None:
    drawn = {await tools.value("random.int", low=-1, high=1) for _ in range(200)}
    assert drawn == {-1, 0, 1}
    assert await tools.value("random.int", low=2**70, high=2**70) == 2**70
    assert (await tools.failure("random.int", low=2, high=1)).type == "random.refused"


async def test_random_uuids_are_version_4_and_differ(tools: BuiltIn) -> None:
    first, second = [UUID(await tools.value("random.uuid")) for _ in range(2)]
    assert first.version == second.version == 4
    assert first != second
