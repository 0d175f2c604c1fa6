"""Stories told to the log of the deployment, as its own services would have written them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from domain.kernel.ids import StreamId
from infra.bootstrap.connections import connected, event_store
from infra.bootstrap.content import content_store
from infra.stack.endpoints import Endpoints, endpoints_of
from tests.conftest import settings_for
from tests.projections.reusing import Made
from tests.projections.stories import Happening, drafts

TENANT = "default"


def tell(data: Path, category: str, stream: str, happenings: Sequence[Happening]) -> None:
    """Append what happened to a stream."""
    asyncio.run(_tell(_endpoints(data), StreamId(TENANT, category, stream), happenings))


async def _tell(endpoints: Endpoints, stream: StreamId, happenings: Sequence[Happening]) -> None:
    async with connected(endpoints, "test") as connection, event_store(connection, endpoints) as store:
        head = (await store.load(stream)).head
        await store.append(stream, drafts(stream, list(happenings), head.version + 1, stream.category), head)


def upload(data: Path, made: Made) -> Path:
    """Put a program's bytecode into the content store; gives the file that has it."""
    asyncio.run(_put(_endpoints(data), made))
    (file,) = [path for path in data.rglob(made.module.removeprefix("sha256:") + "*") if path.is_file()]
    return file


async def _put(endpoints: Endpoints, made: Made) -> None:
    with content_store(endpoints.content) as content:
        await content.put(TENANT, made.bytecode, "application/vnd.precedent.rtfs-module")


def publish(data: Path, made: Made, *then: Happening) -> None:
    """A program, published as a worker does it."""
    upload(data, made)
    tell(data, "program", made.id, [made.published(), *then])


def _endpoints(data: Path) -> Endpoints:
    found = endpoints_of(settings_for(data, "flush"))
    assert found is not None
    return found
