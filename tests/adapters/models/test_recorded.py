import asyncio
import json
from pathlib import Path

import pytest

from adapters.models.recorded import RecordedModel, Recording, TranscriptInvalid, read_transcript, request_digest
from commands.ports import ModelAnswer, ModelRequest
from domain.models import ModelUnavailable, NoRecordedAnswer, plan_messages

HEAD = "transcript: 1\nlabel: by hand\nentries:\n"


def planning(
    goal: str = "Count words", *, attempt: int = 1, card: str = "card", model: str = "default"
) -> ModelRequest:
    messages = plan_messages(
        goal=goal,
        input_type=":any",
        output_type=":int",
        checks=[],
        limits={},
        card=card,
        rejected=[("(wrong)", "rejected because of sunshine")] * (attempt - 1),
    )
    return ModelRequest(model=model, messages=messages)


def chat(text: str, **parameters: object) -> ModelRequest:
    return ModelRequest(model="default", messages=({"role": "user", "content": text},), parameters=parameters)


@pytest.fixture
def recorded(tmp_path: Path):
    def build(entries: str) -> RecordedModel:
        path = tmp_path / "t.yaml"
        path.write_text(HEAD + entries)
        return RecordedModel(path)

    return build


class TestMatching:
    async def test_by_attempt_role_and_text(self, recorded) -> None:
        model = recorded(
            "- {match: {role: planner, attempt: 1, contains: [words]}, answer: first}\n"
            "- {match: {role: planner, attempt: 2, contains: [words, sunshine]}, answer: second}\n"
            "- {match: {contains: [words]}, answer: chatting}\n"
        )
        assert (await model.ask(planning())).text == "first"
        assert (await model.ask(planning(card="a new release's card"))).text == "first"
        assert (await model.ask(planning(attempt=2))).text == "second"
        assert (await model.ask(planning(attempt=3))).text == "chatting"
        assert (await model.ask(chat("words?"))).text == "chatting"

    async def test_the_first_that_matches_answers(self, recorded) -> None:
        model = recorded("- {match: {}, answer: first}\n- {match: {attempt: 1}, answer: second}\n")
        assert (await model.ask(chat("x"))).text == "first"

    async def test_an_entry_for_this_very_request_goes_before_all(self, recorded) -> None:
        request = chat("x", temperature=0.0)
        model = recorded(f"- {{match: {{}}, answer: any}}\n- {{request: '{request_digest(request)}', answer: this}}\n")
        assert (await model.ask(request)).text == "this"
        assert (await model.ask(chat("x", temperature=1.0))).text == "any"
        assert (await model.ask(chat("y", temperature=0.0))).text == "any"

    async def test_the_answer_is_labelled(self, recorded) -> None:
        answer = await recorded("- {match: {}, answer: x, usage: {prompt_tokens: 5}}\n").ask(chat("x"))
        assert answer == ModelAnswer(
            text="x", served_model="recorded:by hand", prompt_tokens=5, completion_tokens=0, usd=0.0, recorded=True
        )

    async def test_asking_again_changes_nothing(self, recorded) -> None:
        model = recorded("- {match: {attempt: 1}, answer: first}\n- {match: {}, answer: second}\n")
        assert [(await model.ask(planning())).text for _ in range(3)] == ["first"] * 3

    async def test_nothing_matches(self, recorded) -> None:
        request = planning(attempt=3)
        with pytest.raises(NoRecordedAnswer) as caught:
            await recorded("- {match: {attempt: 1}, answer: x}\n").ask(request)
        said = str(caught.value)
        assert "t.yaml" in said
        assert "role planner, attempt 3" in said
        assert request_digest(request) in said
        assert "live model" in said
        assert not caught.value.retryable

    def test_the_digest_is_of_what_is_asked_not_of_whom(self) -> None:
        assert request_digest(planning()) == request_digest(planning(model="other"))
        assert request_digest(planning()) != request_digest(planning("Count letters"))


