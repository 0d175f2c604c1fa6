"""The objects that one run works on: made from its inputs alone, so that they can be made again anywhere."""

from __future__ import annotations

import copy
import decimal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, SupportsFloat

import orjson

from domain.kernel.values import Keyword, Value
from infra.bench.bfcl.corpus import Entry
from infra.bench.bfcl.isolation import Sources, Time

INPUT_TYPE: Final = (
    "[:map [:classes [:vector :string]] [:config :string] [:entry :string] [:long-context :bool] [:now :timestamp]]"
)
"""Type of the inputs of a run; one for all entries."""

_STATELESS: Final = frozenset({"MathAPI"})
"""The package's own list: these take no configuration."""

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a run starts: all that its objects are made from."""

    classes: tuple[str, ...]
    config: str
    """JSON text by class name."""
    long_context: bool
    now: datetime
    """The time that the objects see, always: when the run was submitted."""

    @classmethod
    def of_entry(cls, entry: Entry, now: datetime) -> Scenario:
        """The scenario of an entry of the corpus."""
        return cls(entry.classes, entry.config, entry.long_context, now)

    @classmethod
    def of_inputs(cls, inputs: Mapping[Any, Any]) -> Scenario | None:
        """The scenario in a run's inputs; None where it is a run of something else."""
        given = {key.name if isinstance(key, Keyword) else key: value for key, value in inputs.items()}
        if not {"classes", "config", "long-context", "now"} <= given.keys():
            return None
        return cls(tuple(given["classes"]), given["config"], given["long-context"], given["now"])


def inputs_of(entry: Entry, now: datetime) -> dict[str, Any]:
    """Plain inputs of a task for an entry, of ``INPUT_TYPE``."""
    return {
        "entry": entry.id,
        "classes": list(entry.classes),
        "config": entry.config,
        "long-context": entry.long_context,
        "now": now,
    }


class World:
    """One instance of each class of a scenario."""

    def __init__(self, sources: Sources, scenario: Scenario) -> None:
        """Make the instances and load their configuration, as the package's own runner does."""
        self.time = Time(scenario.now)
        isolated = sources.isolate(scenario.long_context)
        config = orjson.loads(scenario.config)
        self.instances: dict[str, Any] = {}
        with self.time.is_seen():
            for name in scenario.classes:
                instance = self.instances[name] = isolated.type(name)()
                if name not in _STATELESS:
                    instance._load_scenario(config.get(name, {}), long_context=scenario.long_context)  # noqa: SLF001

    def call(self, class_name: str, method: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] = {}) -> Value:
        """Call a method and give its result as a value. Raises whatever the method raises.

        The arguments are copied: some methods keep a list that they were given, and later ones append to it.
        """
        function = getattr(self.instances[class_name], method)
        # `MathAPI.square_root` sets the precision of whoever calls it.
        with self.time.is_seen(), decimal.localcontext():
            return to_value(function(*map(_copied, args), **{name: _copied(given) for name, given in kwargs.items()}))


def _copied(argument: Any) -> Any:
    return argument if type(argument) in _SCALARS else copy.deepcopy(argument)


def to_value(result: Any) -> Value:
    """Copy a result as a value: the methods return parts of their state, which later calls change.

    Numbers of other libraries become the nearest float, which is what the methods are annotated with. What is no
    value at all becomes its ``repr``; in the corpus that is one ``...`` in a constant list.
    """
    kind = type(result)
    if kind in _SCALARS:
        return result  # type: ignore[no-any-return]
    if kind is dict:
        return {key: to_value(item) for key, item in result.items()}
    if kind is list or kind is tuple:
        return [to_value(item) for item in result]
    if isinstance(result, SupportsFloat):
        return float(result)
    return repr(result)
