"""Runs conformance cases through the public doors, as a host does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from domain.kernel.values import Keyword
from domain.rtfs.capability import Capability, Parameter
from domain.rtfs.modules import resolver_of
from domain.rtfs.printer import print_value
from domain.rtfs.program import CompileError, Program, ReadError, compile_program
from domain.rtfs.types import ANY, INT, NIL, STRING, parse_type
from domain.rtfs.vm import (
    Finished,
    Limits,
    Raised,
    Returned,
    Suspended,
    Trapped,
    Yielded,
    decode_state,
    encode_state,
    load,
    resume,
    start,
)
from domain.rtfs.vm.loading import COMPILE_AFTER
from tests.conformance.cases import FOLDER, Case

CAPABILITIES = {
    each.name: each
    for each in (
        Capability("number", "1", "pure", (Parameter("n", INT),), INT, "A number."),
        Capability("twice", "1", "pure", (Parameter("n", INT),), INT, "Another number."),
        Capability("store.get", "1", "read", (Parameter("key", STRING),), ANY, "What is stored."),
        Capability("store.put", "2", "write", (Parameter("key", STRING), Parameter("value", ANY)), NIL, "Store it."),
        Capability(
            "user.find",
            "1",
            "read",
            (Parameter("name", STRING), Parameter("full", parse_type(":bool"), required=False)),
            parse_type("[:map [:name :string] [:age :int ?]]"),
            "A user.",
        ),
    )
}
"""What the programs of the cases may call."""


FUEL = 300_000
"""For cases that say nothing of it."""


@dataclass
class Driven:
    """How a case went."""

    end: str
    text: str
    asked: list[tuple[str, str]]
    effects: tuple[Any, ...] = ()
    fuel: int = 0
    digest: str = ""
    source_map: str = ""


def value_of(text: str) -> Any:
    """Give the value that a text is written as."""
    program = compile_program(text, parameters={}, output=None, capabilities={})
    step = start(load(program.module), {})
    assert isinstance(step, Finished), text
    return step.value


def compiled(case: Case, *, fold: bool = True) -> Program:
    """Compile the program of a case. Raises ``ReadError`` and ``CompileError``."""
    parameters = {"inputs": parse_type(case.given[0])} if case.given else {}
    modules = resolver_of({name: (FOLDER / file).read_text("utf-8") for name, file in case.modules.items()})
    return compile_program(
        case.source, parameters=parameters, output=None, capabilities=CAPABILITIES, modules=modules, fold=fold
    )


def drive(case: Case, *, fold: bool = True, **way: Any) -> Driven:
    """Compile a case and run it to its end; ``way`` is how, as ``run_module`` has it."""
    try:
        program = compiled(case, fold=fold)
    except (ReadError, CompileError) as error:
        return Driven("??", error.render(), [])
    driven = run_module(case, program.module, **way)
    driven.effects, driven.digest = program.effects, program.digest
    driven.source_map = program.source_map.encode().decode()
    return driven


def run_module(
    case: Case,
    module: bytes,
    *,
    slice_fuel: int = 200_000,
    compile_after: int | None = COMPILE_AFTER,
    stored: bool = False,
) -> Driven:
    """Run the module of a case; effects are answered as it says, in the order in which they are asked.

    ``stored``: between steps nothing is kept but the bytes of the state.
    """
    inputs = {"inputs": value_of(case.given[1])} if case.given else {}
    limits = {key.name: amount for key, amount in value_of(case.within or "{}").items() if isinstance(key, Keyword)}
    answers = iter(case.asked)
    driven = Driven("", "", [])
    loaded = load(module, compile_after=compile_after)
    step = start(loaded, inputs, Limits(**{"fuel": FUEL, **limits}), slice_fuel)
    while isinstance(step, Suspended | Yielded):
        given: dict[str, Returned | Raised] = {}
        for request in step.requests if isinstance(step, Suspended) else ():
            arguments = {Keyword(name): value for name, value in request.arguments.items()}
            driven.asked.append((request.capability, print_value(arguments)))
            answer = next(answers, None)
            if answer is None:
                return driven
            given[request.key] = (
                Raised(answer.answer, f"{request.capability} failed")
                if answer.fails
                else Returned(value_of(answer.answer))
            )
        state = decode_state(loaded, encode_state(step.state)) if stored else step.state
        step = resume(state, given, slice_fuel)
    if isinstance(step, Trapped):
        driven.end, driven.text = "!!", f"{step.error.type} {step.error.message}"
    else:
        driven.end, driven.text = "=>", print_value(step.value)
    driven.fuel = step.fuel
    return driven
