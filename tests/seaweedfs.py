"""A real S3 server on this machine, which can be killed and come back with what it stored."""

from __future__ import annotations

import io
import json
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from adapters.content.s3_address import S3Address

PROGRAM = Path(sys.executable).with_name("weed")
PORTS = ("s3", "master", "filer", "volume", "admin")
BUCKET = "blobs"
STARTED_WITHIN = 40.0


class SeaweedFS:
    """The server with one bucket, in a folder; other files of its own lie in /tmp and go with it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.access_key, self.secret_key = secrets.token_hex(10), secrets.token_hex(20)
        identity = {
            "name": "precedent",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
        (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
        (folder / "data").mkdir()
        found = iter(free_ports(2 * len(PORTS)))
        self._ports = {f"{name}.port{kind}": next(found) for name in PORTS for kind in ("", ".grpc")}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._ports['s3.port']}"

    def address(self, prefix: str = "") -> S3Address:
        return S3Address(BUCKET, prefix, self.endpoint, "us-east-1")

    def client(self) -> Minio:
        """The server's own door, for what is done behind our back."""
        host = self.endpoint.removeprefix("http://")
        pool = urllib3.PoolManager(retries=False, timeout=5.0)
        return Minio(host, self.access_key, self.secret_key, secure=False, region="us-east-1", http_client=pool)

    def start(self) -> None:
        """Return once it serves the bucket."""
        flags = {
            "dir": self._folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.telemetry": "false",
            "s3.config": self._folder / "s3.json",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
            "webdav": "false",
            "admin.ui": "false",
            "bucket": BUCKET,
            **self._ports,
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "mini", *(f"-{name}={value}" for name, value in flags.items())], stdout=log, stderr=log
            )
        client, deadline = self.client(), time.monotonic() + STARTED_WITHIN
        while not self._serves(client):
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.05)

    def kill(self) -> None:
        """As a crash would. Killing again does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for port in self._ports.values():
            for left in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    def _serves(self, client: Minio) -> bool:
        with suppress(MinioException, urllib3.exceptions.HTTPError):
            return client.bucket_exists(BUCKET) and _takes(client)
        return False


def _takes(client: Minio) -> bool:
    """Whether it stores, which it may do some time after it answers."""
    client.put_object(BUCKET, ".ready", io.BytesIO(b"ready"), 5)
    return True


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nothing listens on now, all of them different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
