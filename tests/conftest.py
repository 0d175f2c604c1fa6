"""Fixtures that every test may use: real servers, started once for the session."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from infra.settings import Durability, Settings
from infra.stack.endpoints import Endpoints
from infra.stack.stack import embedded
from tests.seaweedfs import SeaweedFS

os.environ.pop("COLUMNS", None)  # pytest-xdist sets it, and what a test reads would wrap

# What a test draws takes as long as this machine has other work.
settings.register_profile("precedent", deadline=None)
settings.load_profile("precedent")


@contextmanager
def temporary_data_directory() -> Iterator[Path]:
    """A data directory that PostgreSQL can reach when root runs the tests (pytest's own are private to root)."""
    parent = Path(tempfile.mkdtemp(prefix="precedent-test-"))
    parent.chmod(0o755)
    try:
        yield parent / "data"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def settings_for(data: Path, durability: Durability) -> Settings:
    """Settings that say nothing but where the data lies and how durable it is."""
    return Settings.model_validate({"data": data, "durability": durability})


@pytest.fixture
def data_directory() -> Iterator[Path]:
    """A fresh place for one stack's data."""
    with temporary_data_directory() as data:
        yield data


@pytest.fixture(scope="session")
async def stack() -> AsyncIterator[Endpoints]:
    """A real broker and a real database for the whole session; tests keep apart by tenant, stream and schema names."""
    with temporary_data_directory() as data:
        async with embedded(settings_for(data, "flush")) as endpoints:
            yield endpoints


@pytest.fixture(scope="session")
async def fsync_stack() -> AsyncIterator[Endpoints]:
    """The same, and every acknowledged write is on the disk."""
    with temporary_data_directory() as data:
        async with embedded(settings_for(data, "fsync")) as endpoints:
            yield endpoints


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server for the whole session; tests keep apart by the prefix of their keys."""
    server = SeaweedFS(tmp_path_factory.mktemp("s3"))
    try:
        server.start()
        yield server
    finally:
        server.kill()
