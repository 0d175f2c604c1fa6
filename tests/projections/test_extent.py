from __future__ import annotations

import pytest

from domain.kernel.ids import Positions
from projections.extent import count, ends_before


def test_numbers_go_on_from_one_epoch_to_the_next():
    assert count(Positions.parse("0.0:100,1.0:130,0.1:7")) == 137


@pytest.mark.parametrize(
    ("end", "reached", "shorter"),
    [
        ("start", "start", False),
        ("start", "0.0:1", True),
        ("0.0:5", "0.0:5", False),
        ("0.0:5", "0.0:6", True),
        ("0.0:5,0.1:9", "0.1:9", False),
        ("0.0:5", "0.1:1", True),
        ("1.0:130", "0.0:100,1.0:120", False),
        ("1.0:130", "0.0:100", False),
    ],
)
def test_a_log_that_ends_before_what_was_reached(end, reached, shorter):
    assert ends_before(Positions.parse(end), Positions.parse(reached)) is shorter
