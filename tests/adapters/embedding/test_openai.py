import asyncio
import json
import logging
import traceback
from contextlib import asynccontextmanager

import pytest
import stamina

from adapters.embedding.lexical import LexicalEmbedder, directions
from adapters.embedding.openai import MOST_TEXTS, EmbedderUnavailable, EmbeddingServer, OpenAiEmbedder
from adapters.models.endpoint import ATTEMPTS, MAX_BODY
from commands.indexes import Embedder
from domain.kernel.errors import InvalidInput, ServiceUnreachable
from tests.adapters.models.server import raw, response, serving
from tests.contracts.embedder import EmbedderContract

KEY = "sk-very-secret-0123456789"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
TWO = ["one text", "another text"]


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def quickly():
    """Attempts follow one another without a wait."""
    stamina.set_testing(True, attempts=ATTEMPTS, cap=True)
    yield
    stamina.set_testing(False)


def entry(index: object, embedding: object) -> dict[str, object]:
    return {"object": "embedding", "index": index, "embedding": embedding}


def answer(*entries: object, **changed: object) -> dict[str, object]:
    """Embeddings as vLLM sends them."""
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {
        "id": "embd-1",
        "object": "list",
        "created": 1,
        "model": "tiny",
        "data": list(entries),
        "usage": usage,
    } | changed


GOOD = answer(entry(0, [3.0, 4.0, 0.0]), entry(1, [0, -2, 0]))


def embedder_at(url: str, environment=None, **changed) -> OpenAiEmbedder:
    described = {"url": url, "model": "tiny", "dimensions": 3} | changed
    return OpenAiEmbedder(EmbeddingServer(**described), environment or {})


async def ask(url: str, texts=TWO, environment=None, **changed):
    async with embedder_at(url, environment, **changed) as embedder:
        return [list(point.components()) for point in await embedder.embed(texts)]


async def refusal(*script, texts=TWO, environment=None, **changed) -> EmbedderUnavailable:
    async with serving(*script) as server:
        with pytest.raises(EmbedderUnavailable) as caught:
            await ask(server.url, texts, environment, **changed)
    assert isinstance(caught.value, ServiceUnreachable)
    assert server.url in str(caught.value)
    return caught.value


@asynccontextmanager
async def lexical_server():
    """A server that embeds by words, and answers in the reverse order."""

    async def behave(writer: asyncio.StreamWriter) -> None:
        texts = server.received[-1].json["input"]
        found = [entry(index, directions(text)) for index, text in enumerate(texts)]
        await response(answer(*reversed(found)))(writer)

    async with serving(behave) as server:
        yield server


class TestOpenAiEmbedder(EmbedderContract):
    @pytest.fixture
    async def embedder(self):
        async with (
            lexical_server() as server,
            embedder_at(server.url, model="BAAI/bge-m3", dimensions=LexicalEmbedder.dimensions) as embedder,
        ):
            yield embedder

    def test_its_name_carries_model_and_size(self, embedder: Embedder) -> None:
        assert embedder.name == "openai:BAAI/bge-m3:384"


