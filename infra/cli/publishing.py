"""A checkpoint over what a command is about to take with it."""

from __future__ import annotations

from typing import Final

from adapters.nats.checkpoints import JetStreamCheckpoints
from commands.ledger import await_published
from domain.kernel.ids import Position
from infra.bootstrap.ledger import identity, ledger
from infra.cli.session import Session

PUBLISHED_WITHIN: Final = 10.0
"""Seconds for the checkpoint of a ledger that runs."""


async def published(connected: Session, end: Position) -> bool:
    """See that a checkpoint stands over an event: made here where no ledger runs, waited for where one does."""
    if connected.own:
        async with identity(connected.settings, connected.store) as known:
            await ledger(
                connected.connection, connected.endpoints, known, archive=connected.settings.ledger.archive
            ).catch_up()
    return await await_published(JetStreamCheckpoints(connected.connection), end, PUBLISHED_WITHIN)
