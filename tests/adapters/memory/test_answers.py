import pytest

from adapters.memory.answers import MemoryAnswers
from tests.contracts.answer_store import AnswerStoreContract


@pytest.fixture
def answers() -> MemoryAnswers:
    return MemoryAnswers()


class TestMemoryAnswers(AnswerStoreContract):
    pass
