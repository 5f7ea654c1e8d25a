"""What an operator sees of a subscription: its status, in the API and with egctl, and what is told of it."""

import json
import sqlite3
import subprocess
import threading
import time

import pytest

from conftest import cluster_arguments
from support.cluster import await_settled
from support.gateway import EGCTL, subscription_path, wait_until
from support.kafka_admin import KafkaAdmin


def await_status(gateway, subscription, timeout_s=60, **members):
    """Waits until these members are so, and returns the whole."""
    seen = {}

    def is_so():
        seen.update(gateway.status_of(subscription))
        return seen if all(seen[name] == value for name, value in members.items()) else None
    try:
        return wait_until(is_so, timeout_s, f"{members}")
    except AssertionError as error:
        raise AssertionError(f"{error}; but {seen}") from None


@pytest.fixture
def moody(make_function):
    """A function that does what an event asks it for; those that hang go on when it is set."""
    goes_on = threading.Event()

    def answer(call):
        wish = call.json()["data"]["wish"]
        if wish == "hang":
            assert goes_on.wait(600)
        return {"fail": (500, {}, b"no room \xff"), "refuse": (422, {}, b"not \x1b[31mmine")}.get(wish, (200, {}, b""))

    function = make_function(answer)
    function.goes_on = goes_on
    yield function
    goes_on.set()


def wish(gateway, what):
    answer = gateway.emit("wish", json.dumps({"wish": what}))
    assert answer.status_code == 202
    return answer.headers["Event-Id"]


def subscribe(gateway, function, **fields):
    gateway.register_event_type("wish")
    gateway.register_function("moody", function.url)
    return gateway.subscribe("moody", "wish", delivery={"retry": {"initialMs": 3_600_000, "maxMs": 3_600_000}}, **fields)


def test_a_status_tells_what_runs_waits_succeeded_and_failed(gateway, moody):
    subscription = subscribe(gateway, moody)
    status = await_status(gateway, subscription, indexBehind=0)
    assert status["state"] == "live" and status["lastSuccess"] is None and status["lastError"] is None
    assert status["inFlight"] == status["waitingForRetry"] == status["deadLetters"] == status["lostToRetention"] == 0

    good = wish(gateway, "take")
    status = wait_until(lambda: (now := gateway.status_of(subscription))["lastSuccess"] and now, what="the success")
    assert status["lastSuccess"]["eventId"] == good and status["lastSuccess"]["time"].endswith("Z")
    bad = wish(gateway, "fail")
    status = await_status(gateway, subscription, waitingForRetry=1)
    error = status["lastError"]
    assert (error["eventId"], error["status"], error["attempt"]) == (bad, 500, 1)
    assert "500" in error["reason"] and error["lastAnswerBase64"] == "bm8gcm9vbSD/"
    wish(gateway, "refuse")
    await_status(gateway, subscription, deadLetters=1)
    status = wait_until(lambda: (now := gateway.status_of(subscription))["lastError"]["status"] == 422 and now,
                        what="the refusal")
    assert status["lastError"]["lastAnswer"] == "not \x1b[31mmine"
    assert status["waitingForRetry"] == 1 and status["lastSuccess"]["eventId"] == good

    for _number in range(3):
        wish(gateway, "hang")
    await_status(gateway, subscription, inFlight=3)
    egctl = [EGCTL, "--url", gateway.config_url, "lag"]
    lines = subprocess.check_output(egctl, text=True).splitlines()
    assert lines[0].split() == ["STATE", "LAG", "IN-FLIGHT", "RETRYING", "DEAD", "LOST", "OLDEST", "SUBSCRIPTION"]
    assert lines[1].split()[2:6] == ["3", "1", "1", "0"]
    text = subprocess.check_output([*egctl, subscription["subscriptionId"]], text=True)
    assert "3 calls" in text and "status 422" in text and good in text and "\x1b" not in text
    rows = json.loads(subprocess.check_output([*egctl, subscription["subscriptionId"], "--json"], text=True))
    assert rows[0]["inFlight"] == 3 and rows[0]["lastError"]["status"] == 422

    moody.goes_on.set()
    await_status(gateway, subscription, inFlight=0)
    letters = gateway.config("GET", "/v1/spaces/default/deadletters").json()["deadLetters"]
    assert gateway.config("DELETE", f"/v1/spaces/default/deadletters/{letters[0]['deadLetterId']}").status_code == 204
    await_status(gateway, subscription, deadLetters=0)

    gateway.kill()
    gateway.start(timeout_s=60)
    status = wait_until(lambda: (now := gateway.status_of(subscription))["indexBehind"] == 0 and now, what="the index")
    assert status["waitingForRetry"] == 1 and status["lastError"]["status"] == 422 and status["deadLetters"] == 0


