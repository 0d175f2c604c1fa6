"""What is Precedent's own lies beneath the root of its tools as a rule, and no tool sees it."""

import os
import sqlite3
from pathlib import Path

import pytest

from infra.bootstrap.tools import hidden_paths
from infra.settings import load
from tests.adapters.tools.calling import BuiltIn, needs_sandbox

SECRET = "PRIVATE+KEY+alpha"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    tmp_path.chmod(0o755)
    data = tmp_path / ".precedent"
    (data / "content" / "acme").mkdir(parents=True)
    (data / "programs.key").write_text(SECRET)
    (tmp_path / "broker.json").write_text(SECRET)
    (tmp_path / "a.txt").write_text("alpha")
    (tmp_path / "to-data").symlink_to(".precedent")
    with sqlite3.connect(data / "shop.db") as connection:
        connection.execute("create table item (name text)")
    connection.close()
    return tmp_path


@pytest.fixture
def tools(root: Path) -> BuiltIn:
    inside = root / ".precedent" / "content"  # as in every deployment that does not name another place
    return BuiltIn(root, hidden=(inside, root / ".precedent", root / "broker.json", root / "none", inside / "acme"))


@pytest.mark.parametrize(
    "path",
    [".precedent/programs.key", "broker.json", "to-data/programs.key", "./.precedent/../.precedent/programs.key"],
)
async def test_no_path_leads_to_it(tools: BuiltIn, root: Path, path: str) -> None:
    for tool, given in (("fs.read", {}), ("fs.stat", {}), ("fs.write", {"text": "mine"}), ("fs.list", {})):
        failure = await tools.failure(tool, path=path, **given)
        assert failure.type == "fs.denied", tool
        assert SECRET not in failure.message
    assert (root / ".precedent" / "programs.key").read_text() == (root / "broker.json").read_text() == SECRET


async def test_nothing_is_added_to_it(tools: BuiltIn, root: Path) -> None:
    assert (await tools.failure("fs.write", path=".precedent/content/acme/new", text="x")).type == "fs.denied"
    assert (await tools.failure("fs.list", path=".precedent")).type == "fs.denied"
    assert not list((root / ".precedent" / "content" / "acme").iterdir())


async def test_it_is_neither_listed_nor_searched(tools: BuiltIn) -> None:
    listed = [entry["path"] for entry in await tools.value("fs.list", recursive=True)]
    assert listed == ["a.txt", "to-data"]
    found = await tools.value("fs.search", text="alpha")
    assert [match["path"] for match in found["matches"]] == ["a.txt"]


async def test_databases_and_environments_in_it_are_not_read(tools: BuiltIn) -> None:
    failure = await tools.failure("sql.query", database=".precedent/shop.db", statement="select * from item")
    assert failure.type == "fs.denied"
    assert (await tools.failure("python.packages", site=".precedent")).type == "fs.denied"


async def test_a_renamed_one_is_still_the_same(tools: BuiltIn, root: Path) -> None:
    os.link(root / "broker.json", root / "other.json")
    assert (await tools.failure("fs.read", path="other.json")).type == "fs.denied"


@needs_sandbox
async def test_commands_see_an_empty_folder_in_its_place(tools: BuiltIn, root: Path) -> None:
    script = "cat .precedent/programs.key broker.json to-data/programs.key; ls -A .precedent; echo x > .precedent/new"
    seen = await tools.value("shell.run", command=script)
    assert SECRET not in seen["stdout"] + seen["stderr"]
    assert seen["stdout"] == ""
    assert not (root / ".precedent" / "new").exists()


@needs_sandbox
async def test_commands_that_write_neither_see_nor_move_it(tools: BuiltIn, root: Path) -> None:
    if os.geteuid() == 0:
        for each in (root, *root.rglob("*")):
            os.chown(each, 1000, 1000, follow_symlinks=False)
    script = (
        "mv .precedent elsewhere; mv broker.json b; rm -rf .precedent broker.json; cat */programs.key broker.json b"
    )
    seen = await tools.value("shell.edit", command=script)
    assert SECRET not in seen["stdout"]
    assert (root / ".precedent" / "programs.key").read_text() == (root / "broker.json").read_text() == SECRET


def test_a_deployment_hides_its_data_its_content_its_keys_and_its_configuration(tmp_path: Path) -> None:
    configuration = tmp_path / "precedent.yaml"
    configuration.write_text(
        f"data: {tmp_path}/data\n"
        f"content: {{url: 'file:{tmp_path}/content'}}\n"
        "nats: {url: 'nats://127.0.0.1:4222', credentials: broker.json}\n"
        f"ledger: {{key: {tmp_path}/ledger.key}}\n"
        f"programs: {{key: {tmp_path}/programs.key}}\n"
    )
    settings = load(configuration)
    hidden = set(hidden_paths(settings))
    assert {settings.data, tmp_path / "content", configuration, settings.nats.credentials} <= hidden
    assert {settings.ledger.key, settings.programs.key} <= hidden
    assert None not in hidden
