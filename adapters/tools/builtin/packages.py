"""`python.*`: the packages installed in a Python environment beneath the root, as their own metadata tells."""

import os
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from typing import TypedDict

from adapters.tools.builtin.licences import licence_of
from adapters.tools.builtin.rooted import kind_of, located, opened_file, opened_folder
from adapters.tools.context import ToolContext, ToolFault
from adapters.tools.declare import tool

_LARGEST_METADATA = 4 * 1024 * 1024
_SUFFIX = ".dist-info"


class Package(TypedDict):
    """One installed package."""

    name: str
    version: str


class Metadata(TypedDict):
    """Core metadata of one installed package; nil where it declares none."""

    name: str
    version: str
    summary: str | None
    licence: str | None
    author: str | None
    homepage: str | None
    requires: list[str]


@tool("python.packages", effects="read", timeout=20, tags=("python",))
def packages(context: ToolContext, site: str) -> list[Package]:
    """Packages installed in an environment (its folder, like ".venv", or its site-packages), in order of names."""
    found = []
    for folder in _distributions(context, site):
        headers = _headers(context, folder)
        if headers is not None:
            found.append(Package(name=headers["Name"], version=headers["Version"]))
    return sorted(found, key=lambda package: (normalised(package["name"]), package["version"]))


@tool("python.metadata", effects="read", timeout=5, tags=("python",))
def metadata(context: ToolContext, site: str, package: str) -> Metadata:
    """Core metadata of one installed package. Its licence is an SPDX identifier where one can be told."""
    wanted = normalised(package)
    for folder in _distributions(context, site):
        if normalised(folder.rpartition("/")[2].split("-", 1)[0]) != wanted:
            continue
        headers = _headers(context, folder)
        if headers is not None and normalised(headers["Name"]) == wanted:
            return _metadata(headers)
    raise ToolFault("python.not-installed", f"package {package!r} is not installed in {site!r}")


def normalised(name: str) -> str:
    """Give the one spelling under which package names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _distributions(context: ToolContext, site: str) -> list[str]:
    """Paths of the metadata folders, in order."""
    for folder in _candidates(context, site):
        found = [name for name in _names(context, folder) if name.endswith(_SUFFIX)]
        if found:
            return [f"{folder}/{name}" for name in sorted(found)]
    raise ToolFault(
        "python.no-environment",
        f"{site!r} holds no installed packages; give an environment, like .venv, or its site-packages",
    )


def _candidates(context: ToolContext, site: str) -> Iterator[str]:
    yield site
    for library in ("lib", "Lib"):
        if library in _names(context, site):
            yield f"{site}/{library}/site-packages"
            for name in sorted(_names(context, f"{site}/{library}")):
                if name.startswith("python3"):
                    yield f"{site}/{library}/{name}/site-packages"


def _names(context: ToolContext, path: str) -> set[str]:
    with located(context.settings, path) as place:
        if place.status is None or kind_of(place.status) != "folder":
            return set()
        with opened_folder(place) as folder:
            return set(os.listdir(folder))  # noqa: PTH208  # of an open folder, which has no path


def _headers(context: ToolContext, folder: str) -> Message | None:
    """Headers of a METADATA file; None where an interrupted installation left none."""
    with located(context.settings, f"{folder}/METADATA") as place:
        if place.status is None:
            return None
        with opened_file(place) as file:
            headers = HeaderParser().parsestr(file.read(_LARGEST_METADATA).decode(errors="replace"))
    return headers if headers["Name"] and headers["Version"] else None


def _metadata(headers: Message) -> Metadata:
    return Metadata(
        name=headers["Name"],
        version=headers["Version"],
        summary=_declared(headers, "Summary"),
        licence=licence_of(headers),
        author=_declared(headers, "Author") or _declared(headers, "Author-email"),
        homepage=_declared(headers, "Home-page") or _project_page(headers),
        requires=sorted(headers.get_all("Requires-Dist", [])),
    )


def _declared(headers: Message, name: str) -> str | None:
    text = str(headers[name] or "").strip()
    return text if text and text != "UNKNOWN" else None


def _project_page(headers: Message) -> str | None:
    pages = {}
    for entry in headers.get_all("Project-URL", []):
        label, _, address = entry.partition(",")
        pages[re.sub(r"[^a-z]", "", label.lower())] = address.strip()
    return next((pages[label] for label in ("homepage", "home", "source", "repository") if pages.get(label)), None)
