"""A process that takes a flight and holds it until it is killed: ``python -m tests.adapters.nats.flying URL ENTRY``."""

import asyncio
import sys

from adapters.nats.connection import Connection
from adapters.nats.flights import JetStreamFlights


async def main(url: str, user: str, password: str, tenant: str, entry: str) -> None:
    connection = await Connection.open(url, name="holder", user=user or None, password=password or None)
    flight = await JetStreamFlights(connection).begin(tenant, entry)
    print("none" if flight is None else "held", flush=True)  # noqa: T201
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
