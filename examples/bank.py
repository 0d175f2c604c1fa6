"""An application of the library `eventsourcing` whose events lie in Precedent's log, under its ledger.

Run it beside a stack (`precedent up --detach`), with the broker's address from `precedent status`:

    PRECEDENT_NATS__URL=nats://127.0.0.1:PORT PRECEDENT_NATS__CREDENTIALS=DATA/nats-credential.json \
        python examples/bank.py

Then `precedent events --category es-Bank` shows what it wrote, and `precedent audit verify` proves that it is whole.
"""

from __future__ import annotations

import os
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event


class Account(Aggregate):
    """What an owner has, in cents."""

    @event("Opened")
    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.balance = 0

    @event("Paid")
    def pay(self, amount: int) -> None:
        """Add to the balance, or take from it."""
        if self.balance + amount < 0:
            raise ValueError(f"{self.owner} has {self.balance}; {-amount} is more")
        self.balance += amount


class Bank(Application[UUID]):
    """Accounts, and money that moves between them in one step."""

    def open(self, owner: str) -> UUID:
        """Open an account."""
        account = Account(owner)
        self.save(account)
        return account.id

    def move(self, giver: UUID, taker: UUID, amount: int) -> None:
        """Move money: both accounts' events are stored together, or neither."""
        gives, takes = self.repository.get(giver), self.repository.get(taker)
        gives.pay(-amount)
        takes.pay(amount)
        self.save(gives, takes)


def main() -> None:
    """Open two accounts and move money between them."""
    with Bank(env={"PERSISTENCE_MODULE": "adapters.eventsourcing", **os.environ}) as bank:
        ada, grace = bank.open("Ada"), bank.open("Grace")
        account = bank.repository.get(ada)
        account.pay(1000)
        bank.save(account)
        bank.move(ada, grace, 250)
        for each in (ada, grace):
            found = bank.repository.get(each)
            print(f"{found.owner}: {found.balance} after {found.version} events")


if __name__ == "__main__":
    main()
