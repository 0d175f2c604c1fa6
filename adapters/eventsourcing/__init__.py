"""Precedent's log as a persistence module of the library ``eventsourcing``.

An application of that library keeps its events in our log, and so has our ledger, audits and backups, with no change of
its code: ``PERSISTENCE_MODULE=adapters.eventsourcing``, and where the broker is (``factory.PrecedentFactory``).
"""

from adapters.eventsourcing.factory import PrecedentFactory

__all__ = ["PrecedentFactory"]
