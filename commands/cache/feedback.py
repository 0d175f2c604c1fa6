"""What follows when a person says that something was wrongly given again: it is not given any more."""

from __future__ import annotations

from commands.cache.judgements import withdraw
from commands.cache.log import CATALOG
from commands.programs.publishing import demote
from commands.services import Services
from domain.cache.events import ReuseJudged
from domain.kernel.events import Recorded


async def withdraw_refuted(services: Services, event: Recorded) -> None:
    """Invalidate the entry, or demote the program. What was said right changes nothing here."""
    judged = CATALOG.decode(event)
    if not isinstance(judged, ReuseJudged) or judged.correct or judged.source != "feedback":
        return
    reason = f"{judged.judge} says that it was wrong in run {judged.run}"
    if judged.level == "L4":
        await demote(services, event.stream.tenant, judged.entry, reason, judged.run)
    else:
        await withdraw(services, event.stream.tenant, judged.entry, reason, judged.run)
