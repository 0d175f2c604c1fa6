"""The broker's streams: made where missing, checked where present."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final

from adapters.nats.connection import ApiRefused, Connection, NotPermitted
from domain.kernel.errors import PrecedentError

NOT_FOUND: Final = 10059
NAME_TAKEN: Final = 10058
CONSUMER_NOT_FOUND: Final = 10014
NO_ROOM: Final = 10077

logger = logging.getLogger(__name__)

SHORTEST_WINDOW: Final = 100_000_000
"""Nanoseconds: the broker's shortest duplicate window. Duplicates are recognised by head expectations, not by it."""

ANSWERS_KEPT: Final = 24 * 3600 * 1_000_000_000
"""Nanoseconds for which a command's answer is repeated to whoever asks again."""

_STORED: Final[Mapping[str, Any]] = {
    "storage": "file",
    "compression": "none",
    "discard": "new",
    "max_msgs": -1,
    "max_bytes": -1,
    "max_age": 0,
    "max_msgs_per_subject": -1,
}
_UNDELETABLE: Final[Mapping[str, Any]] = {
    "retention": "limits",
    "deny_delete": True,
    "deny_purge": True,
    "allow_direct": True,
    "duplicate_window": SHORTEST_WINDOW,
}

CACHE_BUCKET: Final = "precedent-cache"
FLIGHTS_BUCKET: Final = "precedent-flights"
CACHE_BYTES: Final = 128 * 1024 * 1024
FLIGHTS_BYTES: Final = 8 * 1024 * 1024
"""Bytes of the broker's memory at most; the oldest entries give way."""

_BUCKET: Final[Mapping[str, Any]] = {
    # What is in them can be found or made again: they need no disk.
    "storage": "memory",
    "retention": "limits",
    "discard": "old",
    "max_msgs_per_subject": 1,
    "allow_direct": True,
    "allow_msg_ttl": True,
    "duplicate_window": SHORTEST_WINDOW,
}


class StreamDiffers(PrecedentError):
    """A stream exists with other settings than ours: use a broker account of its own, or migrate that stream."""

    code = "stream.settings-differ"


def events_name(epoch: int, shard: int) -> str:
    """Name of the stream that holds one shard of an epoch."""
    return f"EVENTS_{epoch}_{shard}"


def epoch_named(name: str) -> int:
    """Epoch of a stream of this name."""
    return int(name.split("_")[1])


def events_settings(shard: int) -> dict[str, Any]:
    """Settings of the stream that holds the open epoch of a shard."""
    return {**_STORED, **_UNDELETABLE, "subjects": [f"evt.{shard}.>"], "allow_atomic": True}


COMMANDS_BYTES: Final = 512 * 1024 * 1024
"""Bytes of commands that wait at most; further ones are refused, and whoever sends them is told."""
DEAD_BYTES: Final = 256 * 1024 * 1024
"""Bytes of dead letters at most; the oldest give way."""

BUS_STREAMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "COMMANDS": {
        **_STORED,
        "subjects": ["cmd.*.*.*.*"],
        "retention": "workqueue",
        "max_bytes": COMMANDS_BYTES,
        "duplicate_window": SHORTEST_WINDOW,
    },
    "ANSWERS": {
        **_STORED,
        "subjects": ["ans.*.*"],
        "retention": "limits",
        "discard": "old",
        "max_msgs_per_subject": 1,
        "max_age": ANSWERS_KEPT,
        "allow_direct": True,
        "duplicate_window": SHORTEST_WINDOW,
    },
    "WAKE": {
        **_STORED,
        # Timers lie beside the queue's own subjects, where no consumer sees them until they are due. Those without a
        # tenant are of earlier releases (adapters/nats/earlier_wakes.py).
        "subjects": ["wake.*.*.*", "wake.*.*.*.at.*", "wake.*.*", "wake.*.*.at.*"],
        "retention": "workqueue",
        "discard": "old",  # the broker wants this for schedules; without limits nothing is discarded
        "allow_msg_schedules": True,
        "duplicate_window": SHORTEST_WINDOW,
    },
    "LEDGER": {
        **_STORED,
        **_UNDELETABLE,
        "subjects": ["ledger.*.checkpoint"],
    },
    "DEAD": {
        **_STORED,
        "subjects": ["dead.>"],
        "retention": "limits",
        "discard": "old",
        "max_bytes": DEAD_BYTES,
        "allow_direct": True,
        "duplicate_window": SHORTEST_WINDOW,
    },
    f"KV_{CACHE_BUCKET}": {**_BUCKET, "subjects": [f"$KV.{CACHE_BUCKET}.>"], "max_bytes": CACHE_BYTES},
    f"KV_{FLIGHTS_BUCKET}": {**_BUCKET, "subjects": [f"$KV.{FLIGHTS_BUCKET}.>"], "max_bytes": FLIGHTS_BYTES},
}
"""Streams of the command bus, the work queue, the ledger's checkpoints and what could not be handled; and buckets."""


