"""The modules that plans import: files that lie beside the plan."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

from domain.rtfs.importing import gathered
from domain.rtfs.modules import ModuleMissing, ModuleSource, Resolver
from domain.rtfs.source import ReadError
from domain.runs.task import TaskInvalid
from infra.cli.documents import source_of

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*")
"""Names that can be those of files; others are not looked for, so that no name leads out of the folder."""

LONGEST_NAME: Final = 200
"""Characters; file systems take not many more."""


def modules_beside(folder: Path) -> Resolver:
    """Module ``a.b`` is ``a/b.rtfs`` or ``a.b.rtfs`` of the folder, each read once.

    The resolver raises ``ModuleMissing``, ``DocumentInvalid``, ``ReadError``.
    """

    @cache
    def resolve(name: str) -> ModuleSource:
        if len(name) > LONGEST_NAME or not NAME.fullmatch(name):
            raise ModuleMissing("names of modules are words with dots between, and a file of that name is looked for")
        candidates = (folder / f"{name.replace('.', '/')}.rtfs", folder / f"{name}.rtfs")
        found = next((path for path in candidates if path.is_file()), None)
        if found is None:
            raise ModuleMissing(f"looked for {' and '.join(dict.fromkeys(map(str, candidates)))}")
        return ModuleSource(source_of(str(found)))

    return resolve


def with_modules(task: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A task file's document with the texts of what its plan imports and the file does not bring, from a folder.

    A plan that cannot be read stays as it is: whoever compiles it says what is wrong. Raises as the resolver does, and
    ``TaskInvalid`` where a module is not to be had.
    """
    plan, given = task.get("plan"), task.get("modules", {})
    if plan is None or task.get("agent") is not None:
        return task
    beside = modules_beside(folder)
    try:
        found = gathered(plan, lambda name: ModuleSource(given[name]) if name in given else beside(name))
    except ReadError:
        return task
    except ModuleMissing as error:
        raise TaskInvalid(f"plan: {error}") from None
    return task | {"modules": {**given, **found}} if found else task
