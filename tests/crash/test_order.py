"""kill -9 of dispatchers under load: of each key nothing is delivered before what lies before it.

The seed is printed; EG_TEST_SEED repeats a plan. EG_TEST_FULL makes the runs long.
"""

import os
import random
import time
import uuid

import pytest

from conftest import cluster_arguments
from support.cluster import await_settled
from support.gateway import Gateway, wait_until
from support.order import KeyedProducer, OrderChecker

FULL = bool(os.environ.get("EG_TEST_FULL"))
SECONDS = 200 if FULL else 12
KEYS = [f"order/{number}" for number in range(40)]
RETRY = {"initialMs": 5, "maxMs": 200, "maxAttempts": 1000}


@pytest.fixture
def plan(seed):
    return random.Random(seed)


@pytest.fixture
def checker(plan):
    checker = OrderChecker(plan.random(), fails=0.1, poison=13, longest_s=0.01)
    yield checker
    checker.close()


class Embedded:
    def __init__(self, folder):
        self.victims = [Gateway(["dev", "--data", folder / "data"], folder / "gateway.log")]
        self.entry = self.victims[0]

    def start(self):
        self.entry.start()


class Cluster:
    """One entry that lives on, two dispatchers that are killed."""

    def __init__(self, stack, folder):
        cluster = f"t{uuid.uuid4().hex[:12]}"

        def node(name, role):
            arguments = cluster_arguments(stack, cluster, role=role, data=folder / name, zookeeper_session="4s")
            return Gateway(arguments, folder / f"{name}.log")

        self.entry = node("entry", "ingest,admin")
        self.victims = [node("dispatcher-1", "dispatcher"), node("dispatcher-2", "dispatcher")]

    def start(self):
        for gateway in [self.entry, *self.victims]:
            gateway.start(timeout_s=60)


@pytest.fixture(params=["sqlite", "kafka"])
def nodes(request, tmp_path):
    nodes = (Embedded(tmp_path) if request.param == "sqlite"
             else Cluster(request.getfixturevalue("stack"), tmp_path))
    nodes.start()
    yield nodes
    for gateway in {nodes.entry, *nodes.victims}:
        gateway.stop()


@pytest.mark.parametrize("batch", [1, 20], ids=["single", "batch"])
def test_keys_keep_their_order_when_dispatchers_are_killed(nodes, checker, plan, capsys, batch):
    nodes.entry.register_function("ordered", checker.url)
    nodes.entry.register_event_type("step")
    nodes.entry.subscribe("ordered", "step", delivery={
        "ordering": "key", "batch": {"maxEvents": batch, "maxWaitMs": 5}, "retry": RETRY})
    await_settled(nodes.entry, len({nodes.entry, *nodes.victims}))
    producer = KeyedProducer(lambda: nodes.entry.events_url, "step", KEYS, pause_s=0.002).start()
    kills = 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        time.sleep(plan.uniform(0.3, 2.0))
        victim = plan.choice(nodes.victims)
        victim.kill()
        kills += 1
        time.sleep(plan.uniform(0.0, 1.0))
        victim.start(timeout_s=60)
    producer.stop()

    wait_until(lambda: checker.has_all(producer.counts), 180,
               f"all of {producer.counts}; finished {checker.finished}")
    with capsys.disabled():
        print(f"kills {kills}, events {producer.total()}, calls {checker.calls}, duplicates {checker.duplicates}, "
              f"given up {len(checker.given_up)}, largest batch {checker.largest_batch}", end=" ")
    assert checker.violations == []
    assert checker.given_up == {(key, number) for key, count in producer.counts.items()
                                for number in range(count) if checker.is_poisoned(number)}
