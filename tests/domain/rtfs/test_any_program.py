"""Programs put together at random: each compiles and ends within its limits, or is refused with a place."""

from __future__ import annotations

from hypothesis import HealthCheck, example, given, settings

from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.program import CompileError, compile_program
from domain.rtfs.types import INT
from domain.rtfs.vm import Finished, Limits, Raised, Returned, Suspended, Trapped, load, resume, start
from tests.domain.rtfs.programs import NESTED

NUMBER = {"number": Capability("number", "1", "pure", (Parameter("n", INT),), INT, "")}
SMALL = Limits(fuel=3_000, memory=3_000, depth=30, output=300)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(NESTED)
@example("(let [x 1] (match [x 2] [a & b] when (> a 0) [b a] _ nil))")
def test_any_program_ends(source):
    try:
        program = compile_program(source, parameters={}, output=None, capabilities=NUMBER)
    except CompileError as error:
        place = error.line
        rendered = error.render()
    else:
        ends(program.module)
        return
    assert place == 1
    assert rendered.startswith("line 1, column ")


def ends(module: bytes) -> None:
    step = start(load(module), {}, SMALL)
    for turn in range(200):
        if not isinstance(step, Suspended):
            break
        answer = Raised("tool-failed", "no") if turn % 3 == 2 else Returned(turn)
        step = resume(step.state, {request.key: answer for request in step.requests})
    assert isinstance(step, Finished | Trapped)
