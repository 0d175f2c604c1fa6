"""Every entry's plan run by the language alone, without bus or log: effects are answered straight from its objects.

It separates the questions. If this agrees with the ground truth and a run on the bus does not, the fault is between.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.kernel.values import Value, digest_json, encode
from domain.rtfs import vm
from domain.rtfs.program import Program, compile_program
from domain.rtfs.types import ANY, coerce, parse_type
from infra.bench.bfcl.catalogue import Catalogue, Method
from infra.bench.bfcl.corpus import Entry
from infra.bench.bfcl.figures import Quantiles
from infra.bench.bfcl.oracle import ground_truth
from infra.bench.bfcl.plans import plan_of, tools_of
from infra.bench.bfcl.submitting import output_of
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.world import INPUT_TYPE, Scenario, World, inputs_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What running the plans has shown. Times are microseconds."""

    entries: int
    effects: int
    modes: dict[str, int]
    """Effects by what they may do: pure, read, write."""
    clock_calls: int
    """Effects whose answer depends on the time."""
    programs: int
    """Distinct modules, by digest."""
    module_bytes: Quantiles
    compiling: Quantiles
    loading: Quantiles
    opening: Quantiles
    """Making the objects of a run."""
    to_first_effect: Quantiles
    machine: Quantiles
    """Time of the machine itself for one effect: from one answer to the next request, or to the end."""
    calling: Quantiles
    """The call of the method behind an effect."""
    wrong: tuple[str, ...]
    """Entries whose result is not that of the package in its own hands."""


class _Times:
    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    def __call__(self, name: str, began: float) -> float:
        now = time.perf_counter()
        self.taken.setdefault(name, []).append(1e6 * (now - began))
        return now

    def quantiles(self, name: str) -> Quantiles:
        return Quantiles.of(self.taken.get(name, ()))


def compile_entry(entry: Entry, catalogue: Catalogue) -> Program:
    """Compile the plan of an entry against just the tools that it names."""
    methods = {method.tool: method for method in catalogue.methods(entry.classes)}
    capabilities = {name: methods[name].declaration.capability for name in tools_of(entry, catalogue)}
    parameters = {"inputs": parse_type(INPUT_TYPE)}
    return compile_program(plan_of(entry, catalogue), parameters=parameters, output=ANY, capabilities=capabilities)


def check(tools: BfclTools, entries: Sequence[Entry], now: datetime, on_entry: Callable[[], None]) -> Checked:
    """Compile and run every plan, and compare its result with the ground truth. ``on_entry`` is called after each."""
    times = _Times()
    modes: Counter[str] = Counter()
    clock_calls, wrong = 0, []
    sizes: dict[str, int] = {}
    for entry in entries:
        began = time.perf_counter()
        program = compile_entry(entry, tools.catalogue)
        sizes[program.digest] = len(program.module)
        began = times("compiling", began)
        module = vm.load(program.module)
        began = times("loading", began)
        world = tools.world(Scenario.of_entry(entry, now))
        times("opening", began)
        run = _Run(tools.catalogue, world, times)
        result = run.execute(module, entry, now)
        modes.update(method.declaration.capability.effects for method in run.called)
        clock_calls += sum(map(_shows_clock, run.called))
        if digest_json(encode(result)) != digest_json(output_of(entry, ground_truth(entry))):
            wrong.append(entry.id)
        on_entry()
    return Checked(
        entries=len(entries),
        effects=sum(modes.values()),
        modes=dict(modes),
        clock_calls=clock_calls,
        programs=len(sizes),
        module_bytes=Quantiles.of(list(sizes.values())),
        compiling=times.quantiles("compiling"),
        loading=times.quantiles("loading"),
        opening=times.quantiles("opening"),
        to_first_effect=times.quantiles("first"),
        machine=times.quantiles("machine"),
        calling=times.quantiles("calling"),
        wrong=tuple(wrong),
    )


def _shows_clock(method: Method) -> bool:
    # One that changes nothing looks at the clock for its answer; one that writes may only note the time.
    return method.reads_clock and method.declaration.capability.effects == "read"


class _Run:
    """One program and the objects that answer it."""

    def __init__(self, catalogue: Catalogue, world: World, times: _Times) -> None:
        self._methods = {method.tool: method for method in catalogue.methods(tuple(world.instances))}
        self._world = world
        self._times = times
        self.called: list[Method] = []

    def execute(self, module: vm.Module, entry: Entry, now: datetime) -> Value:
        inputs = coerce(inputs_of(entry, now), parse_type(INPUT_TYPE))
        began = time.perf_counter()
        step = vm.start(module, {"inputs": inputs}, vm.Limits())
        began = self._times("first", began)
        while isinstance(step, vm.Suspended):
            answers: dict[str, vm.Answer] = {request.key: self._answer(request) for request in step.requests}
            began = time.perf_counter()
            step = vm.resume(step.state, answers)
            self._times("machine", began)
        if not isinstance(step, vm.Finished):
            return repr(step)
        return step.value

    def _answer(self, request: vm.EffectRequest) -> vm.Answer:
        method = self._methods[request.capability]
        self.called.append(method)
        began = time.perf_counter()
        arguments = {method.names[name]: value for name, value in request.arguments.items()}
        value = self._world.call(method.class_name, method.name, (), arguments)
        self._times("calling", began)
        return vm.Returned(value)
