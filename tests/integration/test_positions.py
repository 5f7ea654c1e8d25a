"""Positions that are lost, partitions that are added, events that retention takes: nothing is skipped, or comes again, in silence."""

import collections
import json
import sqlite3
import uuid

import pytest

from conftest import cluster_arguments
from support.gateway import subscription_path, wait_until
from support.kafka_admin import KafkaAdmin

EVENT_TYPE = "number"


def emit(gateway, first, count):
    """Of ten keys: each partition that gets some now gets some the next time."""
    batch = [{"specversion": "1.0", "type": EVENT_TYPE, "source": "/positions", "id": str(number),
              "subject": str(number % 10), "data": {"number": number}} for number in range(first, first + count)]
    answer = gateway.send("POST", "/", json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202, answer.text


def taken(function):
    """number -> how often it came"""
    return collections.Counter(call.json()["data"]["number"] for call in function.received())


def await_all(function, numbers, what):
    wait_until(lambda: set(taken(function)) >= set(numbers), 90, what)


def subscribe(gateway, name, function, **fields):
    gateway.register_function(name, function.url)
    return gateway.subscribe(name, EVENT_TYPE, **fields)


class Cluster:
    """The names of one cluster on the shared stack."""

    def __init__(self, stack):
        self.name = f"t{uuid.uuid4().hex[:12]}"
        self.topic = f"{self.name}.events"
        self.arguments = cluster_arguments(stack, self.name, kafka_set="topic.metadata.refresh.interval.ms=300")
        self.admin = KafkaAdmin(stack.kafka, self.name)

    def emit_beside(self, make_gateway, first, count):
        """While nobody reads."""
        ingest = make_gateway([*self.arguments, "--role", "ingest"])
        emit(ingest, first, count)
        assert ingest.stop() == 0


@pytest.fixture
def cluster(stack):
    return Cluster(stack)


@pytest.mark.parametrize("loss", ["the groups are deleted", "offsets expire"])
def test_positions_that_kafka_has_lost_are_those_of_the_cursors(loss, cluster, make_gateway, make_function):
    live, paused = make_function(), make_function()
    gateway = make_gateway(cluster.arguments)
    gateway.register_event_type(EVENT_TYPE)
    subscribe(gateway, "live", live)
    subscription = subscribe(gateway, "paused", paused, paused=True)
    emit(gateway, 0, 100)
    await_all(live, range(100), "the first ones")
    wait_until(lambda: gateway.status_of(subscription)["lag"] == 100, 60, "the backlog of who is paused")
    assert gateway.stop() == 0
    cluster.emit_beside(make_gateway, 100, 40)
    before = cluster.admin.committed(cluster.name, cluster.topic)
    assert sum(before.values()) == 100
    if loss == "offsets expire":
        cluster.admin.expire_offsets(cluster.name, cluster.topic, [number for number in before if before[number]][:2])
    else:
        cluster.admin.delete_groups()

    gateway.start()
    emit(gateway, 140, 20)
    await_all(live, range(160), "what came meanwhile, and after")
    assert gateway.config("POST", subscription_path(subscription) + "/resume").status_code == 200
    await_all(paused, range(160), "the backlog")
    wait_until(lambda: sum(cluster.admin.committed(cluster.name, cluster.topic).values()) == 160, 60, "the commits")
    assert set(taken(live).values()) == {1} and set(taken(paused).values()) == {1}


def test_partitions_that_are_added_are_read_from_their_beginning(cluster, make_gateway, make_function):
    live, paused, early, late = (make_function() for _ in range(4))
    gateway = make_gateway(cluster.arguments)
    gateway.register_event_type(EVENT_TYPE)
    subscribe(gateway, "live", live)
    subscription = subscribe(gateway, "paused", paused, paused=True)
    subscribe(gateway, "early", early, start="earliest")
    emit(gateway, 0, 60)
    await_all(live, range(60), "the first ones")

    cluster.admin.add_partitions(cluster.topic, 6)
    for partition in (4, 5):  # Before anybody reads there.
        cluster.admin.produce(cluster.topic, partition,
                              lambda value: {"ce_specversion": "1.0", "ce_type": EVENT_TYPE, "ce_source": "/positions",
                                             "ce_id": str(json.loads(value)["number"]),
                                             "content-type": "application/json"},
                              [json.dumps({"number": partition * 1000 + number}) for number in range(20)])
    numbers = {*range(60), *range(4000, 4020), *range(5000, 5020)}
    await_all(live, numbers, "what lies in the new partitions")
    await_all(early, numbers, "the same, for who began at the beginning")
    subscribe(gateway, "late", late, start="earliest")
    await_all(late, numbers, "the same, for who comes later")
    wait_until(lambda: gateway.status_of(subscription)["lag"] == 100, 60, "the backlog of who is paused")
    assert gateway.config("POST", subscription_path(subscription) + "/resume").status_code == 200
    await_all(paused, numbers, "the backlog")

    # The operator sees them as well.
    wait_until(lambda: len(gateway.config("GET", "/v1/spaces/default/events?limit=200").json()["events"]) == 100, 60,
               "the list of events")
    wait_until(lambda: gateway.config("GET", "/v1/cluster").json()["nodes"][0]["partitions"] == list(range(6)), 60,
               "the partitions in the cluster")
    answer = gateway.config("POST", subscription_path(subscription) + "/replays", {"from": "earliest"})
    assert answer.status_code == 201, answer.text
    replay = f"/v1/spaces/default/replays/{answer.json()['replayId']}"
    wait_until(lambda: gateway.config("GET", replay).json()["state"] == "done", 60, "the replay")
    assert gateway.config("GET", replay).json()["total"] == 100 and set(taken(paused).values()) == {2}

    gateway.kill()  # Nothing begins anew.
    gateway.start(timeout_s=60)
    emit(gateway, 60, 20)
    await_all(live, {*numbers, *range(60, 80)}, "what came after the crash")
    for function in (paused, early, late):
        await_all(function, range(60, 80), "what came after the crash")


def listen_for_losses(gateway, function):
    gateway.register_function("listener", function.url)
    gateway.subscribe("listener", "eventgateway.subscription.eventslost")


def losses(function):
    """subscription -> how many events it was told to have lost"""
    found = collections.Counter()
    for call in function.received():
        data = call.json()["data"]
        found[data["subscriptionId"]] += data["count"]
    return found


def make_old(folder):
    """All events of an embedded store are older than its retention."""
    database = sqlite3.connect(folder / "events.db")
    with database:
        database.execute("UPDATE events SET timestamp_ms = timestamp_ms - 30 * 86400000")
    database.close()


def test_what_retention_takes_from_a_detached_subscription_is_counted(store, make_gateway, make_function, request,
                                                                      tmp_path):
    cluster = request.getfixturevalue("cluster") if store == "kafka" else None
    live, paused, listener = make_function(), make_function(), make_function()
    gateway = make_gateway(cluster.arguments if cluster else ["dev", "--data", tmp_path / "data"])
    gateway.register_event_type(EVENT_TYPE)
    listen_for_losses(gateway, listener)
    subscribe(gateway, "live", live)
    subscription = subscribe(gateway, "paused", paused, paused=True)
    emit(gateway, 0, 100)
    await_all(live, range(100), "what is live")
    wait_until(lambda: gateway.status_of(subscription)["lag"] == 100, 60, "the backlog of who is paused")
    if cluster:
        cluster.admin.delete_records(cluster.topic, cluster.admin.ends(cluster.topic))
    else:
        assert gateway.stop() == 0
        make_old(tmp_path / "data")
        gateway.start()
    emit(gateway, 100, 20)
    await_all(live, range(120), "what is live afterwards")
    assert gateway.config("POST", subscription_path(subscription) + "/resume").status_code == 200
    await_all(paused, range(100, 120), "what is left of the backlog")
    emit(gateway, 120, 20)
    for function in (live, paused):
        await_all(function, range(120, 140), "what comes after that")
    assert set(taken(paused)) == set(range(100, 140)) and set(taken(live)) == set(range(140))
    assert gateway.metrics()["eventgateway_events_lost_total"] == 100
    wait_until(lambda: losses(listener) == {subscription["subscriptionId"]: 100}, 60, f"the event, {losses(listener)}")
    assert "retention has removed events that were not delivered" in gateway.log_path.read_text()


@pytest.mark.parametrize("offsets", ["are kept", "expire with the events"])
def test_what_retention_takes_from_the_live_position_is_counted(offsets, cluster, make_gateway, make_function):
    live = make_function()
    gateway = make_gateway(cluster.arguments)
    gateway.register_event_type(EVENT_TYPE)
    subscription = subscribe(gateway, "live", live)
    emit(gateway, 0, 20)
    await_all(live, range(20), "the first ones")
    assert gateway.stop() == 0
    cluster.emit_beside(make_gateway, 20, 60)
    cluster.admin.delete_records(cluster.topic, cluster.admin.ends(cluster.topic))
    if offsets == "expire with the events":
        cluster.admin.expire_offsets(cluster.name, cluster.topic, cluster.admin.committed(cluster.name, cluster.topic))
    cluster.emit_beside(make_gateway, 80, 20)
    gateway.start()
    await_all(live, range(80, 100), "what is left")
    emit(gateway, 100, 20)
    await_all(live, range(100, 120), "what comes after that")
    assert set(taken(live)) == {*range(20), *range(80, 120)} and set(taken(live).values()) == {1}
    wait_until(lambda: gateway.status_of(subscription)["lostToRetention"] == 60, 60, "the count")
    assert gateway.metrics()["eventgateway_events_lost_total"] == 60
    wait_until(lambda: cluster.admin.committed(cluster.name, cluster.topic) == cluster.admin.ends(cluster.topic), 60,
               "the commits")


def test_what_retention_takes_where_no_dispatcher_has_been_is_counted(cluster, make_gateway, make_function):
    before, after = make_function(), make_function()
    gateway = make_gateway([*cluster.arguments, "--role", "ingest", "--role", "admin"])
    gateway.register_event_type(EVENT_TYPE)
    subscription = subscribe(gateway, "before", before)
    emit(gateway, 0, 60)
    cluster.admin.delete_records(cluster.topic, cluster.admin.ends(cluster.topic))
    emit(gateway, 60, 40)
    late = subscribe(gateway, "after", after)
    assert gateway.stop() == 0
    gateway = make_gateway(cluster.arguments)
    for function in (before, after):
        await_all(function, range(60, 100), "what is left")
    wait_until(lambda: gateway.status_of(subscription)["lostToRetention"] == 60, 60, "the count")
    assert gateway.status_of(late)["lostToRetention"] == 0
    assert gateway.metrics()["eventgateway_events_lost_total"] == 60
