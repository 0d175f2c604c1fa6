"""What follows when a person says that something was wrongly given again: it is not given any more.

An answer that was given to a goal like its own stays for its own: that it was wrong at such a likeness is evidence.
"""

from __future__ import annotations

from commands.cache.judgements import withdraw
from commands.cache.log import CATALOG
from commands.programs.publishing import demote
from commands.runs.log import CATALOG as RUNS
from commands.services import Services
from domain.cache.events import ReuseJudged
from domain.kernel.events import Recorded
from domain.kernel.ids import StreamId
from domain.runs.events import ModelCallRequested


async def withdraw_refuted(services: Services, event: Recorded) -> None:
    """Invalidate the entry, or demote the program. What was said right changes nothing here."""
    judged = CATALOG.decode(event)
    if not isinstance(judged, ReuseJudged) or judged.correct or judged.source != "feedback":
        return
    reason, tenant = f"{judged.judge} says that it was wrong in run {judged.run}", event.stream.tenant
    if judged.level == "L4":
        await demote(services, tenant, judged.entry, reason, judged.run)
    elif await _was_its_own_goal(services, StreamId(tenant, "run", judged.run), judged.entry):
        await withdraw(services, tenant, judged.entry, reason, judged.run)


async def _was_its_own_goal(services: Services, run: StreamId, entry: str) -> bool:
    """Whether the run asked for just what the entry was made for: what is only like it says nothing of that.

    Raises ``ServiceUnreachable``, ``StoredDataInvalid``.
    """
    events = [RUNS.decode(each) for each in (await services.store.load(run)).events]
    return any(
        lookup.entry == entry and lookup.is_of_same_goal
        for event in events
        if isinstance(event, ModelCallRequested)
        for lookup in event.lookups
    )