class TestAnswer:
    async def test_points_are_read_and_made_of_unit_length(self) -> None:
        async with serving(response(GOOD)) as server:
            points = await ask(server.url)
        assert points == [pytest.approx([0.6, 0.8, 0.0]), [0.0, -1.0, 0.0]]

    async def test_the_request_is_that_of_openai(self) -> None:
        async with serving(response(GOOD)) as server:
            await ask(server.url + "/")
        (received,) = server.received
        assert received.line == "POST /v1/embeddings HTTP/1.1"
        assert "authorization" not in received.headers
        assert received.json == {"model": "tiny", "input": TWO, "encoding_format": "float"}

    async def test_the_index_orders_the_points(self) -> None:
        swapped = answer(entry(1, [0.0, 1.0, 0.0]), entry(0, [1.0, 0.0, 0.0]))
        async with serving(response(swapped)) as server:
            assert await ask(server.url) == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]

    async def test_many_texts_are_sent_in_parts(self) -> None:
        texts = [f"text number {number}" for number in range(2 * MOST_TEXTS + 1)]
        async with lexical_server() as server, embedder_at(server.url, dimensions=384) as embedder:
            points = await embedder.embed(texts)
            expected = await LexicalEmbedder().embed(texts)
        assert [len(received.json["input"]) for received in server.received] == [MOST_TEXTS, MOST_TEXTS, 1]
        assert [point.vector for point in points] == [point.vector for point in expected]

    async def test_long_texts_are_sent_in_parts(self) -> None:
        texts = [letter * 100_000 for letter in "abcde"]
        async with lexical_server() as server, embedder_at(server.url, dimensions=384) as embedder:
            await embedder.embed(texts)
        assert [len(received.json["input"]) for received in server.received] == [2, 2, 1]

    async def test_the_greatest_points_fit_into_an_answer(self) -> None:
        number = -1.2345678901234567e-300

        async def behave(writer: asyncio.StreamWriter) -> None:
            count = len(server.received[-1].json["input"])
            numbers = json.dumps([1.0] + [number] * 8_191)
            data = ", ".join(f'{{"index": {index}, "embedding": {numbers}}}' for index in range(count))
            await response(f'{{"data": [{data}]}}'.encode())(writer)

        async with serving(behave) as server:
            points = await ask(server.url, [f"t{each}" for each in range(40)], dimensions=8_192)
        assert len(points) == 40

    async def test_chunked_answers_are_read(self) -> None:
        body = json.dumps(GOOD).encode()
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:]))
        async with serving(raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")) as server:
            assert len(await ask(server.url)) == 2

    @pytest.mark.parametrize("dimensions", [0, -1, 8_193])
    def test_a_size_that_no_point_has_is_refused(self, dimensions: int) -> None:
        with pytest.raises(InvalidInput, match=f"dimensions is {dimensions}"):
            embedder_at("http://127.0.0.1:9/v1", dimensions=dimensions)


ONE = entry(0, [1.0, 0.0, 0.0])

WRONG = {
    "no JSON": (b"<html>", "6 bytes that are no JSON"),
    "nothing": (b"", "0 bytes that are no JSON"),
    "cut short": (json.dumps(GOOD).encode()[:-9], "no JSON"),
    "no UTF-8": (b'{"data": "\xff"}', "no JSON"),
    "a deep nest": (b"[" * 100_000, "no JSON"),
    "NaN": (b'{"data": [NaN]}', "no JSON"),
    "a list": ([GOOD], "data is missing"),
    "no data": ({"object": "list"}, "data is missing"),
    "an error with status 200": ({"error": {"message": "out of memory"}}, "data is missing"),
    "data of another type": (answer(data={"0": ONE}), "data is missing"),
    "too few": (answer(ONE), "1 points for 2 texts"),
    "too many": (answer(ONE, entry(1, [1.0, 0.0, 0.0]), entry(2, [1.0, 0.0, 0.0])), "3 points for 2 texts"),
    "an entry of another type": (answer(ONE, [1.0, 0.0, 0.0]), "index"),
    "no index": (answer(ONE, {"embedding": [1.0, 0.0, 0.0]}), "index"),
    "an index twice": (answer(ONE, ONE), "index"),
    "an index too high": (answer(ONE, entry(2, [1.0, 0.0, 0.0])), "index"),
    "a negative index": (answer(ONE, entry(-1, [1.0, 0.0, 0.0])), "index"),
    "an index that is true": (answer(ONE, {"index": True, "embedding": [1.0, 0.0, 0.0]}), "index"),
    "an index that is text": (answer(ONE, entry("1", [1.0, 0.0, 0.0])), "index"),
    "a shorter point": (answer(ONE, entry(1, [1.0, 0.0])), "point 1 has 2 components, and embedder.dimensions is 3"),
    "a longer point": (answer(ONE, entry(1, [1.0] * 4)), "point 1 has 4 components"),
    "a point in base64": (answer(ONE, entry(1, "AAAAAA==")), "point 1 has no list of components"),
    "no point": (answer(ONE, {"index": 1}), "point 1 has no list of components"),
    "a component of text": (answer(ONE, entry(1, ["1", 0.0, 0.0])), "a component of point 1"),
    "a component of truth": (answer(ONE, entry(1, [True, 0.0, 0.0])), "a component of point 1"),
    "a component of nothing": (answer(ONE, entry(1, [None, 0.0, 0.0])), "a component of point 1"),
    "no direction": (answer(ONE, entry(1, [0.0, 0.0, 0.0])), "point 1 has no direction"),
    "too great to square": (answer(ONE, entry(1, [1e300, 0.0, 0.0])), "point 1 has no direction"),
    "infinite": (json.dumps(answer(ONE, entry(1, ["X", 0, 0]))).replace('"X"', "1e999").encode(), "answered"),
}  # fmt: skip


class TestWrongAnswer:
    @pytest.mark.parametrize(("body", "said"), WRONG.values(), ids=WRONG)
    async def test_it_is_refused_with_what_is_wrong(self, body: object, said: str) -> None:
        error = await refusal(response(body))
        assert said in str(error)
        assert len(str(error)) < 400

    async def test_a_huge_one_is_refused_while_it_arrives(self) -> None:
        endless = raw(HEAD + b"\r\n", *[b" " * 2**20] * 12)
        assert f"more than {MAX_BODY:,} bytes" in str(await refusal(endless))

    async def test_one_that_breaks_off(self) -> None:
        body = json.dumps(GOOD).encode()
        cut = raw(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body[:-5])
        assert "broke off" in str(await refusal(cut))

    async def test_one_that_never_comes(self) -> None:
        error = await refusal(raw(b"", pause=30.0), timeout=0.3)
        assert "0.3 s" in str(error) or "fell silent" in str(error)

    async def test_it_does_not_show_the_texts(self) -> None:
        error = await refusal(response(answer(texts=TWO)))
        assert TWO[0] not in "".join(traceback.format_exception(error))

    async def test_a_server_that_is_not_there(self, quickly) -> None:
        async with serving(response(GOOD)) as server:
            url = server.url
        with pytest.raises(EmbedderUnavailable, match="is not reached"):
            await ask(url)

    @pytest.mark.parametrize("status", [429, 500, 503])
    async def test_one_that_says_later_is_asked_again(self, status: int, quickly) -> None:
        async with serving(response({"error": "busy"}, status), response(GOOD)) as server:
            assert len(await ask(server.url)) == 2
        assert len(server.received) == 2

    async def test_one_that_always_says_later_is_given_up(self, quickly) -> None:
        async with serving(response({"error": "busy"}, 503)) as server:
            with pytest.raises(EmbedderUnavailable, match="503: busy"):
                await ask(server.url)
        assert len(server.received) == ATTEMPTS

    @pytest.mark.parametrize(
        ("status", "said"),
        [
            (400, "input is too long"),
            (401, "give the key by api_key_env"),
            (404, "check url and model"),
            (302, "redirects"),
        ],
    )
    async def test_a_refusal_is_not_repeated(self, status: int, said: str) -> None:
        head = "location: http://127.0.0.1:9/\r\n" if status == 302 else ""
        async with serving(response({"error": {"message": "input is too long"}}, status, head)) as server:
            with pytest.raises(EmbedderUnavailable, match=said):
                await ask(server.url)
        assert len(server.received) == 1


class TestKey:
    async def test_it_is_sent_from_the_environment(self) -> None:
        async with serving(response(GOOD)) as server:
            await ask(server.url, environment={"THE_KEY": KEY + "\n"}, api_key_env="THE_KEY")
        assert server.received[0].headers["authorization"] == f"Bearer {KEY}"

    async def test_a_missing_one_names_the_variable(self) -> None:
        with pytest.raises(EmbedderUnavailable, match="THE_KEY is not set"):
            await ask("http://127.0.0.1:9/v1", api_key_env="THE_KEY")

    async def test_it_is_in_no_error_and_no_log_even_if_the_server_repeats_it(self, caplog) -> None:
        caplog.set_level(logging.DEBUG)
        echo = {"error": {"message": "x" * 190 + f" wrong key {KEY}"}}
        error = await refusal(response(echo, 401), environment={"THE_KEY": KEY}, api_key_env="THE_KEY")
        assert "check the key in THE_KEY" in str(error)
        assert "sk-" not in "".join(traceback.format_exception(error)) + caplog.text
