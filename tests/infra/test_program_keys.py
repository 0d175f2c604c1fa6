"""The key that signs programs is made by who publishes, and by nobody who only looks."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.crypto.signing import FileSigner, SigningKeyRefused
from infra.bootstrap.reuse import reuse, trusted_keys
from infra.settings import Settings, load

OTHER = FileSigner.generated("other.example/programs").key


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    config = tmp_path / "precedent.yaml"
    config.write_text(
        f'data: {tmp_path / "data"}\nembedder: lexical\nprograms: {{trusted: {{default: ["{OTHER}"]}}}}\n'
    )
    return load(config)


def test_who_looks_at_programs_makes_no_key(settings: Settings) -> None:
    assert trusted_keys(settings) == {"default": {OTHER.id: OTHER.public}}
    assert not settings.data.exists()


async def test_who_publishes_makes_one_and_trusts_it(settings: Settings) -> None:
    async with reuse(settings) as filled:
        assert filled.is_trusted_in("default")
        assert set(filled.trusted["default"]) == {OTHER.id, filled.signer.key.id}
        assert trusted_keys(settings) == filled.trusted


async def test_who_only_uses_programs_makes_none(tmp_path: Path) -> None:
    config = tmp_path / "precedent.yaml"
    config.write_text(f"data: {tmp_path / 'data'}\nembedder: lexical\nprograms: {{publish: false}}\n")
    settings = load(config)
    async with reuse(settings) as filled:
        assert (filled.signer, filled.trusted) == (None, {})
    assert not list(settings.data.glob("*.key"))
    FileSigner.kept(settings.data / "programs.key", "before")
    assert list(trusted_keys(settings)["default"]) == [FileSigner.load(settings.data / "programs.key").key.id]


def test_a_place_where_no_key_can_be_made_is_named_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SigningKeyRefused, match=r"programs\.key is not there and cannot be made: .*put a key there"):
        FileSigner.kept(tmp_path / "file" / "programs.key", "x")
