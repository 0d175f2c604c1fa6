"""all-MiniLM-L6-v2 in this process: a point of 384 components by what a text means.

The model reads 254 word pieces of the words it knows. Without more, long texts with one beginning, and texts in
scripts it was not taught, would share one point. So what it cannot read is known by its words (``lexical``), in
proportion to its length; a text that it reads whole has the published model's point.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from math import sqrt
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from adapters.embedding import weights
from adapters.embedding.lexical import directions
from adapters.embedding.texts import readable
from adapters.embedding.unit import unit
from domain.kernel.embedding import Embedding

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

    from adapters.embedding.encoder import Encoder

NAME: Final = f"minilm-l6-v2-{weights.SHA256[weights.WEIGHTS][:12]}-v1"
"""Model, weights, and how its points are made. What changes a point by more than its last bits must change this: those
depend on the processor's kernels too, and nothing that is kept rests on them."""

DIMENSIONS: Final = 384

_LOOKED_AT: Final = 16_384
"""Characters given to the tokenizer, whose time grows with them; 254 word pieces rarely take more than 2,000."""


class MiniLmEmbedder:
    """Points by meaning. Work is done by one thread of its own, a text at a time. A context manager that ends it."""

    name: Final = NAME
    dimensions: Final = DIMENSIONS

    def __init__(self, folder: Path | None = None) -> None:
        """Check the model's files (``folder``: where they are; else where they were installed), in 0.1 s.

        The model is loaded for the first text, which takes half a second of CPU time and 140 MB; the first text of more
        than 40 tokens takes 42 MB besides. From then on, matrix products in this process use one core each, which makes
        their bits depend on nothing else. Raises ``ModelNotInstalled``, ``WeightsDiffer``.
        """
        self._place = folder or weights.folder()
        weights.check(self._place)
        self._model: _Model | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="minilm")

    async def embed(self, texts: Sequence[str]) -> Sequence[Embedding]:
        """A point for each text, in order. Raises ``InvalidInput``; ``WeightsDiffer`` if the files changed since."""
        loop = asyncio.get_running_loop()
        # One by one, so that a single text does not wait for the whole of somebody's batch.
        return [await loop.run_in_executor(self._thread, self._point, text) for text in readable(texts)]

    def _point(self, text: str) -> Embedding:
        if self._model is None:  # only this one thread is here
            read = weights.read
            self._model = _Model(read(self._place, weights.WEIGHTS), read(self._place, weights.TOKENIZER))
        return self._model.point(text)

    async def aclose(self) -> None:
        """End the thread; a text under way is finished first."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _Model:
    def __init__(self, model: bytes, tokenizer: bytes) -> None:
        # Of an extra that is not always installed, and not needed by who uses another embedder.
        import safetensors.numpy  # noqa: PLC0415
        from threadpoolctl import threadpool_limits  # noqa: PLC0415
        from tokenizers import Tokenizer  # noqa: PLC0415

        from adapters.embedding.encoder import MOST_TOKENS, Encoder  # noqa: PLC0415

        # A setting, not a context: how a product is divided among threads changes its last bits.
        threadpool_limits(limits=1, user_api="blas")
        self._encoder: Encoder = Encoder(safetensors.numpy.load(model))
        self._tokenizer: Tokenizer = Tokenizer.from_str(tokenizer.decode())
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._most_tokens = MOST_TOKENS
        self._unknown = self._tokenizer.token_to_id("[UNK]")

    def point(self, text: str) -> Embedding:
        tokens = self._tokenizer.encode(text[:_LOOKED_AT])
        meaning = self._encoder.point(tokens.ids)
        unread = self._unread(text, tokens)
        share = min(1.0, sum(map(len, unread)) / len(text))
        words = directions(" ".join(unread)) if unread else []
        if not any(words):
            return Embedding(NAME, meaning.astype("<f4", copy=False).tobytes())
        length = sqrt(sum(word * word for word in words))
        by_meaning, by_words = sqrt(1 - share), sqrt(share) / length
        mixed = [by_meaning * one + by_words * other for one, other in zip(meaning.tolist(), words, strict=True)]
        return unit(NAME, mixed)

    def _unread(self, text: str, tokens: Encoding) -> list[str]:
        """The words that the model does not know, and what stands behind those that it reads."""
        full = len(tokens.ids) == self._most_tokens
        end = tokens.offsets[-2][1] if full else _LOOKED_AT  # the last token ends the text and has no place in it
        unknown = [
            text[start:stop]
            for token, (start, stop) in zip(tokens.ids, tokens.offsets, strict=True)
            if token == self._unknown
        ]
        return [part for part in (*unknown, text[end:]) if part and not part.isspace()]
