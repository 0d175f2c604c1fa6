"""The library's own abstract test cases, on a broker of their own each, as they count notifications from 1."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

pytest.importorskip("eventsourcing", reason="needs the extra `eventsourcing`")

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import InfrastructureFactoryError, StoredEvent
from eventsourcing.system import ProcessApplication
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    InfrastructureFactoryTestCase,
    NonInterleavingNotificationIDsBaseCase,
    ProcessRecorderTestCase,
    TrackingRecorderTestCase,
)
from eventsourcing.utils import Environment

from adapters.eventsourcing import PrecedentFactory
from adapters.eventsourcing.recorders import (
    PrecedentAggregateRecorder,
    PrecedentApplicationRecorder,
    PrecedentProcessRecorder,
    PrecedentTrackingRecorder,
)
from tests.adapters.nats.broker import Broker


class Loop:
    """A thread with a loop, for the broker's process: these tests are synchronous."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def call(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()


@pytest.fixture
def environment(tmp_path) -> Iterator[dict[str, str]]:
    loop, broker = Loop(), Broker(tmp_path)
    loop.call(broker.start())
    yield {
        "PERSISTENCE_MODULE": "adapters.eventsourcing",
        "PRECEDENT_NATS__URL": broker.url,
        "PRECEDENT_CONTENT__URL": f"file:{tmp_path / 'content'}",
    }
    loop.call(broker.kill())
    loop.close()


@pytest.fixture(autouse=True)
def factory(request, environment):
    """Give a test case of the library (a ``unittest.TestCase``) a factory on a fresh broker."""
    made = PrecedentFactory(Environment(name="testing", env=environment))
    if request.instance is not None:
        request.instance.made = made
        request.instance.env = Environment(name="testing", env=environment)
    yield made
    made.close()


class TestAggregateRecorder(AggregateRecorderTestCase):
    def create_recorder(self):
        return self.made.aggregate_recorder()


class TestApplicationRecorder(ApplicationRecorderTestCase):
    def create_recorder(self):
        return self.made.application_recorder()


class TestTrackingRecorder(TrackingRecorderTestCase):
    def create_recorder(self):
        return self.made.tracking_recorder()


class TestProcessRecorder(ProcessRecorderTestCase):
    def create_recorder(self):
        return self.made.process_recorder()


class TestNonInterleaving(NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self):
        return self.made.application_recorder()


class Subclassed(PrecedentTrackingRecorder):
    pass


class TestFactory(InfrastructureFactoryTestCase):
    def expected_factory_class(self):
        return PrecedentFactory

    def expected_aggregate_recorder_class(self):
        return PrecedentAggregateRecorder

    def expected_application_recorder_class(self):
        return PrecedentApplicationRecorder

    def expected_tracking_recorder_class(self):
        return PrecedentTrackingRecorder

    def tracking_recorder_subclass(self):
        return Subclassed

    def expected_process_recorder_class(self):
        return PrecedentProcessRecorder


del AggregateRecorderTestCase, ApplicationRecorderTestCase, TrackingRecorderTestCase
del ProcessRecorderTestCase, NonInterleavingNotificationIDsBaseCase, InfrastructureFactoryTestCase


class Account(Aggregate):
    @event("Opened")
    def __init__(self, owner: str):
        self.owner = owner
        self.balance = 0

    @event("Paid")
    def pay(self, amount: int) -> None:
        self.balance += amount


class Bank(Application):
    is_snapshotting_enabled = True
    snapshotting_intervals: ClassVar = {Account: 5}

    def open(self, owner: str) -> uuid.UUID:
        account = Account(owner)
        self.save(account)
        return account.id

    def pay(self, account: uuid.UUID, amount: int) -> None:
        found = self.repository.get(account)
        found.pay(amount)
        self.save(found)


class Totals(ProcessApplication):
    pass


def test_an_application_keeps_its_aggregates_and_snapshots_here(environment):
    with Bank(env=environment) as bank:
        account = bank.open("Ada")
        for amount in range(12):
            bank.pay(account, amount)
        assert len(list(bank.snapshots.get(account))) == 2
    with Bank(env=environment) as again:
        found = again.repository.get(account)
        assert (found.owner, found.balance, found.version) == ("Ada", 66, 13)
        assert again.repository.get(account, version=3).balance == 1


def test_a_subscription_gives_what_comes(environment):
    with Bank(env=environment) as bank:
        first = bank.open("Ada")
        with bank.recorder.subscribe() as subscription:
            assert next(subscription).originator_id == first
            second = bank.open("Bob")
            assert next(subscription).originator_id == second
            threading.Timer(0.2, subscription.stop).start()
            assert list(subscription) == []


def test_large_and_odd_events(environment):
    with Bank(env=environment) as bank:
        for originator in ("", "a b.c>*", "ä" * 100, "x" * 500):
            stored = StoredEvent(originator, 0, "topic", bytes(range(256)) * 1000)
            bank.recorder.insert_events([stored])
            assert bank.recorder.select_events(originator) == [stored]


def test_a_bucket_for_big_events_is_refused_and_not_taken_for_a_folder(environment):
    environment["PRECEDENT_CONTENT__URL"] = "s3://bucket?region=eu-central-1"
    with pytest.raises(InfrastructureFactoryError, match="PRECEDENT_CONTENT__URL: an application keeps its big events"):
        PrecedentFactory(Environment(env=environment))


def test_where_the_broker_is_must_be_said(environment):
    del environment["PRECEDENT_NATS__URL"]
    with pytest.raises(InfrastructureFactoryError, match="PRECEDENT_NATS__URL is not set"):
        PrecedentFactory(Environment(env=environment))
    environment["PRECEDENT_NATS__URL"] = "nats://127.0.0.1:9"
    with pytest.raises(InfrastructureFactoryError, match=r"nats://127\.0\.0\.1:9"):
        PrecedentFactory(Environment(env=environment))


def test_the_example_runs(environment):
    example = Path(__file__).parents[3] / "examples" / "bank.py"
    done = subprocess.run(
        [sys.executable, example], env=os.environ | environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "Ada: 750 after 3 events\nGrace: 250 after 2 events\n"
