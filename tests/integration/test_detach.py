"""A function that hangs or fails holds up nobody but itself, and gets everything once it is back."""

import datetime
import json
import subprocess
import threading
import time

import pytest

from support.gateway import EGCTL, subscription_path, wait_until

# More than the window of a partition, so that who hangs has to be detached.
EVENTS = 5000


@pytest.fixture
def one_partition(store_arguments):
    arguments = list(store_arguments)
    if "--partitions" in arguments:
        arguments[arguments.index("--partitions") + 1] = "1"
    return arguments


def emit_numbers(gateway, first, count):
    for start in range(first, first + count, 500):
        batch = [{"specversion": "1.0", "type": "number", "source": "/detach", "id": str(number),
                  "data": {"number": number}} for number in range(start, min(start + 500, first + count))]
        answer = gateway.send("POST", "/", json.dumps(batch),
                              {"Content-Type": "application/cloudevents-batch+json"})
        assert answer.status_code == 202, answer.text


def numbers_of(function):
    return {call.json()["data"]["number"] for call in function.received()}


def await_numbers(function, count, what):
    wait_until(lambda: function.count() >= count and numbers_of(function) >= set(range(count)), 240, what)


def subscribe(gateway, name, function, **delivery):
    gateway.register_function(name, function.url)
    return gateway.subscribe(name, "number", delivery={"retry": {"initialMs": 20, "maxMs": 500}, **delivery})


def start_again(gateway):
    gateway.kill()
    return gateway.start(timeout_s=60)


def test_who_hangs_for_ever_holds_up_nobody_and_gets_everything_later(make_gateway, one_partition,
                                                                      make_function):
    is_back = threading.Event()
    good = make_function()
    hanging = make_function(lambda call: (200, {}, b"") if is_back.wait(600) else (500, {}, b""))
    gateway = make_gateway(one_partition)
    gateway.register_event_type("number")
    subscribe(gateway, "good", good)
    subscribe(gateway, "hanging", hanging, timeoutMs=900_000, maxInFlight=8)

    emit_numbers(gateway, 0, EVENTS)
    await_numbers(good, EVENTS, "everything at who is well")
    assert hanging.count() <= 8

    start_again(gateway)  # kill -9 while it is detached
    emit_numbers(gateway, EVENTS, 200)
    await_numbers(good, EVENTS + 200, "what came after the crash")

    is_back.set()
    wait_until(lambda: hanging.count() > 100, 120, "the catching up")
    start_again(gateway)  # and while it catches up
    await_numbers(hanging, EVENTS + 200, "everything at who was hanging")
    emit_numbers(gateway, EVENTS + 200, 100)
    await_numbers(hanging, EVENTS + 300, "what came after it was attached")
    wait_until(lambda: gateway.metrics()["eventgateway_detached"] == 0, 60, "the attaching")


def test_whose_calls_fail_is_suspended_and_gets_everything_later(make_gateway, one_partition, make_function):
    is_back = threading.Event()
    good = make_function()
    failing = make_function(lambda call: (200 if is_back.is_set() else 503, {}, b""))
    gateway = make_gateway(one_partition)
    gateway.register_event_type("number")
    subscribe(gateway, "good", good)
    subscription = subscribe(gateway, "failing", failing)

    emit_numbers(gateway, 0, 2000)
    await_numbers(good, 2000, "everything at who is well")
    wait_until(lambda: gateway.metrics()["eventgateway_circuits_open"] >= 1, 60, "the circuit")
    calls = failing.count()
    assert calls < 500  # It is probed, not hammered.
    status = subscription_path(subscription) + "/status"
    wait_until(lambda: gateway.config("GET", status).json()["state"] == "open-circuit", 60, "the state")

    is_back.set()
    failing.clear()
    wait_until(lambda: gateway.metrics()["eventgateway_detached"] == 0, 240, "the attaching")
    assert gateway.metrics()["eventgateway_circuits_open"] == 0
    await_numbers(failing, 2000, "everything at who was failing")


