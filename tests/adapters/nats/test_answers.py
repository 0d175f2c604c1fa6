import pytest

from adapters.nats.answers import JetStreamAnswers
from adapters.nats.connection import Connection
from infra.stack.endpoints import Endpoints
from tests.contracts.answer_store import AnswerStoreContract


@pytest.fixture
def answers(connection: Connection) -> JetStreamAnswers:
    return JetStreamAnswers(connection)


class TestJetStreamAnswers(AnswerStoreContract):
    async def test_answers_outlive_whoever_gave_them(
        self, answers: JetStreamAnswers, tenant: str, stack: Endpoints
    ) -> None:
        await answers.put(tenant, "c1", b"{}")
        another = await Connection.open(stack.nats_url, name="t", user=stack.nats_user, password=stack.nats_password)
        assert await JetStreamAnswers(another).get(tenant, "c1") == b"{}"
        await another.close()
