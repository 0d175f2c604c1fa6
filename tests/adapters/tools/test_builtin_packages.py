import sys
from email.message import Message
from importlib.metadata import distributions
from pathlib import Path

import pytest

from adapters.tools.builtin.licences import licence_of
from tests.adapters.tools.calling import BuiltIn


def install(folder: Path, name: str, version: str, *lines: str) -> None:
    dist = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    dist.mkdir(parents=True)
    headers = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines])
    (dist / "METADATA").write_text(headers + "\n\nLong description.\nLicense: not this\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    install(
        folder,
        "Zebra",
        "2.0",
        "Summary: Striped",
        "License-Expression: MIT",
        "Author: Zoe",
        "Home-page: https://zebra.example",
        "Requires-Dist: b>=1",
        "Requires-Dist: a",
    )
    install(folder, "apple-core", "1.0", "Project-URL: Source, https://apple.example/src", "Author-email: a@b.example")
    install(folder, "apple", "0.1")
    return folder


@pytest.fixture
def tools(tmp_path: Path, site: Path) -> BuiltIn:
    return BuiltIn(tmp_path)


@pytest.mark.parametrize("place", [".venv", ".venv/", "./.venv/lib/python3.11/site-packages"])
async def test_packages_are_listed_in_order_of_names(tools: BuiltIn, place: str) -> None:
    assert await tools.value("python.packages", site=place) == [
        {"name": "apple", "version": "0.1"},
        {"name": "apple-core", "version": "1.0"},
        {"name": "Zebra", "version": "2.0"},
    ]


async def test_metadata_is_what_the_package_declares(tools: BuiltIn) -> None:
    assert await tools.value("python.metadata", site=".venv", package="zebra") == {
        "name": "Zebra",
        "version": "2.0",
        "summary": "Striped",
        "licence": "MIT",
        "author": "Zoe",
        "homepage": "https://zebra.example",
        "requires": ["a", "b>=1"],
    }
    assert await tools.value("python.metadata", site=".venv", package="Apple_Core") == {
        "name": "apple-core",
        "version": "1.0",
        "summary": None,
        "licence": None,
        "author": "a@b.example",
        "homepage": "https://apple.example/src",
        "requires": [],
    }


async def test_an_interrupted_installation_is_no_package(tools: BuiltIn, site: Path) -> None:
    (site / "broken-1.0.dist-info").mkdir()
    (site / "nameless-1.0.dist-info").mkdir()
    (site / "nameless-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe garbage")
    assert len(await tools.value("python.packages", site=".venv")) == 3
    assert (await tools.failure("python.metadata", site=".venv", package="broken")).type == "python.not-installed"


async def test_metadata_that_is_not_ascii_is_read(tools: BuiltIn, site: Path) -> None:
    install(site, "umlaut", "1.0", "Summary: für alle")
    assert (await tools.value("python.metadata", site=".venv", package="umlaut"))["summary"] == "für alle"


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("..", "fs.outside-root"),
        ("/usr/lib/python3", "fs.outside-root"),
        ("link", "fs.outside-root"),
        (".", "python.no-environment"),
        ("none", "python.no-environment"),
        ("", "python.no-environment"),
        (".venv/lib/python3.11/site-packages/apple-0.1.dist-info/METADATA", "python.no-environment"),
    ],
)
async def test_only_environments_beneath_the_root_are_read(
    tools: BuiltIn, tmp_path: Path, place: str, kind: str
) -> None:
    (tmp_path / "link").symlink_to("/usr")
    assert (await tools.failure("python.packages", site=place)).type == kind


async def test_the_environment_of_these_tests_is_listed_as_python_itself_sees_it() -> None:
    prefix = Path(sys.prefix)
    site = next(Path(path) for path in sys.path if path.endswith("site-packages") and Path(path).is_relative_to(prefix))
    expected = {(found.name, found.version) for found in distributions(path=[str(site)])}
    packages = await BuiltIn(prefix).value("python.packages", site=str(site.relative_to(prefix)))
    assert {(package["name"], package["version"]) for package in packages} == expected


def headers(*pairs: tuple[str, str]) -> Message:
    message = Message()
    for name, value in pairs:
        message[name] = value
    return message


MIT_TEXT = "MIT License\n\nCopyright (c) someone\n\nPermission is hereby granted"


@pytest.mark.parametrize(
    ("pairs", "licence"),
    [
        ([], None),
        ([("License", "UNKNOWN")], None),
        ([("License", "")], None),
        ([("License-Expression", "MIT OR Apache-2.0"), ("License", "GPL")], "MIT OR Apache-2.0"),
        ([("License", "MIT")], "MIT"),
        ([("License", "mit license")], "MIT"),
        ([("License", "The MIT License (MIT)")], "MIT"),
        ([("License", "Apache License, Version 2.0")], "Apache-2.0"),
        ([("License", "Apache 2.0")], "Apache-2.0"),
        ([("License", "apache-2.0")], "Apache-2.0"),
        ([("License", "BSD 3-Clause License")], "BSD-3-Clause"),
        ([("License", "BSD")], "BSD"),
        ([("License", "Custom terms")], "Custom terms"),
        ([("License", "Custom terms"), ("Classifier", "License :: OSI Approved :: MIT License")], "MIT"),
        ([("License", MIT_TEXT)], "MIT"),
        ([("License", "Some\nlong\ntext")], None),
        ([("Classifier", "License :: OSI Approved :: Apache Software License")], "Apache-2.0"),
        ([("Classifier", "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)")], "MPL-2.0"),
        ([("Classifier", "License :: OSI Approved :: GNU General Public License v3 or later (GPLv3+)")],
         "GPL-3.0-or-later"),
        ([("Classifier", "License :: OSI Approved")], None),
        ([("Classifier", "License :: Other/Proprietary License")], "Other/Proprietary License"),
        ([("Classifier", "License :: OSI Approved :: MIT License"),
          ("Classifier", "License :: OSI Approved :: BSD License")], "BSD OR MIT"),
    ],
)  # fmt: skip
def test_a_licence_is_told_from_what_is_declared(pairs, licence) -> None:
    assert licence_of(headers(*pairs)) == licence
