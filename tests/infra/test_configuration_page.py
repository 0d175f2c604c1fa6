"""docs/configuration.md names every setting, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from infra.settings import effective, load

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
VALUES = r"`[^`]+`(?:, `[^`]+`)*"


def rows() -> dict[str, str | None]:
    """Defaults by key; None where words say what the default is."""
    found: dict[str, str | None] = {}
    for keys, default in re.findall(rf"^\| ({VALUES}) \| ([^|]+) \| .+ \|$", TEXT, re.MULTILINE):
        names = re.findall(r"`([^`]+)`", keys)
        values = re.findall(r"`([^`]+)`", default) if re.fullmatch(VALUES, default) else []
        given = values or ["-" if default == "none" else None]
        found |= dict(zip(names, given * len(names) if len(given) == 1 else given, strict=True))
    return found


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A working directory and an environment that configure nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONFIG", "DATA", "DURABILITY", "TOOLS", "AGENTS"):
        monkeypatch.delenv(f"PRECEDENT_{name}", raising=False)


@pytest.mark.usefixtures("nothing_set")
def test_every_setting_is_described_with_its_default():
    described = rows()
    assert set(described) == {line.key for line in effective(load())}
    for line in effective(load()):
        assert described[line.key] in (None, line.value), line.key


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize(
    ("variable", "value", "key", "shown"),
    [
        ("PRECEDENT_WORKERS", "8", "workers", "8"),
        ("PRECEDENT_LIMITS__USD", "0.5", "limits.usd", "0.5"),
        ("PRECEDENT_HTTP__ALLOW", '["example.org"]', "http.allow", "example.org"),
    ],
    ids=["plain", "section", "list"],
)
def test_its_variables_set_what_they_are_said_to(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, key: str, shown: str
):
    assert f"{variable}={value}" in TEXT.replace("'", "")
    monkeypatch.setenv(variable, value)
    (line,) = [line for line in effective(load()) if line.key == key]
    assert (line.value, line.origin) == (shown, f"environment {variable}")
