from collections.abc import AsyncIterator

import pytest

from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from infra.bootstrap.connections import connected
from infra.stack.endpoints import Endpoints
from tests.contracts.ledger import CheckpointLogContract, shard

__all__ = ["shard"]


class TestJetStreamCheckpoints(CheckpointLogContract):
    @pytest.fixture
    async def keeper(self, stack: Endpoints) -> AsyncIterator[Connection]:
        async with connected(stack, "tests", keeping=True) as connection:
            yield connection

    @pytest.fixture
    def checkpoints(self, keeper: Connection) -> JetStreamCheckpoints:
        return JetStreamCheckpoints(keeper)
