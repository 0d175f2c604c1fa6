"""The modules that plans import: files that lie beside the plan."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from domain.rtfs.modules import ModuleMissing, ModuleSource, Resolver
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
