"""Vector index in Qdrant's own engine, in a process of its own that all processes of a deployment share.

The engine holds the interpreter's lock while it works, so it does not live here. The first who needs the index starts
its process (``edge_process``), others on the same folder connect to it, and it ends with its last client. When it
dies, it is started once more and the call repeated, as every call can be.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import orjson

import adapters
from adapters.vectors.edge_link import Link, LinkLost
from adapters.vectors.frames import Kind
from adapters.vectors.marks import labels_of, marks
from adapters.vectors.space import Space, check_id
from commands.indexes import Neighbour, Point
from domain.kernel.embedding import Embedding, EmbeddingInvalid
from domain.kernel.errors import ServiceUnreachable

KILOBYTES: Final = 10_000
"""Of points that are searched one by one before an index is built over them: about a millisecond."""
BATCH: Final = 256
"""Points in one request."""
START: Final = 30.0
"""Seconds for the index process to open its index, or for another one to let go of it."""
DEATHS: Final = 4
"""Starts that may fail before we say so: opening damaged files can end the process, until it sets them aside."""
_PAUSE: Final = 0.02


class EdgeVectorIndex:
    """``commands.indexes.VectorIndex`` in a folder of this machine. Any number of processes may share it."""

    def __init__(
        self, folder: Path, embedder: str, dimensions: int, *, kilobytes: int = KILOBYTES, start: float = START
    ) -> None:
        """Use this folder, which is made at the first call; nothing is started before."""
        self._folder, self._kilobytes, self._start = folder.absolute(), kilobytes, start
        self._space = Space(embedder, dimensions)
        self._link: Link | None = None
        self._linking = asyncio.Lock()

    @property
    def folder(self) -> Path:
        """Where the index is."""
        return self._folder

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def put(self, points: Sequence[Point]) -> None:
        """Add points, or replace those of the same id."""
        for some in _batches(self._space.admit(points)):
            await self._ask(
                Kind.PUT,
                {"points": [(each.id, marks(each.labels)) for each in some]},
                b"".join(each.embedding.vector for each in some),
            )

    async def remove(self, ids: Sequence[str]) -> None:
        """Take points out."""
        for id_ in ids:
            check_id(id_)
        if ids:
            await self._ask(Kind.REMOVE, {"ids": list(ids)})

    async def search(self, embedding: Embedding, labels: Mapping[str, str], limit: int) -> Sequence[Neighbour]:
        """The nearest points with all these labels."""
        self._space.check_search(embedding, labels, limit)
        wanted = {"labels": marks(labels), "limit": min(limit, 2**31)}
        answer = await self._ask(Kind.SEARCH, wanted, embedding.vector)
        return [
            Neighbour(id_, max(-1.0, min(1.0, score)), labels_of(keywords)) for id_, score, keywords in answer["found"]
        ]

    async def count(self) -> int:
        """How many points it holds."""
        return int((await self._ask(Kind.COUNT))["count"])

    async def clear(self) -> None:
        """Take out every point."""
        await self._ask(Kind.CLEAR)

    async def optimize(self) -> bool:
        """Index now what is searched one by one, which is else done in the next pause; whether that went well."""
        return bool((await self._ask(Kind.OPTIMIZE))["optimized"])

    async def process(self) -> int:
        """The id of the index process."""
        hello = await self._ask(Kind.HELLO, {"embedder": self._space.embedder, "dimensions": self._space.dimensions})
        return int(hello["pid"])

    async def close(self) -> None:
        """Leave; when we were the last client, all is on the disk afterwards and the process ends."""
        async with self._linking:
            link, self._link = self._link, None
            if link is not None:
                await link.close()

    async def _ask(self, kind: Kind, head: Mapping[str, Any] | None = None, tail: bytes = b"") -> Mapping[str, Any]:
        try:
            return await (await self._linked()).ask(kind, head or {}, tail)
        except LinkLost:
            pass
        try:
            return await (await self._linked()).ask(kind, head or {}, tail)
        except LinkLost:
            raise ServiceUnreachable(
                f"the index process of {self._folder} ended twice during one {kind.name}: see {self._folder / 'log'}"
            ) from None

    async def _linked(self) -> Link:
        async with self._linking:
            if self._link is not None and self._link.lost:
                await self._link.close()
                self._link = None
            if self._link is None:
                self._link = await self._new_link()
            return self._link

    async def _new_link(self) -> Link:
        deadline, deaths, holder = time.monotonic() + self._start, 0, "unknown"
        while True:
            try:
                return await self._connected()
            except (OSError, LinkLost):
                pass
            said = await asyncio.to_thread(self._spawn)
            if "differs" in said:
                raise EmbeddingInvalid(f"{said['differs']}, not of {self._space.embedder}: use another folder")
            if "failed" in said:
                raise ServiceUnreachable(f"the vector index in {self._folder} cannot be opened: {said['failed']}")
            if "held" in said:
                holder = said["held"]
                await asyncio.sleep(_PAUSE)
            deaths += "died" in said
            if deaths >= DEATHS:
                raise ServiceUnreachable(f"the index process of {self._folder} does not start: {said['died']}")
            if time.monotonic() > deadline:
                raise ServiceUnreachable(
                    f"process {holder} has the vector index in {self._folder} open and does not answer: end it, or "
                    "name another data directory"
                )

    async def _connected(self) -> Link:
        link = await Link.open(self._folder)
        hello = {"embedder": self._space.embedder, "dimensions": self._space.dimensions}
        try:
            await asyncio.wait_for(link.ask(Kind.HELLO, hello), self._start)
        except TimeoutError:
            await link.close()
            raise LinkLost from None
        except BaseException:
            await link.close()
            raise
        return link

    def _spawn(self) -> Mapping[str, str]:
        """Start the process; what it says once it serves: nothing, or why it does not."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self._folder / "log").open("ab") as log:
                started = subprocess.run(  # noqa: S603
                    [
                        *(sys.executable, "-m", "adapters.vectors.edge_process", str(self._folder)),
                        *(self._space.embedder, str(self._space.dimensions), str(self._kilobytes)),
                    ],
                    check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                    start_new_session=True, cwd=self._folder, env=_environment(), timeout=self._start,
                )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired, ValueError) as error:
            return {"failed": str(error)}
        if not started.stdout:
            return {"died": _last_line(self._folder / "log")}
        said: dict[str, str] = orjson.loads(started.stdout)
        return said


def _environment() -> dict[str, str]:
    """What Python needs to find this very package and its libraries, and no secret."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return kept | {"PYTHONPATH": str(Path(str(adapters.__file__)).parents[1])}


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _batches(points: Sequence[Point]) -> Iterator[Sequence[Point]]:
    return (points[first : first + BATCH] for first in range(0, len(points), BATCH))
