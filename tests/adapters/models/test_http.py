import asyncio
import gzip
import json
import logging
import socket
import time
import traceback

import pytest
import stamina

from adapters.models.configuration import ModelConfiguration
from adapters.models.endpoint import ATTEMPTS, MAX_BODY
from adapters.models.http import HttpModel
from commands.ports import ModelAnswer, ModelRequest
from domain.kernel.errors import InvalidInput
from domain.models import ModelUnavailable
from tests.adapters.models.server import completion, raw, response, serving

KEY = "sk-very-secret-0123456789"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def question(timeout: float = 10.0, **parameters: object) -> ModelRequest:
    messages = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Say hello, naïve 🙂"})
    return ModelRequest(model="default", messages=messages, parameters=parameters, timeout=timeout)


async def ask(url: str, request: ModelRequest | None = None, environment=None, **changed) -> ModelAnswer:
    model = HttpModel("default", ModelConfiguration(**({"url": url, "model": "tiny"} | changed)), environment or {})
    try:
        return await model.ask(request or question())
    finally:
        await model.aclose()


async def refusal(url: str, request: ModelRequest | None = None, environment=None, **changed) -> ModelUnavailable:
    with pytest.raises(ModelUnavailable) as caught:
        await ask(url, request, environment, **changed)
    return caught.value


