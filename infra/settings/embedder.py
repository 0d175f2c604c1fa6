"""Who makes points of texts: ``auto``, ``lexical``, ``minilm``, or a server."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from infra.settings.values import EnvironmentName, Section, matching, url_of

Named = Literal["auto", "lexical", "minilm"]


class HttpEmbedder(Section):
    """A model behind an OpenAI-compatible ``/embeddings`` interface."""

    #: Base URL, as ``http://127.0.0.1:8000/v1``; ``/embeddings`` is added to its path.
    url: Annotated[str, url_of("http", "https")]
    model: Annotated[str, matching(r"[!-~]{1,150}", "the server's name of the model, of 1 to 150 ASCII characters")]
    #: How many components its points have; an answer of another size is refused.
    dimensions: Annotated[int, Field(ge=1, le=8_192)]
    api_key_env: EnvironmentName | None = None
    #: Seconds for one answer, retries included.
    timeout: Annotated[float, Field(gt=0, le=600)] = 10.0


def _kind(value: object) -> str:
    return "http" if isinstance(value, (dict, HttpEmbedder)) else "named"


Embedder = Annotated[Annotated[Named, Tag("named")] | Annotated[HttpEmbedder, Tag("http")], Discriminator(_kind)]
