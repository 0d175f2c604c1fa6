"""L1: which target answered tasks of a shape, remembered in this process from what was published."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from commands.evidence import CATALOG
from domain.cache.events import (
    CacheEntryInvalidated,
    CacheEntryPublished,
    CacheInvalidated,
)
from domain.cache.keys import CacheKey
from domain.kernel.errors import StoredDataInvalid
from domain.kernel.events import Recorded
from domain.runs.delegation import VERSION, shape
from domain.runs.task import Task

MOST: Final = 100_000
"""Shapes that a process remembers; those not asked for longest are forgotten."""

Target = dict[str, str]
"""``{"target": "program", "entry": id}`` or ``{"target": "model", "name": name}``."""

_NAMED_BY: Final = {"program": "entry", "model": "name"}

LONGEST_NAME: Final = 64
"""Characters of the id of a program, or the name of a model."""


def key_of(task: Task) -> CacheKey:
    """What a task's target is remembered by."""
    return CacheKey(task.cache.namespace, "L1", "delegation", VERSION, shape(task))


@dataclass(slots=True)
class Delegations:
    """Targets by tenant and key; a look-up touches nothing but this process's memory."""

    _targets: OrderedDict[tuple[str, str], CacheEntryPublished] = field(default_factory=OrderedDict)

    async def hear(self, recorded: Recorded) -> None:
        """Take one event of category ``cache``. Raises ``StoredDataInvalid``."""
        event, stream = CATALOG.decode(recorded), recorded.stream
        match event:
            case CacheEntryPublished(level="L1"):
                if _target_of(event.value) is None:
                    raise StoredDataInvalid(f"entry {stream.id} names no target")
                self._targets[stream.tenant, stream.id] = event
                self._targets.move_to_end((stream.tenant, stream.id))
                while len(self._targets) > MOST:
                    self._targets.popitem(last=False)
            case CacheEntryInvalidated():
                self._targets.pop((stream.tenant, stream.id), None)
            case CacheInvalidated(namespace=namespace, level=None | "L1", tag=tag, depends=depends):
                gone = [
                    key
                    for key, kept in self._targets.items()
                    if (key[0], kept.namespace) == (stream.tenant, namespace)
                    and (tag is None or tag in kept.tags)
                    and (depends is None or depends in kept.depends)
                ]
                for key in gone:
                    del self._targets[key]

    def find(self, tenant: str, key: CacheKey) -> Target | None:
        """The target that answered last."""
        place = (tenant, key.id)
        kept = self._targets.get(place)
        if kept is None:
            return None
        self._targets.move_to_end(place)
        return _target_of(kept.value)


def _target_of(value: Any) -> Target | None:
    """The target that an event names; None where it names none."""
    if not isinstance(value, dict) or not isinstance(kind := value.get("target"), str) or kind not in _NAMED_BY:
        return None
    name = value.get(_NAMED_BY[kind])
    if not isinstance(name, str) or len(name) > LONGEST_NAME:
        return None
    return {"target": kind, _NAMED_BY[kind]: name}
