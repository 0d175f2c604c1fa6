"""The package's classes as tools of a run: one set of objects for each, opened with the run's own inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from adapters.tools.context import ToolFault
from adapters.tools.declare import Tool
from domain.kernel.values import Value
from domain.tools import ToolDeclaration
from infra.bench.bfcl.catalogue import Catalogue, Method
from infra.bench.bfcl.corpus import Corpus
from infra.bench.bfcl.isolation import Sources
from infra.bench.bfcl.world import Scenario, World


class BfclTools:
    """Run-scoped tools (``adapters.tools.registry.RunScopedTools``) of the package's eight multi-turn classes."""

    def __init__(self, corpus: Corpus) -> None:
        """Read and compile the classes of this package, once a worker."""
        self._sources = Sources(corpus.root)
        self.catalogue = Catalogue(corpus, self._sources)

    def declarations(self) -> Iterable[ToolDeclaration]:
        """Every tool that a run may have; it has those of its classes."""
        return [method.declaration for method in self.catalogue.methods(tuple(self.catalogue.classes))]

    def open(self, run: str, inputs: Mapping[str, Value]) -> Iterable[Tool]:  # noqa: ARG002  # its state is its inputs'
        """Make the objects of a run in their initial state; none where its inputs hold no scenario."""
        scenario = Scenario.of_inputs(inputs)
        if scenario is None:
            return ()
        world = World(self._sources, scenario)
        return [_tool(method, world) for method in self.catalogue.methods(scenario.classes)]

    def world(self, scenario: Scenario) -> World:
        """Make the objects of a scenario, without a run."""
        return World(self._sources, scenario)


def _tool(method: Method, world: World) -> Tool:
    return Tool(
        declaration=method.declaration,
        function=partial(_answer, method, world.call),
        names=method.names,
        loads={},
        dump=None,
        takes_context=False,
        gives_copies=True,
    )


def _answer(method: Method, call: Callable[..., Value], **arguments: Any) -> Value:
    try:
        return call(method.class_name, method.name, (), arguments)
    except Exception as error:
        # The words of the package's own runner, which tells the model so and goes on.
        raise ToolFault("bfcl.raised", f"Error during execution: {error}") from error
