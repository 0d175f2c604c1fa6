"""What every store of answers does. Subclass it and give an `answers` fixture with a store; tenants keep tests apart."""

import asyncio
import uuid

import pytest

from commands.ports import AnswerStore
from domain.kernel.ids import HostileName


class AnswerStoreContract:
    @pytest.fixture
    def tenant(self) -> str:
        return f"t{uuid.uuid4().hex[:12]}"

    async def test_an_answer_that_nobody_gave_is_none(self, answers: AnswerStore, tenant: str) -> None:
        assert await answers.get(tenant, "c1") is None

    async def test_an_answer_is_kept_byte_for_byte(self, answers: AnswerStore, tenant: str) -> None:
        for number, answer in enumerate((b"{}", bytes(range(256)), b"x" * 500_000)):
            await answers.put(tenant, f"c{number}", answer)
            assert await answers.get(tenant, f"c{number}") == answer

    async def test_the_first_answer_stays(self, answers: AnswerStore, tenant: str) -> None:
        await answers.put(tenant, "c1", b"first")
        await answers.put(tenant, "c1", b"second")
        await answers.put(tenant, "c1", b"first")
        assert await answers.get(tenant, "c1") == b"first"

    async def test_of_answers_at_the_same_moment_one_stays(self, answers: AnswerStore, tenant: str) -> None:
        given = [b"%d" % number for number in range(20)]
        await asyncio.gather(*(answers.put(tenant, "c1", answer) for answer in given))
        found = {await answers.get(tenant, "c1") for _ in range(5)}
        assert len(found) == 1
        assert found < set(given)

    async def test_commands_and_tenants_are_kept_apart(self, answers: AnswerStore, tenant: str) -> None:
        await answers.put(tenant, "c1", b"one")
        await answers.put(tenant, "c2", b"two")
        await answers.put(f"{tenant}-b", "c1", b"other")
        assert await answers.get(tenant, "c1") == b"one"
        assert await answers.get(tenant, "c2") == b"two"
        assert await answers.get(f"{tenant}-b", "c1") == b"other"
        assert await answers.get(f"{tenant}-b", "c2") is None

    @pytest.mark.parametrize("name", ["", "*", ">", "a.b", "a b", "x" * 65, "ä", "a\r\nb"])
    async def test_hostile_names_are_refused(self, answers: AnswerStore, tenant: str, name: str) -> None:
        with pytest.raises(HostileName):
            await answers.get(tenant, name)
        with pytest.raises(HostileName):
            await answers.put(name, "c1", b"{}")
