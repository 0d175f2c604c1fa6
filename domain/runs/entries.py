"""The journal of a run: effects by key, as they stand after one of its events.

Every event makes a new state, and earlier states stay as they are: what is staged may be dropped. So that a run of many
thousand effects costs no copy at each, all states of one history share one list, and each sees so much of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from domain.runs.state import Entry

Default = TypeVar("Default")


class _History:
    """What is shared: entries in the order in which they came, and by key the places of its entries."""

    __slots__ = ("entries", "places")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.places: dict[str, list[int]] = {}


class Journal(Mapping[str, "Entry"]):
    """Effects by key. It is never changed: ``with_entry`` gives another, in constant time where this one is the newest.

    From an older one a new history is begun, at the cost of a copy.
    """

    __slots__ = ("_count", "_history", "_length")

    def __init__(self, entries: Mapping[str, Entry] | None = None) -> None:
        """Hold these."""
        self._history = _History()
        self._length = 0
        """Entries of the history that are seen."""
        self._count = 0
        """Keys among them."""
        for key, entry in (entries or {}).items():
            self._add(key, entry)

    def with_entry(self, key: str, entry: Entry) -> Journal:
        """The journal with one entry more, or with another in its place."""
        if self._length != len(self._history.entries):
            return Journal(dict(self)).with_entry(key, entry)
        new = object.__new__(Journal)
        new._history, new._length, new._count = self._history, self._length, self._count  # of its kind
        new._add(key, entry)
        return new

    def _add(self, key: str, entry: Entry) -> None:
        places = self._history.places.setdefault(key, [])
        self._count += not places
        places.append(self._length)
        self._history.entries.append(entry)
        self._length += 1

    def _place(self, key: str) -> int | None:
        for place in reversed(self._history.places.get(key, ())):
            if place < self._length:
                return place
        return None

    def __getitem__(self, key: str) -> Entry:
        """The entry of an effect. Raises ``KeyError``."""
        place = self._place(key)
        if place is None:
            raise KeyError(key)
        return self._history.entries[place]

    def get(self, key: str, default: Default | None = None) -> Entry | Default | None:  # type: ignore[override]
        """The entry of an effect, if there is one."""
        place = self._place(key)
        return default if place is None else self._history.entries[place]

    def __contains__(self, key: object) -> bool:
        """Whether there is an entry of this effect."""
        return isinstance(key, str) and self._place(key) is not None

    def __iter__(self) -> Iterator[str]:
        """Keys in the order in which they came first."""
        return (key for key, places in list(self._history.places.items()) if places[0] < self._length)

    def __len__(self) -> int:
        """How many effects there are."""
        return self._count
