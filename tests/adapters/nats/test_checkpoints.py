import pytest

from adapters.nats.checkpoints import JetStreamCheckpoints
from adapters.nats.connection import Connection
from tests.contracts.ledger import CheckpointLogContract, shard

__all__ = ["shard"]


class TestJetStreamCheckpoints(CheckpointLogContract):
    @pytest.fixture
    def checkpoints(self, connection: Connection) -> JetStreamCheckpoints:
        return JetStreamCheckpoints(connection)