class TestInvalid:
    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("", "document"),
            ("[]", "document"),
            ("transcript: 2\nlabel: x", "transcript"),
            ("transcript: 1", "label"),
            (HEAD + "- {match: {}}", "entries.0.answer"),
            (HEAD + "- {match: {attempt: 0}, answer: x}", "entries.0.match.attempt"),
            (HEAD + "- {match: {atempt: 1}, answer: x}", "entries.0.match.atempt"),
            (HEAD + "- {match: {contains: word}, answer: x}", "entries.0.match.contains"),
            (HEAD + "- {request: sha256, answer: x}", "entries.0.request"),
            (HEAD + "- {match: {}, answer: x, usage: {prompt_tokens: -1}}", "entries.0.usage.prompt_tokens"),
            ("a: [", "cannot be read"),
            ("\x00", "cannot be read"),
            ("!!python/object/apply:os.getpid []", "cannot be read"),
        ],
    )
    def test_yaml_is_refused_at_its_place(self, tmp_path: Path, text: str, said: str) -> None:
        path = tmp_path / "bad.yaml"
        path.write_text(text)
        with pytest.raises(TranscriptInvalid, match=said.replace(".", r"\.")) as caught:
            read_transcript(path)
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("text", ["", "[]", "{", '{"transcript":1,"label":"x"}\n{"answer":1}', '{"label":"x"}'])
    def test_json_lines_are_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "bad.jsonl"
        path.write_text(text)
        with pytest.raises(TranscriptInvalid, match=r"bad\.jsonl"):
            read_transcript(path)


class Parrot:
    """A live model of this process: answers with the last message and counts the calls."""

    def __init__(self) -> None:
        self.asked = 0

    async def ask(self, request: ModelRequest) -> ModelAnswer:
        self.asked += 1
        await asyncio.sleep(0)
        text = f"{self.asked}: {request.messages[-1]['content']}"
        return ModelAnswer(text=text, served_model="parrot", prompt_tokens=2, completion_tokens=1, usd=0.1)

    async def aclose(self) -> None:
        pass


class TestRecording:
    async def test_a_planners_answers_survive_a_changed_card(self, tmp_path: Path) -> None:
        path = tmp_path / "plans.jsonl"
        live = Recording(Parrot(), path)
        first, second = await live.ask(planning()), await live.ask(planning(attempt=2))
        offline = RecordedModel(path)
        assert (await offline.ask(planning(card="new"))).text == first.text
        assert (await offline.ask(planning(attempt=2, card="new"))).text == second.text
        with pytest.raises(NoRecordedAnswer):
            await offline.ask(planning("Another goal"))

    async def test_an_agents_own_question_is_answered_only_if_it_is_the_same(self, tmp_path: Path) -> None:
        path = tmp_path / "chats.jsonl"
        await Recording(Parrot(), path).ask(chat("one\ntwo"))
        offline = RecordedModel(path)
        assert (await offline.ask(chat("one\ntwo"))).text == "1: one\ntwo"
        with pytest.raises(NoRecordedAnswer):
            await offline.ask(chat("one\nthree"))

    async def test_a_transcript_is_continued(self, tmp_path: Path) -> None:
        path = tmp_path / "chats.jsonl"
        await Recording(Parrot(), path).ask(chat("a"))
        await Recording(Parrot(), path).ask(chat("b\u2028\u0085"))
        assert [entry.answer for entry in read_transcript(path).entries] == ["1: a", "1: b\u2028\u0085"]

    async def test_many_at_once_write_whole_lines(self, tmp_path: Path) -> None:
        path = tmp_path / "many.jsonl"
        live = Recording(Parrot(), path)
        await asyncio.gather(*(live.ask(chat(str(number) * 5000)) for number in range(50)))
        assert len(read_transcript(path).entries) == 50
        assert json.loads(path.read_text().splitlines()[0]) == {"transcript": 1, "label": "many"}

    def test_a_file_that_is_no_transcript_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "notes.jsonl"
        path.write_text("my notes")
        with pytest.raises(TranscriptInvalid):
            Recording(Parrot(), path)
        assert path.read_text() == "my notes"

    async def test_a_paid_answer_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()
        live = Recording(Parrot(), folder / "t.jsonl")
        (folder / "t.jsonl").unlink()
        folder.rmdir()
        with pytest.raises(ModelUnavailable, match="cannot be written") as caught:
            await live.ask(chat("x"))
        assert not caught.value.retryable
