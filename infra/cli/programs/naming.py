"""Programs as people name them: by an id, a module's digest, or the beginning of one of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from domain.kernel.errors import InvalidInput, NotFound
from infra.cli.session import Session
from projections.program_rows import ProgramRow, named_programs

SHOWN: Final = 5
"""Programs that are named where more than one is meant."""

MODULE: Final = re.compile(r"sha256:[0-9a-f]{64}\Z")


async def program_named(connected: Session, name: str) -> ProgramRow:
    """The one program of this name. Raises ``NotFound``, ``InvalidInput`` where several begin so."""
    found = await _named(connected, name)
    exact = [row for row in found if row.id == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    shown = ", ".join(row.id for row in found[:SHOWN])
    raise InvalidInput(f"{name} is the beginning of more than one program: {shown}{_more(found)}; give more of it")


async def module_named(connected: Session, name: str) -> str:
    """The digest of one module, named by itself or by a program of it. Raises as ``program_named``."""
    if MODULE.match(name):
        return name
    modules = sorted({row.module for row in await _named(connected, name)})
    if len(modules) == 1:
        return modules[0]
    raise InvalidInput(f"{name} may be any of these modules: {', '.join(modules[:SHOWN])}; give more of it")


async def _named(connected: Session, name: str) -> Sequence[ProgramRow]:
    if not name:
        raise InvalidInput("the empty text names no program; `precedent programs ls` lists them")
    await connected.read_up_to(await connected.store.end())
    async with connected.database.transaction() as transaction:
        found = await named_programs(transaction, connected.settings.tenant, name, SHOWN + 1)
    if not found:
        raise NotFound(f"there is no program {name[:80]}; `precedent programs ls` lists them")
    return found


def _more(found: Sequence[ProgramRow]) -> str:
    return ", …" if len(found) > SHOWN else ""
