"""The time of a run, and how much of it stood still: read from committed histories."""

from __future__ import annotations

import pytest

from infra.cli.elapsed import Elapsed
from tests.histories.test_replay import lines, recorded

TIMES = {
    # history: (seconds in all, seconds of waiting)
    "completed": (0.026758, 0.0),
    "approved": (0.066824, 0.054473),
    "resolved": (0.064120, 0.048152),
    "paused": (0.197847, 0.177589),  # it waits for approval, and is paused meanwhile
}


@pytest.mark.parametrize("name", TIMES)
def test_waiting_and_pausing_are_counted_apart(name: str):
    elapsed = Elapsed.of(tuple(recorded(number, body) for number, body in enumerate(lines(name), 1)))
    assert (elapsed.seconds, elapsed.waited) == pytest.approx(TIMES[name], abs=1e-9)
    assert (", " in str(elapsed)) is (elapsed.waited > 0)
    assert elapsed.run.ended


def test_a_run_that_waits_now_has_waited_up_to_its_latest_event():
    events = tuple(recorded(number, body) for number, body in enumerate(lines("approved"), 1))
    assert Elapsed.of(events[:6]).waited == 0.0
    assert str(Elapsed.of(events[:7])) == "0.06 s, 0.05 s of them waiting"


def test_an_event_that_this_release_does_not_know_takes_time_too():
    bodies = lines("approved")
    bodies[6] = bodies[6].replace(b"ApprovalGranted", b"ApprovalDreamt")
    elapsed = Elapsed.of(tuple(recorded(number, body) for number, body in enumerate(bodies, 1)))
    assert elapsed.waited > TIMES["approved"][1], "nobody known has let it go on"
