"""Runs as people name them: by their id, or by the beginning of it."""

from __future__ import annotations

import re
from typing import Final

from sqlalchemy import select

from commands.ports import Selection
from domain.kernel.errors import InvalidInput
from domain.kernel.ids import START
from infra.cli.output import counted
from infra.cli.session import Session
from projections.applying import closing
from projections.runs import TABLE

BEGINNING: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{3,24}", re.IGNORECASE)
"""What an id that was made here may begin with: at least four of its 26 characters, without those that look alike."""

MOST: Final = 5
"""Candidates that a message lists."""


async def run_named(connected: Session, given: str) -> str:
    """The id of the run that is meant; what names none is given back, for whoever looks for it to say so.

    Raises ``HostileName``, ``InvalidInput`` where several runs begin so, and as ``Session.read_up_to``.
    """
    if not BEGINNING.fullmatch(given) or await is_there(connected, given):
        return given
    await connected.read_up_to(await connected.store.end())
    begins = TABLE.c.id.startswith(given.upper())
    query = select(TABLE.c.id, TABLE.c.status, TABLE.c.goal).where(TABLE.c.tenant == connected.settings.tenant, begins)
    async with connected.database.transaction() as transaction:
        found = (await transaction.execute(query.order_by(TABLE.c.id.desc()).limit(MOST + 1))).all()
    if len(found) > 1:
        number = f"more than {MOST} runs" if len(found) > MOST else counted(len(found), "run")
        listed = "".join(f"\n  {run}  {status}  {goal.splitlines()[0][:60]}" for run, status, goal in found[:MOST])
        raise InvalidInput(
            f"{number} of tenant {connected.settings.tenant} begin with {given}; give more of it:{listed}"
        )
    return str(found[0].id) if found else given


async def is_there(connected: Session, run: str) -> bool:
    """Whether a run of exactly this id has events."""
    stream = connected.run(run)
    only = Selection(tenant=stream.tenant, category=stream.category, stream=stream.id, whole=False)
    async with closing(connected.store.read(START, only, batch=1)) as batches:
        async for batch in batches:
            if batch:
                return True
    return False
