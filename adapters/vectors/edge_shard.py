"""Qdrant's engine over a folder, for the one process that holds its lock.

``<folder>/current`` names the generation, a folder beside it, whose files count. A generation is replaced as a whole:
by an empty one to clear the index, by an optimized copy of itself, or because it cannot be opened, when it is kept as
``damaged`` until the next one is. What the engine acknowledged outlives a kill of this process; a power cut can lose
what was not flushed yet (``FLUSH`` in ``edge_process``).
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from qdrant_edge import (
    CountRequest,
    Distance,
    EdgeConfig,
    EdgeOptimizersConfig,
    EdgeShard,
    EdgeVectorParams,
    FieldCondition,
    Filter,
    HnswIndexConfig,
    MatchValue,
    Memory,
    PayloadSchemaType,
    Point,
    QuantizationSearchParams,
    Query,
    ScalarQuantizationConfig,
    ScalarType,
    SearchParams,
    SearchRequest,
    UpdateOperation,
)

from adapters.vectors.marks import FIELD, complete

_log = logging.getLogger(__name__)

Found = tuple[str, float, list[str]]
"""Id, similarity, labels as keywords."""

_SPACE: Final = "space.json"
_CURRENT: Final = "current"
_OPENING: Final = "opening"
_DAMAGED: Final = "damaged"
_GENERATION: Final = "g-"

_TRIES: Final = 2
"""Deaths while opening after which it is the files: the engine maps them, and a cut one ends the process (SIGBUS)."""

MOST_BY_GRAPH: Final = 1_000
"""Neighbours to look for in the graph, which may miss a few; who wants more wants all, and gets the exact answer."""
_PARAMETERS: Final = SearchParams(hnsw_ef=128, quantization=QuantizationSearchParams(rescore=True, oversampling=2.0))
_EXACT: Final = SearchParams(exact=True)


class SpaceDiffers(Exception):
    """The folder holds points of another embedder; the message says of which."""


class Shard:
    """One index. Not for several threads."""

    def __init__(self, folder: Path, embedder: str, dimensions: int, kilobytes: int) -> None:
        """Open what is in the folder, or begin anew. ``kilobytes`` of points are searched one by one at most.

        Raises ``SpaceDiffers``, ``OSError``.
        """
        self._folder, self._dimensions, self._kilobytes = folder, dimensions, kilobytes
        self._touched: set[str] | None = None
        self._check_space({"embedder": embedder, "dimensions": dimensions})
        self._name, self._engine = self._opened()

    def put(self, points: Iterable[tuple[str, list[str]]], vectors: bytes) -> None:
        """Add or replace; ``vectors`` are those of the points, one after the other."""
        numbers, size = _numbers(vectors), self._dimensions
        given = [
            Point(id_, numbers[place * size : (place + 1) * size], {FIELD: keywords})
            for place, (id_, keywords) in enumerate(points)
        ]
        self._touch(str(point.id) for point in given)
        self._engine.update(UpdateOperation.upsert_points(given))

    def remove(self, ids: Sequence[str]) -> None:
        """Take out those that are there."""
        self._touch(ids)
        self._engine.update(UpdateOperation.delete_points(list(ids)))

    def search(self, vector: bytes, keywords: Sequence[str], limit: int) -> list[Found]:
        """The nearest with all these labels, equals by id."""
        if limit == 0:
            return []
        parameters = _PARAMETERS
        if limit > MOST_BY_GRAPH:
            limit, parameters = min(limit, max(1, self.count())), _EXACT
        query = Query.Nearest(_numbers(vector))
        conditions = [FieldCondition(FIELD, match=MatchValue(keyword)) for keyword in keywords]
        wanted = Filter(must=list(conditions)) if conditions else None
        asked = limit + 1
        while True:
            found = self._engine.search(
                SearchRequest(query, asked, filter=wanted, params=parameters, with_payload=True)
            )
            if complete([each.score for each in found], asked, limit):
                break
            asked *= 2
        found.sort(key=lambda each: (-each.score, str(each.id)))
        return [(str(each.id), each.score, (each.payload or {})[FIELD]) for each in found[:limit]]

    def count(self) -> int:
        """How many points it holds."""
        return self._engine.count(CountRequest(exact=True))

    def clear(self) -> None:
        """Begin a new generation."""
        self._touched = None
        self._adopt(*self._created())

    def flush(self) -> None:
        """Write what was acknowledged to the disk."""
        self._engine.flush()

    def close(self) -> None:
        """Flush, and let go of the files."""
        self._engine.close()

    def unindexed(self) -> float:
        """How much is searched one by one, as a share of what may be."""
        info = self._engine.info()
        return (info.points_count - info.indexed_vectors_count) * self._dimensions * 4 / (self._kilobytes * 1024)

    def begin_copy(self) -> tuple[Path, Path]:
        """From now on note what changes; the generation, flushed, and where a copy of it may be optimized."""
        self._touched = set()
        self._engine.flush()
        return self._folder / self._name, self._folder / _new_name()

    def take_copy(self, copy: Path) -> None:
        """Let an optimized copy be the index, after bringing it up to date; or drop it if that is no use any more."""
        touched, self._touched = self._touched, None
        if touched is None:
            self.drop_copy(copy)
            return
        engine = EdgeShard.load(str(copy))
        ids = list(touched)
        for first in range(0, len(ids), 1000):
            some = ids[first : first + 1000]
            engine.update(UpdateOperation.delete_points(list(some)))
            records = self._engine.retrieve(list(some), with_payload=True, with_vector=True)
            if records:
                engine.update(
                    UpdateOperation.upsert_points([Point(each.id, each.vector or [], each.payload) for each in records])
                )
        self._adopt(copy.name, engine)

    def drop_copy(self, copy: Path) -> None:
        """Forget about a copy."""
        self._touched = None
        shutil.rmtree(copy, ignore_errors=True)

    def set_aside(self) -> None:
        """Keep a damaged generation for whoever wants to look, and begin anew."""
        _log.error("%s cannot be used: kept as %s, and the index is empty", self._folder / self._name, _DAMAGED)
        self._touched = None
        self._move_aside(self._name)
        self._name, self._engine = self._begun()

    def _touch(self, ids: Iterable[str]) -> None:
        if self._touched is not None:
            self._touched.update(ids)

    def _check_space(self, asked: dict[str, str | int]) -> None:
        file = self._folder / _SPACE
        try:
            held = json.loads(file.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            held = asked
            _write(file, json.dumps(asked))
        if held != asked:
            raise SpaceDiffers(
                f"{self._folder} holds points of {held.get('embedder')} with {held.get('dimensions')} components"
                if isinstance(held, dict)
                else f"{file} is no description of an embedder"
            )

    def _opened(self) -> tuple[str, EdgeShard]:
        current, opening = self._folder / _CURRENT, self._folder / _OPENING
        name = current.read_text("utf-8") if current.exists() else ""
        for other in self._folder.glob(f"{_GENERATION}*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)
        if not name.startswith(_GENERATION) or not (self._folder / name).is_dir():
            return self._begun()
        tries = len(opening.read_bytes()) if opening.exists() else 0
        opening.write_bytes(b"." * (tries + 1))
        try:
            if tries >= _TRIES:
                raise RuntimeError(f"{tries} processes died of opening it")  # noqa: TRY301
            engine = self._loaded(self._folder / name)
        except Exception:  # noqa: BLE001  # the engine raises no other
            _log.exception("%s cannot be opened: kept as %s, and the index is empty", name, _DAMAGED)
            self._move_aside(name)
            name, engine = self._begun()
        opening.unlink()
        return name, engine

    def _loaded(self, path: Path) -> EdgeShard:
        """Open, and look at every vector once: what is cut short shows now, and the pages are in memory."""
        engine = EdgeShard.load(str(path))
        north = [1.0] + [0.0] * (self._dimensions - 1)
        engine.search(SearchRequest(Query.Nearest(north), 1, params=_EXACT, with_payload=True))
        return engine

    def _begun(self) -> tuple[str, EdgeShard]:
        name, engine = self._created()
        _write(self._folder / _CURRENT, name)
        return name, engine

    def _created(self) -> tuple[str, EdgeShard]:
        name = _new_name()
        config = EdgeConfig(
            vectors=EdgeVectorParams(self._dimensions, Distance.Dot),
            hnsw_config=HnswIndexConfig(m=16, ef_construct=64, full_scan_threshold=self._kilobytes),
            quantization_config=ScalarQuantizationConfig(ScalarType.Int8, quantile=0.99, always_ram=True),
            optimizers=EdgeOptimizersConfig(indexing_threshold=self._kilobytes),
            payload_memory=Memory.Cached,  # else the first answer with a point reads the disk for its labels
        )
        engine = EdgeShard.create(str(self._folder / name), config)
        engine.update(UpdateOperation.create_field_index(FIELD, PayloadSchemaType.Keyword))
        engine.flush()
        return name, engine

    def _adopt(self, name: str, engine: EdgeShard) -> None:
        engine.flush()
        _write(self._folder / _CURRENT, name)
        (old, self._name), (before, self._engine) = (self._name, name), (self._engine, engine)
        before.close()
        shutil.rmtree(self._folder / old, ignore_errors=True)

    def _move_aside(self, name: str) -> None:
        shutil.rmtree(self._folder / _DAMAGED, ignore_errors=True)
        (self._folder / name).rename(self._folder / _DAMAGED)


def _numbers(vectors: bytes) -> list[float]:
    return array("f", vectors).tolist()


def _new_name() -> str:
    return f"{_GENERATION}{secrets.token_hex(4)}"


def _write(file: Path, text: str) -> None:
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text(text, "utf-8")
    partial.replace(file)
