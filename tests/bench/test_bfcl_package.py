"""Over the real package, where it is installed: all 800 entries, against the package run in its own way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

import pytest

from domain.kernel.values import canonical
from domain.rtfs.types import mismatch
from infra.bench.bfcl.corpus import RELEASE, CorpusMissing, Entry, locate
from infra.bench.bfcl.oracle import ground_truth
from infra.bench.bfcl.plans import arguments_of, plan_of
from infra.bench.bfcl.tools import BfclTools
from infra.bench.bfcl.world import Scenario, World

NOW = datetime(2026, 2, 3, tzinfo=UTC)


@pytest.fixture(scope="module")
def tools() -> BfclTools:
    try:
        corpus = locate()
    except CorpusMissing as reason:
        pytest.skip(str(reason))
    if corpus.release != RELEASE or find_spec("mpmath") is None:
        pytest.skip(f"needs bfcl-eval {RELEASE} (found {corpus.release}) and mpmath: `make bench` installs both")
    return BfclTools(corpus)


@pytest.fixture(scope="module")
def entries(tools: BfclTools) -> list[Entry]:
    return list(locate().entries())


def steps(tools: BfclTools, entry: Entry, world: World) -> Iterator[tuple[Any, Any, Any]]:
    """Method, arguments and result of each call."""
    for call in entry.calls:
        method = tools.catalogue.resolve(entry.classes, call.name)
        arguments = arguments_of(call, method, entry.id)
        yield method, arguments, world.call(method.class_name, method.name, (), arguments)


def state(thing: Any) -> Any:
    """All that an object holds, as something comparable."""
    if isinstance(thing, random.Random):
        return thing.getstate()
    if isinstance(thing, dict):
        return [(key, state(item)) for key, item in thing.items()]
    if isinstance(thing, list):
        return [state(item) for item in thing]
    if hasattr(thing, "__dict__"):
        return [(key, state(item)) for key, item in vars(thing).items() if key not in ("parent", "_current_dir")]
    return thing


def test_the_corpus_has_800_entries_and_4625_calls(entries: list[Entry]) -> None:
    assert len(entries) == len({entry.id for entry in entries}) == 800
    assert sum(len(entry.calls) for entry in entries) == 4625


def test_arguments_have_the_declared_types(tools: BfclTools, entries: list[Entry]) -> None:
    for entry in entries:
        for call in entry.calls:
            method = tools.catalogue.resolve(entry.classes, call.name)
            arguments = arguments_of(call, method, entry.id)
            for parameter in method.declaration.capability.parameters:
                name = method.names[parameter.name]
                if name in arguments:
                    assert mismatch(arguments[name], parameter.type) is None, (entry.id, call)
                else:
                    assert not parameter.required, (entry.id, call)


def test_results_are_those_of_the_package_in_its_own_hands(tools: BfclTools, entries: list[Entry]) -> None:
    for entry in entries:
        found = [result for _, _, result in steps(tools, entry, tools.world(Scenario.of_entry(entry, NOW)))]
        assert [canonical(result) for result in found] == [canonical(result) for result in ground_truth(entry)], (
            entry.id
        )


def test_calls_declared_to_change_nothing_change_nothing(tools: BfclTools, entries: list[Entry]) -> None:
    seen = 0
    for entry in entries:
        world = tools.world(Scenario.of_entry(entry, NOW))
        before = state(world.instances)
        for method, _, _ in steps(tools, entry, world):
            after = state(world.instances)
            if method.declaration.capability.effects != "write":
                assert after == before, (entry.id, method.tool)
                seen += 1
            before = after
    assert seen > 1500


def test_a_world_made_again_from_the_journaled_calls_goes_on_alike(tools: BfclTools, entries: list[Entry]) -> None:
    for entry in entries:
        scenario = Scenario.of_entry(entry, NOW)
        whole = list(steps(tools, entry, tools.world(scenario)))
        again = tools.world(scenario)
        cut = len(whole) // 2
        for method, arguments, _ in whole[:cut]:
            again.call(method.class_name, method.name, (), arguments)
        for method, arguments, result in whole[cut:]:
            assert canonical(again.call(method.class_name, method.name, (), arguments)) == canonical(result)


def test_only_the_marked_methods_answer_differently_at_another_time(tools: BfclTools, entries: list[Entry]) -> None:
    differing = set()
    for entry in entries:
        now, then = (
            list(steps(tools, entry, tools.world(Scenario.of_entry(entry, datetime(year, 6, 1, tzinfo=UTC)))))
            for year in (2026, 2000)
        )
        differing |= {method.tool for (method, _, one), (_, _, other) in zip(now, then, strict=True) if one != other}
    marked = {method.tool for method in tools.catalogue.methods(tuple(tools.catalogue.classes)) if method.reads_clock}
    assert differing == {"travel-api.verify-traveler-information"}
    assert differing <= marked


def test_plans_are_distinct_only_where_the_ground_truth_is(tools: BfclTools, entries: list[Entry]) -> None:
    assert len({plan_of(entry, tools.catalogue) for entry in entries}) == 547