EARLIER_SETTINGS: Final[Mapping[str, Mapping[str, Any]]] = {
    "COMMANDS": {"max_bytes": -1},
    "WAKE": {"subjects": ["wake.*.*", "wake.*.*.at.*"]},
    "DEAD": {"discard": "new", "max_bytes": -1},
}
"""What streams that an earlier release made have instead: the keeper's account gives them the present settings."""

EARLIER_CONSUMER: Final = "commands"
"""The consumer of COMMANDS that the workers of all tenants shared in earlier releases; a tenant's is named after it."""

RENEWED_WITHIN: Final = 15.0
"""Seconds that others wait for the keeper to do so."""
LOOKS_EVERY: Final = 0.2

KEEPERS_ALONE: Final = (
    "ledger.>",
    *(f"$JS.API.STREAM.{verb}.>" for verb in ("UPDATE", "DELETE", "RESTORE", "SNAPSHOT", "PEER")),
    *(
        f"$JS.API.STREAM.{verb}.{name}"
        for verb, spared in (("PURGE", ("KV_",)), ("MSG.DELETE", ("KV_", "DEAD")))
        for name in BUS_STREAMS
        if not name.startswith(spared)
    ),
)
"""What closes, changes or empties a stream, and checkpoints: the services' account may not publish these.

Streams of events and checkpoints refuse to be purged by anyone; so what else lay there would break the ledger for good.
"""


async def ensure_bus(connection: Connection) -> None:
    """Make every stream that is missing, but those of events. Raises ``StreamDiffers``, ``ServiceUnreachable``."""
    for name, settings in BUS_STREAMS.items():
        await _ensure(connection, name, settings)


async def _ensure(connection: Connection, name: str, settings: Mapping[str, Any]) -> None:
    try:
        found = await connection.api(f"STREAM.INFO.{name}")
    except ApiRefused as refusal:
        if refusal.number != NOT_FOUND:
            raise
        found = await _create(connection, name, settings)
    config = found["config"]
    if _is_earlier(name, settings, config):
        config = await _renewed(connection, name, settings, config)
    check_settings(name, settings, config)


async def _create(connection: Connection, name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return await connection.api(f"STREAM.CREATE.{name}", {"name": name, **settings})
    except ApiRefused as refusal:
        if refusal.number != NAME_TAKEN:
            raise
        # Another process made it in between.
        return await connection.api(f"STREAM.INFO.{name}")


def _is_earlier(name: str, settings: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    earlier = {**settings, **EARLIER_SETTINGS.get(name, {})}
    differing = _differing(settings, found)
    return bool(differing) and not _differing({setting: earlier[setting] for setting in differing}, found)


async def _renewed(
    connection: Connection, name: str, settings: Mapping[str, Any], config: dict[str, Any]
) -> Mapping[str, Any]:
    try:
        updated = await connection.api(f"STREAM.UPDATE.{name}", {**config, **settings})
    except NotPermitted as error:
        logger.warning("stream %s is of an earlier release; the keeper is waited for", name)
        return await _renewed_by_keeper(connection, name, settings, error)
    if name == "COMMANDS":
        await forget_earlier(connection)
    return dict(updated["config"])


async def _renewed_by_keeper(
    connection: Connection, name: str, settings: Mapping[str, Any], error: NotPermitted
) -> Mapping[str, Any]:
    """Start order does not matter: the ledger's process has the keeper's account, and comes at about the same time."""
    for _ in range(int(RENEWED_WITHIN / LOOKS_EVERY)):
        config: Mapping[str, Any] = (await connection.api(f"STREAM.INFO.{name}"))["config"]
        if not _is_earlier(name, settings, config):
            return config
        await asyncio.sleep(LOOKS_EVERY)
    raise StreamDiffers(
        f"stream {name} has the settings of an earlier release, and only the keeper's account may change them: start "
        "the ledger of this release, or any command with that account"
    ) from error


async def forget_earlier(connection: Connection) -> None:
    """Delete the consumer of all tenants: beside it the broker lets none have its own. Its messages stay.

    Raises ``NotPermitted``: an account of one tenant leaves it to the keeper.
    """
    try:
        await connection.api(f"CONSUMER.DELETE.COMMANDS.{EARLIER_CONSUMER}")
    except ApiRefused as refusal:
        if refusal.number != CONSUMER_NOT_FOUND:
            raise


def _differing(settings: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Setting -> what it is, what it ought to be."""
    return {
        setting: (found.get(setting), wanted)
        for setting, wanted in settings.items()
        if found.get(setting) != wanted and not (wanted is False and setting not in found)
    }


def check_settings(name: str, settings: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Compare a stream's settings with those that it must have. Raises ``StreamDiffers``."""
    differing = _differing(settings, found)
    if differing:
        shown = "; ".join(f"{setting} is {is_!r}, not {ought!r}" for setting, (is_, ought) in differing.items())
        raise StreamDiffers(f"stream {name} exists with other settings: {shown}")