def test_a_paused_subscription_gets_everything_when_it_is_resumed(make_gateway, one_partition, make_function):
    paused = make_function()
    gateway = make_gateway(one_partition)
    gateway.register_event_type("number")
    gateway.register_function("paused", paused.url)
    subscription = gateway.subscribe("paused", "number")
    path = subscription_path(subscription)
    assert gateway.config("POST", path + "/pause").json()["paused"] is True
    assert gateway.config("POST", path + "/pause").status_code == 200  # Paused it stays.
    assert gateway.config("GET", path + "/pause").status_code == 405
    egctl = [EGCTL, "--url", gateway.config_url]
    assert "is paused" in subprocess.check_output([*egctl, "pause", subscription["subscriptionId"]], text=True)
    assert subprocess.run([*egctl, "pause", "nobody"], check=False).returncode == 1
    assert gateway.config("POST", path + "x/pause").status_code == 404

    emit_numbers(gateway, 0, 300)
    wait_until(lambda: gateway.metrics()["eventgateway_detached"] == 1, 60, "the detaching")
    start_again(gateway)
    emit_numbers(gateway, 300, 50)
    assert paused.count() == 0
    wait_until(lambda: gateway.config("GET", path + "/status").json()["lag"] == 350, 60, "the lag")
    lag = f'eventgateway_subscription_lag{{space="default",subscription="{subscription["subscriptionId"]}"}}'
    wait_until(lambda: gateway.metrics().get(lag) == 350, 60, "the lag in the metrics")
    status = gateway.config("GET", path + "/status").json()
    assert status["state"] == "paused" and status["oldestUndelivered"] and status["lostToRetention"] == 0
    table = subprocess.check_output([*egctl, "lag"], text=True)
    assert "paused" in table and "350" in table

    stored = gateway.config("GET", path).json()
    answer = gateway.config("PUT", path, {**stored, "paused": False})  # What was listed can be put back.
    assert answer.status_code == 200, answer.text
    await_numbers(paused, 350, "everything")
    wait_until(lambda: gateway.metrics()["eventgateway_detached"] == 0, 60, "the attaching")
    emit_numbers(gateway, 350, 10)
    await_numbers(paused, 360, "what came afterwards")
    assert paused.count() == 360
    wait_until(lambda: gateway.config("GET", path + "/status").json()["lag"] == 0, 60, "no lag")
    assert gateway.metrics()[lag] == 0
    assert gateway.config("GET", path + "/status").json()["state"] == "live"
    assert gateway.config("GET", path + "x/status").status_code == 404
    assert gateway.config("POST", path + "/status").status_code == 405


def test_a_subscription_of_the_same_id_is_another_one(make_gateway, one_partition, make_function):
    function = make_function()
    gateway = make_gateway(one_partition)
    gateway.register_event_type("number")
    gateway.register_function("f", function.url)
    subscription = gateway.subscribe("f", "number", paused=True)
    emit_numbers(gateway, 0, 20)
    wait_until(lambda: gateway.metrics()["eventgateway_detached"] == 1, 60, "the detaching")
    path = subscription_path(subscription)
    assert gateway.config("DELETE", path).status_code == 204
    gateway.subscribe("f", "number")
    emit_numbers(gateway, 20, 20)
    wait_until(lambda: numbers_of(function) >= set(range(20, 40)), 60, "its own events")
    assert numbers_of(function) == set(range(20, 40))


def now():
    return datetime.datetime.now(datetime.timezone.utc).isoformat()


def test_a_new_subscription_begins_where_it_asks_for(make_gateway, one_partition, make_function):
    early, late, latest = make_function(), make_function(), make_function()
    gateway = make_gateway(one_partition)
    gateway.register_event_type("number")
    emit_numbers(gateway, 0, 700)
    time.sleep(0.05)  # Offsets by time are those of milliseconds.
    between = now()
    time.sleep(0.05)
    emit_numbers(gateway, 700, 100)
    for name, function, start in (("early", early, "earliest"), ("late", late, between), ("latest", latest, "latest")):
        gateway.register_function(name, function.url)
        gateway.subscribe(name, "number", start=start)
    emit_numbers(gateway, 800, 50)

    await_numbers(early, 850, "everything from the beginning")
    wait_until(lambda: numbers_of(late) == set(range(700, 850)), 60, "what came from that time on")
    wait_until(lambda: numbers_of(latest) >= set(range(800, 850)), 60, "what came afterwards")
    wait_until(lambda: gateway.metrics()["eventgateway_detached"] == 0, 60, "the attaching")
    # At least once, but nothing from before the time that was asked for.
    assert early.count() >= 850 and numbers_of(late) == set(range(700, 850))

    start_again(gateway)  # Nothing starts anew.
    emit_numbers(gateway, 850, 20)
    await_numbers(early, 870, "what came after the crash")
    assert early.count() < 2 * 850  # but for what was in flight


def test_who_is_deleted_and_created_again_goes_on_at_that_time(make_gateway, one_partition, make_function):
    function = make_function()
    gateway = make_gateway(one_partition)
    gateway.register_event_type("number")
    gateway.register_function("f", function.url)
    subscription = gateway.subscribe("f", "number")
    emit_numbers(gateway, 0, 20)
    await_numbers(function, 20, "the first ones")
    time.sleep(0.05)
    left = now()
    path = subscription_path(subscription)
    assert gateway.config("DELETE", path).status_code == 204
    emit_numbers(gateway, 20, 30)
    gateway.subscribe("f", "number", start=left)
    emit_numbers(gateway, 50, 10)
    await_numbers(function, 60, "what it has missed")
    assert function.count() == 60

    answer = gateway.config("POST", "/v1/spaces/default/subscriptions",
                            {"type": "async", "eventType": "number", "functionId": "f", "path": "/x", "start": "soon"})
    assert answer.status_code == 400 and "start: must be" in answer.text
