"""What every model client does. Subclass it and give a `models` fixture that knows `default`, which says `PLAN`."""

import pytest

from commands.ports import ModelClient, ModelRequest
from domain.models import ModelNotConfigured

PLAN = "```rtfs\n(+ 1 2)\n```"


def question(model: str = "default") -> ModelRequest:
    return ModelRequest(model=model, messages=({"role": "user", "content": "add"},), timeout=10)


class ModelClientContract:
    def test_knows_what_is_configured(self, models: ModelClient) -> None:
        assert "default" in models.names()
        assert "other" not in models.names()

    async def test_answers_with_the_text_and_who_served_it(self, models: ModelClient) -> None:
        answer = await models.ask(question())
        assert answer.text == PLAN
        assert answer.served_model
        assert (answer.prompt_tokens, answer.completion_tokens) == (12, 3)

    async def test_the_same_question_again_is_answered_alike(self, models: ModelClient) -> None:
        assert await models.ask(question()) == await models.ask(question())

    async def test_an_unknown_name_says_which_are_configured(self, models: ModelClient) -> None:
        with pytest.raises(ModelNotConfigured, match=r"'other'.*configured: default") as caught:
            await models.ask(question("other"))
        assert not caught.value.retryable
