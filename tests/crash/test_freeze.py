"""Processes that stand still for longer than their sessions last, and links that are cut, both ways and one way, under load.

Nothing acknowledged is lost, order holds, no committed position moves back, and an ingest without Kafka answers 503. Each
part is in a network namespace of its own, so this needs root. The seed is printed; EG_TEST_SEED repeats a plan.
"""

import os

import pytest

from support import log_audit, namespaces
from support.chaos import Chaos, Plan, assert_clean
from support.gateway import wait_until
from support.systems import SESSION_S, NamespacedCluster
from support.workload import Events, Sender

FULL = bool(os.environ.get("EG_TEST_FULL"))
COUNT = int(os.environ.get("EG_TEST_EVENTS", 200_000 if FULL else 3_000))
QUIET_S = 300 if FULL else 120
DIRECTIONS = ["both", "out", "in"]


@pytest.fixture(scope="module")
def can_make_namespaces():
    reason = namespaces.why_not()
    if reason:
        print(f"no network namespaces here: {reason}")
        pytest.skip(f"no network namespaces here: {reason}")


@pytest.fixture
def network(can_make_namespaces):
    network = namespaces.Network().up()
    yield network
    network.down()


@pytest.fixture
def cluster(network, tmp_path):
    return NamespacedCluster(tmp_path, network)


def disturbances():
    cuts = [("cut", f"{part} {service} {direction}") for direction in DIRECTIONS
            for part, service in [("dispatcher-1", "kafka"), ("ingest-1", "kafka"), ("dispatcher-2", "zookeeper")]]
    frozen = ["dispatcher-1", "dispatcher-2", "dispatcher-3", "ingest-2"]
    if FULL:
        frozen += ["kafka", "zookeeper", "ingest-1"]
        cuts += [("cut", f"{part} {service} {direction}") for direction in DIRECTIONS
                 for part, service in [("dispatcher-3", "kafka"), ("ingest-2", "zookeeper")]]
    return cuts + [("freeze", name) for name in frozen]


def test_nothing_is_lost_when_processes_stand_still_and_links_are_cut(cluster, network, tmp_path, seed, capsys):
    outage_s = (SESSION_S + 1, SESSION_S * 2)
    plan = Plan(seed, disturbances(), pause_s=(0.2, 1.0), outage_s=outage_s, pairs=1.0)
    chaos = Chaos(cluster, tmp_path, seed, COUNT, None if FULL else 100, host=network.address_of_test)
    watch = log_audit.CommitWatch(cluster.log()).start()
    try:
        chaos.run(plan)
        report = chaos.check(QUIET_S)
        watch.stop()
        with capsys.disabled():
            print(f"{chaos.summary()}, looks at positions {watch.looks}, {report}", end=" ")
        assert_clean(report, chaos.cursors)
        assert watch.moved_back == []
        assert set(chaos.sender.refused) <= {503}  # Not every plan cuts off an ingest.
    finally:
        watch.stop()
        chaos.close()


def test_an_ingest_that_lost_kafka_answers_503_and_never_a_wrong_202(cluster, network, seed):
    events = Events(seed)
    sender = Sender(events, lambda: cluster.targets()[:1], threads=4).start()

    def wait_for(count, what):
        before = count()
        wait_until(lambda: count() > before + 100, 60, what)

    try:
        for direction in DIRECTIONS:
            wait_for(lambda: len(sender.acknowledged), "events to be taken")
            network.cut("ingest-1", network.addresses["kafka"], direction)
            wait_for(lambda: sender.refused[503], "503 for events")
            network.mend("ingest-1", network.addresses["kafka"], direction)
        wait_for(lambda: len(sender.acknowledged), "events to be taken again")
        sender.stop()
        assert set(sender.refused) == {503}
        assert sender.acknowledged <= {event.number for event in log_audit.stored_events(cluster.log(), events.kind)}
    finally:
        sender.stopping.set()
        cluster.stop()
