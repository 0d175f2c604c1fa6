"""What the library asks for its recorders, and where they find the broker.

Environment variables, of the application (``<NAME>_…`` wins) or of the process, spelled as the settings of ours:
``PRECEDENT_NATS__URL``, ``PRECEDENT_NATS__CREDENTIALS`` (a JSON file with ``user`` and ``password``),
``PRECEDENT_CONTENT__URL`` (``file:/directory``, for events above 64 KiB) and ``PRECEDENT_TENANT``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    InfrastructureFactoryError,
    ProcessRecorder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic

from adapters.content.files import FileContentStore
from adapters.eventsourcing.background import Background
from adapters.eventsourcing.recorders import (
    Log,
    PrecedentAggregateRecorder,
    PrecedentApplicationRecorder,
    PrecedentProcessRecorder,
    PrecedentTrackingRecorder,
)
from adapters.eventsourcing.spelling import category
from adapters.nats.connection import Connection
from adapters.nats.epochs import ensure_streams
from adapters.nats.event_store import JetStreamEventStore
from adapters.system.clock import SystemClock
from domain.kernel.errors import PrecedentError

URL = "PRECEDENT_NATS__URL"
CREDENTIALS = "PRECEDENT_NATS__CREDENTIALS"
CONTENT = "PRECEDENT_CONTENT__URL"
TENANT = "PRECEDENT_TENANT"


class PrecedentFactory(InfrastructureFactory[PrecedentTrackingRecorder]):
    """Recorders on Precedent's log. Close it (applications do) to end its connection."""

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        url = self.env.get(URL)
        if not url:
            raise InfrastructureFactoryError(
                f"{URL} is not set: it is the broker's address, which `precedent status` shows, as nats://127.0.0.1:4222"
            )
        content = self.env.get(CONTENT) or "file:.precedent/content"
        if not content.startswith("file:"):
            raise InfrastructureFactoryError(
                f"{CONTENT}: an application keeps its big events in a folder, as in file:/srv/precedent/content"
            )
        self._tenant = self.env.get(TENANT) or "default"
        self._background = Background()
        try:
            self._connection, self._store = self._background.call(
                _connected(url, self.env.get(CREDENTIALS), Path(content.removeprefix("file:")).absolute())
            )
        except (PrecedentError, OSError, ValueError, KeyError) as problem:
            self._background.close()
            raise InfrastructureFactoryError(f"{url}: {problem}") from problem

    def close(self) -> None:
        """As the library says. Closing again does nothing."""
        if self._background.is_running:
            self._store.close()
            self._background.call(self._connection.close())
            self._background.close()

    def _log(self, purpose: str = "events") -> Log:
        name = category(self.env.name or "application", purpose)
        return Log(self._background, self._store, SystemClock(), self._tenant, name)

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """As the library says."""
        return PrecedentAggregateRecorder(self._log(purpose))

    def application_recorder(self) -> ApplicationRecorder:
        """As the library says."""
        return self._class(self.APPLICATION_RECORDER_TOPIC, PrecedentApplicationRecorder)(self._log())  # type: ignore[no-any-return]

    def tracking_recorder(
        self, tracking_recorder_class: type[PrecedentTrackingRecorder] | None = None
    ) -> PrecedentTrackingRecorder:
        """As the library says."""
        chosen = tracking_recorder_class or self._class(self.TRACKING_RECORDER_TOPIC, PrecedentTrackingRecorder)
        return chosen(self._log())

    def process_recorder(self) -> ProcessRecorder:
        """As the library says."""
        return self._class(self.PROCESS_RECORDER_TOPIC, PrecedentProcessRecorder)(self._log())  # type: ignore[no-any-return]

    def _class(self, variable: str, default: type[Any]) -> Any:
        topic = self.env.get(variable)
        return resolve_topic(topic) if topic else default


async def _connected(url: str, credentials: str | None, content: Path) -> tuple[Connection, JetStreamEventStore]:
    user = password = None
    if credentials:
        read = json.loads(Path(credentials).read_text("utf-8"))  # noqa: ASYNC240  # once, before anything else runs
        user, password = str(read["user"]), str(read["password"])
    connection = await Connection.open(url, name="precedent-eventsourcing", user=user, password=password)
    try:
        await ensure_streams(connection)
    except BaseException:
        await connection.close()
        raise
    return connection, JetStreamEventStore(connection, FileContentStore(content))
