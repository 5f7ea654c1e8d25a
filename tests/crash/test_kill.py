"""kill -9 at random moments under load: every event that got a 202 reaches its function.

The seed is printed; EG_TEST_SEED repeats a plan. EG_TEST_FULL makes the runs long.
"""

import os
import random
import time

import pytest

from support.cluster import Cluster, start_again
from support.gateway import Gateway, wait_until
from support.producer import Producer
from support.stack import Stack

FULL = bool(os.environ.get("EG_TEST_FULL"))
SECONDS = 300 if FULL else 30
EVENT_TYPE = "crash.event"


@pytest.fixture
def plan(capsys):
    seed = int(os.environ.get("EG_TEST_SEED", time.time_ns() % 1_000_000))
    with capsys.disabled():
        print(f"\nEG_TEST_SEED={seed}", end=" ")
    return random.Random(seed)


@pytest.fixture
def own_stack(tmp_path):
    """Not the session's: this one is killed."""
    stack = Stack(tmp_path / "stack").up()
    yield stack
    stack.wipe()


def register(gateway, function):
    gateway.register_function("counter", function.url)
    gateway.register_event_type(EVENT_TYPE)
    gateway.subscribe("counter", EVENT_TYPE,
                      delivery={"retry": {"initialMs": 20, "maxMs": 500, "maxAttempts": 1000}})


def numbers_of(function):
    return [call.json()["data"]["number"] for call in function.received()]


def check(producer, function, capsys, kills):
    """Everything acknowledged has arrived, nothing arrived that was not sent."""
    wanted = producer.acknowledged
    wait_until(lambda: wanted <= set(numbers_of(function)), 180,
               f"all {len(wanted)} acknowledged events")
    received = numbers_of(function)
    with capsys.disabled():
        print(f"kills {kills}, acknowledged {len(wanted)}, refused {producer.refused}, "
              f"delivered {len(received)}, duplicates {len(received) - len(set(received))}", end=" ")
    assert len(wanted) > 500
    assert max(received) < next(producer.numbers)


def test_nothing_acknowledged_is_lost_when_the_embedded_gateway_is_killed(
        tmp_path, function, plan, capsys):
    gateway = Gateway(["dev", "--data", tmp_path / "data"], tmp_path / "gateway.log").start()
    register(gateway, function)
    producer = Producer(lambda: [gateway.events_url], EVENT_TYPE).start()
    kills = 0
    until = time.monotonic() + SECONDS / 2
    try:
        while time.monotonic() < until:
            time.sleep(plan.uniform(0.2, 2.0))
            gateway.kill()
            kills += 1
            start_again(gateway)
        producer.stop()
        check(producer, function, capsys, kills)
    finally:
        gateway.stop()


def test_nothing_acknowledged_is_lost_when_any_part_of_a_cluster_is_killed(
        tmp_path, own_stack, function, plan, capsys):
    cluster = Cluster(own_stack, tmp_path).start()
    register(cluster.nodes["admin"], function)
    producer = Producer(cluster.events_urls, EVENT_TYPE).start()
    victims = ["ingest-1", "dispatcher-1", "kafka", "zookeeper", "dispatcher-2", "ingest-2"]
    plan.shuffle(victims)
    kills = []
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until or len(kills) < len(victims):
            time.sleep(plan.uniform(0.5, 3.0))
            victim = victims[len(kills)] if len(kills) < len(victims) else plan.choice(victims)
            cluster.kill(victim)
            kills.append(victim)
            time.sleep(plan.uniform(0.0, 2.0))
            cluster.revive(victim)
        producer.stop()
        check(producer, function, capsys, kills)
    finally:
        cluster.stop()
