"""Programs compiled, loaded and driven through the public doors, as a host does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.printer import print_value
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import ANY, BOOL, INT, NIL, STRING, Type, parse_type
from domain.rtfs.vm import (
    Answer,
    EffectRequest,
    Finished,
    Limits,
    Returned,
    Step,
    Suspended,
    Trapped,
    Yielded,
    load,
    resume,
    start,
)

CAPABILITIES = {
    each.name: each
    for each in (
        Capability("py.packages", "1", "read", (Parameter("site", STRING),), parse_type("[:vector :string]"), "Names."),
        Capability(
            "py.meta",
            "2",
            "read",
            (Parameter("site", STRING), Parameter("package", STRING), Parameter("full", BOOL, required=False)),
            parse_type("[:map [:name :string] [:licence :string?]]"),
            "Metadata.",
        ),
        Capability("number", "1", "pure", (Parameter("n", INT),), INT, "A number."),
        Capability("ratio", "1", "pure", (Parameter("n", parse_type(":float")),), parse_type(":float"), "A ratio."),
        Capability(
            "fs.stat",
            "1",
            "read",
            (Parameter("path", STRING),),
            parse_type("[:union [:map [:kind :string] [:size :int]] :nil]"),
            "Kind and size.",
        ),
        Capability("say", "1", "write", (Parameter("what", ANY),), NIL, "Say something."),
    )
}

Answering = Callable[[EffectRequest], Answer]


def echo(request: EffectRequest) -> Answer:
    """Give back the first argument."""
    return Returned(next(iter(request.arguments.values()), None))


@dataclass
class Outcome:
    """How a program ended, and what it asked on the way."""

    step: Step
    program: Program
    requests: list[EffectRequest] = field(default_factory=list)
    slices: int = 0

    @property
    def keys(self) -> list[str]:
        return [request.key for request in self.requests]

    @property
    def value(self) -> Any:
        assert isinstance(self.step, Finished), self.step
        return self.step.value

    @property
    def text(self) -> str:
        """The value as text, or the type of the error after a mark."""
        return f"!{self.step.error.type}" if isinstance(self.step, Trapped) else print_value(self.value)

    @property
    def error(self) -> Any:
        assert isinstance(self.step, Trapped), self.step
        return self.step.error


def compiled(source: str, parameters: Mapping[str, Type] | None = None, output: Type | None = None) -> Program:
    return compile_program(source, parameters=parameters or {}, output=output, capabilities=CAPABILITIES)


def drive(
    program: Program, arguments: Mapping[str, Any], answering: Answering, limits: Limits | None, slice_fuel: int
) -> Outcome:
    step = start(load(program.module), arguments, limits, slice_fuel)
    outcome = Outcome(step, program)
    asked: set[str] = set()
    while isinstance(step, Suspended | Yielded):
        if isinstance(step, Yielded):
            outcome.slices += 1
            step = resume(step.state, {}, slice_fuel)
            continue
        outcome.requests.extend(request for request in step.requests if request.key not in asked)
        asked.update(request.key for request in step.requests)
        step = resume(step.state, {request.key: answering(request) for request in step.requests}, slice_fuel)
    outcome.step = step
    return outcome


@pytest.fixture
def run() -> Callable[..., Outcome]:
    """Compile a program and run it to its end."""

    def run_source(
        source: str,
        *,
        inputs: Any = None,
        input_type: str | None = None,
        output: str | None = None,
        answering: Answering = echo,
        limits: Limits | None = None,
        slice_fuel: int = 200_000,
    ) -> Outcome:
        parameters = {"inputs": parse_type(input_type)} if input_type else {}
        program = compiled(source, parameters, parse_type(output) if output else None)
        return drive(program, {"inputs": inputs} if input_type else {}, answering, limits, slice_fuel)

    return run_source


@pytest.fixture
def compiling() -> Callable[..., Program]:
    """Compile a program against the capabilities of these tests."""
    return compiled


@pytest.fixture
def capabilities() -> dict[str, Capability]:
    return CAPABILITIES