class TestAnswer:
    async def test_text_model_usage_and_price_are_read(self) -> None:
        async with serving(response(completion(system_fingerprint="fp_1"))) as server:
            answer = await ask(server.url, price_input=500.0, price_output=2000.0)
        assert answer == ModelAnswer(
            text="hello", served_model="tiny-chat@fp_1", prompt_tokens=12, completion_tokens=3, usd=0.012
        )

    async def test_the_request_is_an_openai_chat_completion(self) -> None:
        async with serving(response(completion())) as server:
            await ask(server.url + "/", question(temperature=0.0, seed=7))
        (received,) = server.received
        assert received.line == "POST /v1/chat/completions HTTP/1.1"
        assert received.headers["content-type"] == "application/json"
        assert "authorization" not in received.headers
        assert received.json == {
            "model": "tiny",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Say hello, naïve 🙂"},
            ],
            "stream": False,
            "temperature": 0.0,
            "seed": 7,
        }

    async def test_a_query_in_the_url_is_kept_but_not_shown(self) -> None:
        async with serving(response({}, 400)) as server:
            error = await refusal(server.url + "?api-version=2026-11-01")
        assert server.received[0].line == "POST /v1/chat/completions?api-version=2026-11-01 HTTP/1.1"
        assert "api-version" not in str(error)

    async def test_without_usage_bytes_stand_in_for_tokens_so_that_budgets_hold(self) -> None:
        async with serving(response(completion("héllo", usage=None))) as server:
            answer = await ask(server.url)
        assert answer.completion_tokens == 6
        assert answer.prompt_tokens == len(server.received[0].body)

    async def test_chunked_answers_are_read(self) -> None:
        body = json.dumps(completion("chunked")).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:]))
        async with serving(raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")) as server:
            assert (await ask(server.url)).text == "chunked"

    async def test_a_connection_is_used_again(self) -> None:
        async with serving(response(completion())) as server:
            model = HttpModel("default", ModelConfiguration(url=server.url, model="tiny"))
            for _ in range(3):
                await model.ask(question())
            await model.aclose()
        assert (len(server.received), server.connections) == (3, 1)

    async def test_many_questions_at_once(self) -> None:
        async with serving(response(completion())) as server:
            model = HttpModel("default", ModelConfiguration(url=server.url, model="tiny"))
            answers = await asyncio.gather(*(model.ask(question()) for _ in range(64)))
            await model.aclose()
        assert {answer.text for answer in answers} == {"hello"}

    @pytest.mark.parametrize("name", ["model", "messages", "stream", "n"])
    async def test_parameters_may_not_replace_our_own_fields(self, name: str) -> None:
        with pytest.raises(InvalidInput, match=name):
            await ask("http://127.0.0.1:9/v1", question(**{name: 2}))

    async def test_a_parameter_that_is_no_json_is_refused(self) -> None:
        with pytest.raises(InvalidInput, match="no JSON"):
            await ask("http://127.0.0.1:9/v1", question(stop=object()))


class TestKey:
    async def test_it_is_sent_from_the_environment(self) -> None:
        async with serving(response(completion())) as server:
            await ask(server.url, environment={"THE_KEY": KEY + "\n"}, api_key_env="THE_KEY")
        assert server.received[0].headers["authorization"] == f"Bearer {KEY}"

    @pytest.mark.parametrize(
        ("value", "said"),
        [(None, "is not set"), ("", "is not set"), ("sk-ü", "characters"), ("sk-a\r\nx: y", "characters")],
    )
    async def test_a_missing_or_unusable_one_names_the_variable_only(self, value: str | None, said: str) -> None:
        error = await refusal(
            "http://127.0.0.1:9/v1", environment={} if value is None else {"THE_KEY": value}, api_key_env="THE_KEY"
        )
        assert "THE_KEY" in str(error)
        assert said in str(error)
        assert "sk-" not in str(error)
        assert not error.retryable

    async def test_it_is_in_no_error_and_no_log_even_if_the_server_repeats_it(self, caplog) -> None:
        caplog.set_level(logging.DEBUG)
        echo = {"error": {"message": "x" * 190 + f" wrong key {KEY}"}}
        async with serving(response(echo, 503), response(echo, 401)) as server:
            error = await refusal(server.url, environment={"THE_KEY": KEY}, api_key_env="THE_KEY")
        shown = "".join(traceback.format_exception(error)) + caplog.text
        assert "sk-" not in shown
        assert "check the key in THE_KEY" in str(error)
        assert not error.retryable
        assert len(server.received) == 2


class TestRepeated:
    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
    async def test_a_server_that_says_later_is_asked_again(self, status: int) -> None:
        async with serving(response({"error": "busy"}, status), response(completion())) as server:
            assert (await ask(server.url)).text == "hello"
        assert len(server.received) == 2

    async def test_only_so_many_times(self) -> None:
        async with serving(response({"error": {"message": "overloaded"}}, 503)) as server:
            error = await refusal(server.url)
        assert (error.status, error.retryable) == (503, True)
        assert "overloaded" in str(error)
        assert len(server.received) == ATTEMPTS

    async def test_a_refused_connection_names_the_way_out(self) -> None:
        with socket.socket() as taken:  # bound and not listening: every connection is refused
            taken.bind(("127.0.0.1", 0))
            error = await refusal(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        assert error.retryable
        assert "start the server or correct its url" in str(error)

    async def test_a_server_that_starts_meanwhile_is_reached(self) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            port = held.getsockname()[1]
        refused = asyncio.Event()
        stamina.instrumentation.set_on_retry_hooks([lambda _: refused.set()])
        try:
            asking = asyncio.create_task(ask(f"http://127.0.0.1:{port}/v1"))
            await refused.wait()
            async with serving(response(completion()), port=port):
                assert (await asking).text == "hello"
        finally:
            stamina.instrumentation.set_on_retry_hooks(None)

    async def test_retry_after_in_seconds_is_honoured(self) -> None:
        async with serving(response({}, 429, "retry-after: 1\r\n"), response(completion())) as server:
            start = time.monotonic()
            await ask(server.url)
        assert time.monotonic() - start >= 1

    async def test_retry_after_as_a_date_is_measured_by_the_servers_clock(self) -> None:
        dates = "date: Sat, 21 Nov 2020 08:00:00 GMT\r\nretry-after: Sat, 21 Nov 2020 08:00:01 GMT\r\n"
        async with serving(response({}, 503, dates), response(completion())) as server:
            start = time.monotonic()
            await ask(server.url)
        assert 1 <= time.monotonic() - start < 8

    async def test_a_longer_wait_than_the_call_may_take_ends_it_at_once(self) -> None:
        async with serving(response({"error": "quota"}, 429, "retry-after: 3600\r\n")) as server:
            start = time.monotonic()
            error = await refusal(server.url)
        assert time.monotonic() - start < 5
        assert (error.retry_after, error.retryable, len(server.received)) == (3600.0, True, 1)

    @pytest.mark.parametrize("unreadable", ["soon", "-1", "1.5", "²", "Sat, 99 Nov 2020 08:00:01 GMT"])
    async def test_an_unreadable_retry_after_means_the_usual_backoff(self, unreadable: str) -> None:
        busy = response({}, 503, f"retry-after: {unreadable}\r\n")
        async with serving(busy, response(completion())) as server:
            assert (await ask(server.url)).text == "hello"


class TestNotRepeated:
    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
    async def test_a_refused_request(self, status: int) -> None:
        async with serving(response({"object": "error", "message": "no\nsuch \x1b[31mthing"}, status)) as server:
            error = await refusal(server.url)
        assert (error.status, error.retryable, len(server.received)) == (status, False, 1)
        assert "no such [31mthing" in str(error)

    @pytest.mark.parametrize("status", [204, 206])
    async def test_a_success_without_an_answer(self, status: int) -> None:
        async with serving(response(b"", status)) as server:
            error = await refusal(server.url)
        assert (error.status, error.retryable) == (status, False)

    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    async def test_a_redirect_is_refused_and_the_key_does_not_follow(self, status: int) -> None:
        async with serving(response(completion())) as elsewhere:
            moved = response(b"", status, f"location: {elsewhere.url}/chat/completions\r\n")
            async with serving(moved) as server:
                error = await refusal(server.url, environment={"THE_KEY": KEY}, api_key_env="THE_KEY")
        assert (error.status, error.retryable) == (status, False)
        assert "configure the final url" in str(error)
        assert elsewhere.received == []

    @pytest.mark.parametrize(
        ("behaviour", "said"),
        [
            (raw(), "broke off"),
            (raw(b"not HTTP at all\r\n\r\n"), "broke off"),
            (raw(HEAD + b'content-length: 500\r\n\r\n{"choices": [{"mess'), "broke off"),
            (raw(HEAD + b"transfer-encoding: chunked\r\n\r\n14\r\n{"), "broke off"),
            (raw(HEAD + b'connection: close\r\n\r\n{"choices": [{"mess'), "no JSON"),
            (response(b"<html>It works!</html>"), "no JSON"),
            (response(b'{"a": NaN}'), "no JSON"),
            (response(b"\xff\xfe"), "no JSON"),
            (response(b"[" * 100_000), "no JSON"),
            (response(b'{"choices":[{"message":{"content":"\\ud800"}}]}'), "no JSON"),
        ],
        ids=[
            "closed without a word", "not HTTP", "body cut off", "chunk cut off", "body without end cut off", "a web page",
            "NaN", "not UTF-8", "deep nesting", "unpaired surrogate",
        ],
    )  # fmt: skip
    async def test_a_broken_answer_may_be_asked_for_again_by_the_caller(self, behaviour, said: str) -> None:
        async with serving(behaviour) as server:
            error = await refusal(server.url)
        assert said in str(error)
        assert error.retryable
        assert len(server.received) == 1

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            ([], "choices is missing"),
            ({}, "choices is missing"),
            ("text", "choices is missing"),
            (completion(choices=[]), "choices is empty"),
            (completion(choices={}), "choices is missing"),
            (completion(choices=[None]), "message is missing"),
            (completion(choices=[{"text": "old completions form"}]), "message is missing"),
            (completion(None), "no text (finish_reason 'stop')"),
            (completion(["parts"]), "content is no text"),
            (completion(model=None), "model is missing"),
            (completion(model=""), "no printable name"),
            (completion(model="x\x1b[2J"), "no printable name"),
            (completion(model="x" * 201), "no printable name"),
            (completion(usage=7), "usage is missing or of another type"),
            (completion(usage={"prompt_tokens": -1, "completion_tokens": 0}), "usage.prompt_tokens is -1"),
            (completion(usage={"prompt_tokens": 1}), "usage.completion_tokens is missing"),
            (completion(usage={"prompt_tokens": True, "completion_tokens": 0}), "usage.prompt_tokens"),
            (completion(usage={"prompt_tokens": 2**40, "completion_tokens": 0}), "usage.prompt_tokens"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    async def test_an_answer_of_the_wrong_shape(self, body: object, said: str) -> None:
        async with serving(response(body)) as server:
            error = await refusal(server.url)
        assert said in str(error)
        assert not error.retryable
        assert len(server.received) == 1

    async def test_a_huge_answer_is_refused_while_it_arrives(self) -> None:
        async def flood(writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"\r\n")
            while True:
                writer.write(b" " * 65536)
                await writer.drain()

        async with serving(flood) as server:
            error = await refusal(server.url)
        assert f"more than {MAX_BODY:,} bytes" in str(error)
        assert not error.retryable

    async def test_a_compressed_answer_is_refused_unread(self) -> None:
        bomb = gzip.compress(b" " * 10_000_000)
        async with serving(response(bomb, head="content-encoding: gzip\r\n")) as server:
            error = await refusal(server.url)
        assert server.received[0].headers["accept-encoding"] == "identity"
        assert "compressed" in str(error)

    async def test_a_silent_server_is_given_up(self) -> None:
        async with serving(raw(b"", pause=60)) as server:
            error = await refusal(server.url, timeout=0.2)
        assert "fell silent (ReadTimeout)" in str(error)
        assert error.retryable
        assert len(server.received) == 1

    async def test_a_slow_drip_does_not_outlast_the_call(self) -> None:
        async with serving(raw(HEAD + b"\r\n", *[b" "] * 1000, pause=0.05)) as server:
            start = time.monotonic()
            error = await refusal(server.url, question(timeout=0.5))
        assert time.monotonic() - start < 5
        assert "no answer within 0.5 s" in str(error)
        assert error.retryable

    async def test_a_cancelled_call_is_cancelled_not_failed(self) -> None:
        asked = asyncio.Event()

        async def hang(_: asyncio.StreamWriter) -> None:
            asked.set()
            await asyncio.Event().wait()

        async with serving(hang) as server:
            asking = asyncio.create_task(ask(server.url))
            await asked.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        assert len(server.received) == 1