def test_a_node_that_dispatches_nothing_knows_what_the_others_do(stack, make_gateway, moody):
    name = cluster_arguments(stack)[cluster_arguments(stack).index("--group") + 1]
    worker = make_gateway(cluster_arguments(stack, name, role="ingest,dispatcher"))
    admin = make_gateway(cluster_arguments(stack, name, role="admin"))
    subscription = subscribe(admin, moody)
    await_settled(admin, 2)
    wish(worker, "refuse")
    await_status(admin, subscription, deadLetters=1)
    wish(worker, "hang")
    status = await_status(admin, subscription, inFlight=1)
    wait_until(lambda: (admin.status_of(subscription)["lastError"] or {}).get("status") == 422, what="the refusal")
    assert status["lastSuccess"] is None
    moody.goes_on.set()
    status = await_status(admin, subscription, inFlight=0)
    wait_until(lambda: admin.status_of(subscription)["lastSuccess"], what="the success")


def test_pausing_and_resuming_by_hand_is_told_once(gateway, make_function, moody):
    listener = make_function()
    gateway.register_function("listener", listener.url)
    for name in ("subscription.suspended", "subscription.resumed"):
        gateway.subscribe("listener", "eventgateway." + name)
    subscription = subscribe(gateway, moody)
    path = subscription_path(subscription)

    def told():
        return [(call.json()["type"].rsplit(".", 1)[1], call.json()["data"].get("reason"))
                for call in listener.received()]

    def change(verb, suffix="", body=None):
        answer = gateway.config(verb, path + suffix, body)
        assert answer.status_code == 200, answer.text

    stored = gateway.config("GET", path).json()
    change("POST", "/pause")
    change("POST", "/pause")  # Changes nothing.
    change("PUT", body={**stored, "paused": True})
    wait_until(lambda: len(told()) == 1, what="the pause")
    assert listener.received()[0].json()["data"]["subscriptionId"] == subscription["subscriptionId"]
    change("PUT", body={**stored, "paused": False, "metadata": {"a": "b"}})
    change("POST", "/resume")
    change("PUT", body={**stored, "paused": False, "metadata": {"a": "c"}})  # Changes something else.
    wait_until(lambda: len(told()) == 2, what="the resuming")
    change("PUT", body={**stored, "paused": True})
    change("POST", "/resume")
    wait_until(lambda: len(told()) == 4, what="both again")
    assert sorted(told()) == sorted(2 * [("suspended", "paused by hand"), ("resumed", None)])


class Past:
    """What time does to the log of a gateway that is stopped."""

    def __init__(self, store, arguments):
        if store == "sqlite":
            self.path = arguments[arguments.index("--data") + 1] + "/events.db"
        else:
            prefix = arguments[arguments.index("--topic-prefix") + 1]
            self.path = None
            self.topic = f"{prefix}.events"
            self.admin = KafkaAdmin(arguments[arguments.index("--kafka") + 1], prefix)

    def age(self, days):
        """What is there, or on Kafka one event more, was written days ago."""
        timestamp = int((time.time() - days * 86400) * 1000)
        if self.path:
            with sqlite3.connect(self.path) as database:
                database.execute("UPDATE events SET timestamp_ms = ?", (timestamp,))
            database.close()
        else:
            empty = next(number for number, end in self.admin.ends(self.topic).items() if end == 0)
            self.admin.produce(self.topic, empty, lambda _value: {
                "ce_specversion": "1.0", "ce_type": "wish", "ce_source": "/past", "ce_id": "past",
                "content-type": "application/json"}, [b'{"wish": "take"}'], timestamp=timestamp)

    def remove(self):
        """Everything that is there."""
        if self.path:
            self.age(8)  # Retention finds it when the gateway starts.
        else:
            self.admin.delete_records(self.topic, self.admin.ends(self.topic))


