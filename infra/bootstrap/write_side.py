"""Everything that handles commands and drives runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from faststream.security import SASLPlaintext

from adapters.access.same_tenant import OnlyTenants
from adapters.agents.threads import ThreadedAgents
from adapters.models.clients import ModelClients
from adapters.models.configuration import ModelConfiguration
from adapters.nats.answers import JetStreamAnswers
from adapters.nats.command_broker import CommandBroker
from adapters.nats.command_bus import CommandBus
from adapters.nats.connection import Connection
from adapters.nats.wakes import JetStreamWakes
from adapters.postgres.database import PostgresDatabase
from adapters.postgres.run_index import PostgresRunIndex
from adapters.system.clock import SystemClock, SystemRandomness
from adapters.tools.registry import RunScopedTools
from commands.catalog import COMMANDS, REACTIONS
from commands.feed import Feed
from commands.handle import CommandHandler
from commands.services import Services
from domain.runs.task import Limits
from infra.bootstrap.agents import agents_of
from infra.bootstrap.cache import KeptCache, kept_cache
from infra.bootstrap.connections import connected, event_store
from infra.bootstrap.content import content_store
from infra.bootstrap.reuse import feed_of, reuse
from infra.bootstrap.tools import tool_runner
from infra.settings import Settings
from infra.settings.model import RecordedModel
from infra.stack.endpoints import Endpoints


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSide:
    """Services of the write side, and the connection they share."""

    services: Services
    connection: Connection
    tenant: str
    """Whose commands are taken and whose runs are driven."""
    feed: Feed
    """To be followed by whoever drives runs."""
    kept: KeptCache
    """To be kept by whoever drives runs."""


@asynccontextmanager
async def write_side(
    settings: Settings, endpoints: Endpoints, *, run_scoped: tuple[RunScopedTools, ...] = ()
) -> AsyncIterator[WriteSide]:
    """Everything that handles commands and drives runs."""
    async with AsyncExitStack() as stack:
        connection = await stack.enter_async_context(connected(endpoints, "precedent-worker"))
        grouped = settings.durability == "fsync"
        store = await stack.enter_async_context(event_store(connection, endpoints, grouped=grouped))
        database = await stack.enter_async_context(PostgresDatabase.at(endpoints.database_url))
        models = await stack.enter_async_context(ModelClients(_models(settings)))
        clock = SystemClock()
        wakes = await JetStreamWakes.open(connection, clock, settings.tenant)
        stack.callback(wakes.close)
        filled = await stack.enter_async_context(reuse(settings))
        feed, tools = feed_of(store, clock, filled), tool_runner(settings, run_scoped)
        kept = kept_cache(settings.cache, connection, database, store, clock, tools, feed)
        services = Services(
            store=store,
            content=stack.enter_context(content_store(endpoints.content)),
            wakes=wakes,
            answers=JetStreamAnswers(connection),
            authorizer=OnlyTenants([settings.tenant]),
            tools=tools,
            models=models,
            agents=ThreadedAgents(agents_of(settings)),
            runs=PostgresRunIndex(database, settings.tenant),
            clock=clock,
            randomness=SystemRandomness(),
            default_limits=Limits.model_validate(settings.limits.model_dump()),
            reuse=filled,
            cache=kept.cache,
        )
        yield WriteSide(services=services, connection=connection, tenant=settings.tenant, feed=feed, kept=kept)


def command_bus(side: WriteSide, endpoints: Endpoints) -> CommandBus:
    """Command intake for this write side."""
    user, password = endpoints.nats_user, endpoints.nats_password
    security = None if user is None or password is None else SASLPlaintext(username=user, password=password)
    broker = CommandBroker(endpoints.nats_url, security=security)
    return CommandBus(broker, side.connection, CommandHandler(side.services, COMMANDS, REACTIONS), side.tenant)


def _models(settings: Settings) -> dict[str, ModelConfiguration]:
    return {
        name: ModelConfiguration(recorded=model.recorded)
        if isinstance(model, RecordedModel)
        else ModelConfiguration(
            url=model.url,
            model=model.model,
            api_key_env=model.api_key_env,
            record_to=model.record,
            price_input=model.price_input,
            price_output=model.price_output,
            tier=model.tier,
            timeout=model.timeout,
        )
        for name, model in settings.models.items()
    }
