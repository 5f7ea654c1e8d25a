"""Orderly hand-overs under load, of a restart and of a rebalance: nothing is lost, and who answers in time gets nothing twice,
although a slow subscriber and a failing one hold the positions back.

EG_TEST_FULL makes the runs long.
"""

import collections
import os
import uuid

import pytest

from conftest import cluster_arguments
from support.cluster import await_settled
from support.gateway import Gateway, wait_until
from support.producer import Producer
from support.subscribers import Subscribers

ROUNDS = 10 if os.environ.get("EG_TEST_FULL") else 2
EVENT_TYPE = "hand.over"
BEHAVIOURS = {"quick-1": {}, "quick-2": {}, "slow": {"slow_s": (0.2, 0.6)}, "refusing": {"refuse": 10}}
IN_TIME = ["quick-1", "quick-2", "slow"]
RETRY = {"initialMs": 300, "factor": 1, "maxMs": 300, "maxAttempts": 4}


@pytest.fixture
def subscribers(tmp_path):
    subscribers = Subscribers(BEHAVIOURS, tmp_path / "journal", 1)
    yield subscribers
    subscribers.close()


def register(gateway, subscribers):
    gateway.register_event_type(EVENT_TYPE)
    for name in BEHAVIOURS:
        gateway.register_function(name, subscribers.url(name))
        gateway.subscribe(name, EVENT_TYPE, delivery={"retry": RETRY})


def under_load(producer, subscribers, action):
    """Events come before it, while it goes on if somebody takes them, and after it; and some are delivered before it."""
    def count():
        return len(producer.acknowledged), len(subscribers.delivered()["slow"])

    before = count()
    wait_until(lambda: all(now >= then + 150 for now, then in zip(count(), before)), 60, "events to be delivered")
    action()


def check(producer, subscribers, capsys):
    producer.stop()
    wanted = producer.acknowledged

    def missing():
        delivered = subscribers.delivered()
        return {name: len(wanted - delivered[name]) for name in IN_TIME if wanted - delivered[name]}

    wait_until(lambda: not missing(), 120, "everything to arrive")
    subscribers.wait_for_quiet()
    calls = collections.Counter((call.subscription, call.number) for call in subscribers.deliveries() if call.succeeded)
    twice = collections.Counter(name for (name, _), count in calls.items() for _ in range(count - 1))
    with capsys.disabled():
        print(f"\nacknowledged {len(wanted)}, delivered {sum(calls.values())}, duplicates {dict(twice)}", end=" ")
    assert not twice


def test_a_restart_repeats_nothing(make_gateway, tmp_path, subscribers, capsys):
    gateway = make_gateway(["dev", "--data", tmp_path / "data"])
    register(gateway, subscribers)
    producer = Producer(lambda: [gateway.events_url], EVENT_TYPE).start()

    def restart():
        assert gateway.stop() == 0
        gateway.start(timeout_s=60)

    for _ in range(ROUNDS):
        under_load(producer, subscribers, restart)
    check(producer, subscribers, capsys)


def test_dispatchers_that_come_and_go_repeat_nothing(stack, tmp_path, subscribers, capsys):
    cluster = f"t{uuid.uuid4().hex[:12]}"

    def node(name, role):
        return Gateway(cluster_arguments(stack, cluster, role=role, data=tmp_path / name), tmp_path / f"{name}.log")

    entry, dispatchers = node("entry", "ingest,admin"), [node("dispatcher-1", "dispatcher"), node("dispatcher-2", "dispatcher")]
    try:
        entry.start(timeout_s=60)
        dispatchers[0].start(timeout_s=60)
        register(entry, subscribers)
        await_settled(entry, 2)
        producer = Producer(lambda: [entry.events_url], EVENT_TYPE).start()
        for turn in range(ROUNDS):
            leaving, joining = dispatchers[turn % 2], dispatchers[(turn + 1) % 2]
            under_load(producer, subscribers, lambda joining=joining: joining.start(timeout_s=60))
            await_settled(entry, 3)
            under_load(producer, subscribers, lambda leaving=leaving: leaving.stop())
            await_settled(entry, 2)
        check(producer, subscribers, capsys)
    finally:
        for gateway in [*dispatchers, entry]:
            gateway.stop()