@pytest.fixture
def past(store, store_arguments):
    return Past(store, store_arguments)


def test_what_retention_takes_is_warned_of_and_counted(gateway, store, past, make_function, moody):
    listener = make_function()
    gateway.register_function("listener", listener.url)
    gateway.subscribe("listener", "eventgateway.subscription.eventslost")
    paused = subscribe(gateway, moody, paused=True)
    gateway.register_function("second", moody.url)
    live = gateway.subscribe("second", "wish")
    wish(gateway, "take")
    wait_until(lambda: moody.count() == 1, what="the live delivery")
    status = await_status(gateway, paused, lag=1)
    assert status["retentionAtRisk"] is False and status["lostToRetention"] == 0
    assert gateway.stop() == 0

    past.age(6)  # Of 7.
    gateway.start(timeout_s=60)
    await_status(gateway, paused, retentionAtRisk=True)
    wait_until(lambda: gateway.metrics().get('eventgateway_retention_at_risk{position="detached"}', 0) == 1,
               60, "the metric")
    assert "threatens events" in gateway.log_path.read_text()
    text = subprocess.check_output([EGCTL, "--url", gateway.config_url, "lag", paused["subscriptionId"]], text=True)
    assert "At risk" in text
    await_status(gateway, live, retentionAtRisk=False, lag=0)
    assert gateway.stop() == 0

    past.remove()
    gateway.start(timeout_s=60)
    assert gateway.config("POST", subscription_path(paused) + "/resume").status_code == 200
    name = f'eventgateway_subscription_events_lost_total{{space="default",subscription="{paused["subscriptionId"]}"}}'

    def counts():
        """By the status, the metric, and what operators are told."""
        return {gateway.status_of(paused)["lostToRetention"], gateway.metrics().get(name),
                sum(call.json()["data"]["count"] for call in listener.received())}

    # On Kafka two partitions had one each.
    wait_until(lambda: counts() == {1 if store == "sqlite" else 2}, 60, "the loss")
    assert gateway.status_of(paused)["retentionAtRisk"] is False
    assert gateway.status_of(live)["lostToRetention"] == 0


def test_what_retention_takes_from_a_gateway_that_was_away_is_counted(stack, make_gateway, moody):
    """At the live position, in a cluster; and nothing is counted again by the next owner."""
    arguments = cluster_arguments(stack)
    past = Past("kafka", arguments)
    gateway = make_gateway(arguments)
    subscription = subscribe(gateway, moody)
    # From then on it is known where it was, also where no event has come yet.
    wait_until(lambda: gateway.log_path.read_text().count("partition claimed") == 4, what="all partitions")
    wish(gateway, "take")
    wait_until(lambda: moody.count() == 1, what="a delivery")
    assert gateway.stop() == 0
    ingest = make_gateway([*arguments, "--role", "ingest"])
    for _number in range(20):
        wish(ingest, "take")
    assert ingest.stop() == 0
    past.remove()

    gateway.start(timeout_s=60)
    await_status(gateway, subscription, lostToRetention=20, lag=0)
    gateway.kill()
    gateway.start(timeout_s=60)
    wish(gateway, "take")
    wait_until(lambda: moody.count() == 2, 60, "what came later")
    await_status(gateway, subscription, lostToRetention=20, state="live")


def test_the_retention_is_that_of_the_topic(stack, make_gateway, moody):
    """Whoever made it; a gateway that would make it otherwise finds out."""
    arguments = cluster_arguments(stack)
    past = Past("kafka", arguments)
    gateway = make_gateway([*arguments, "--retention", "100m"])
    subscription = subscribe(gateway, moody, paused=True)
    assert gateway.stop() == 0
    past.age(90 / 1440)
    gateway = make_gateway(arguments)  # With the default of seven days.
    await_status(gateway, subscription, lag=1)
    await_status(gateway, subscription, retentionAtRisk=True)
