"""The embedded stack on the real servers."""

from __future__ import annotations

import nats
import psycopg

from infra.stack.endpoints import Endpoints


async def test_the_stack_serves_a_broker_with_jetstream_and_a_database_with_vectors(stack: Endpoints):
    client = await nats.connect(**stack.nats_options())
    account = await client.jetstream().account_info()
    await client.close()
    async with await psycopg.AsyncConnection.connect(stack.database_url) as connection:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        row = await (await connection.execute("SELECT '[3,4]'::vector <-> '[0,0]'::vector")).fetchone()
    assert account.limits is not None
    assert row == (5.0,)
