"""A replay delivers what was before once more, to its one subscription, beside what is live."""

import datetime
import json
import subprocess
import threading
import time

from conftest import cluster_arguments
from support.cluster import await_settled
from support.gateway import EGCTL, wait_until
from support.running import on_a_terminal, read_terminal

HEADER = "event-gateway-replay"


def emit(gateway, event_type, first, count, **attributes):
    batch = [{"specversion": "1.0", "type": event_type, "source": "/replays", "id": str(number),
              "data": {"number": number}, **attributes} for number in range(first, first + count)]
    answer = gateway.send("POST", "/", json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202, answer.text


def header_of(call):
    return {name.lower(): value for name, value in call.headers.items()}.get(HEADER)


def numbers(function, replay_id):
    return [call.json()["data"]["number"] for call in function.received() if header_of(call) == replay_id]


def subscribe(gateway, name, function, event_type="number", **delivery):
    gateway.register_function(name, function.url)
    subscription = gateway.subscribe(name, event_type, delivery=delivery) if delivery else \
        gateway.subscribe(name, event_type)
    return "/v1/spaces/default/subscriptions/" + subscription["subscriptionId"]


def begin(gateway, subscription, **request):
    answer = gateway.config("POST", subscription + "/replays", request)
    assert answer.status_code == 201, answer.text
    return answer.json()["replayId"]


def look(gateway, replay_id):
    answer = gateway.config("GET", "/v1/spaces/default/replays/" + replay_id)
    assert answer.status_code == 200, answer.text
    return answer.json()


def await_done(gateway, replay_id, timeout_s=120):
    wait_until(lambda: look(gateway, replay_id)["state"] == "done", timeout_s, "the end of the replay")
    return look(gateway, replay_id)


def now():
    """A time that tells what was stored before from what is stored afterwards."""
    time.sleep(0.05)
    text = datetime.datetime.now(datetime.timezone.utc).isoformat()
    time.sleep(0.05)
    return text


def test_of_a_time_range_and_a_filter_goes_to_one_subscription_only(gateway, make_function):
    wanted, other = make_function(), make_function()
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "wanted", wanted)
    subscribe(gateway, "other", other)
    emit(gateway, "number", 0, 20, subject="a")
    since = now()
    emit(gateway, "number", 20, 30, subject="a")
    emit(gateway, "number", 50, 30, subject="b")
    until = now()
    emit(gateway, "number", 80, 20, subject="a")
    wait_until(lambda: wanted.count() >= 100 and other.count() >= 100, 60, "what is live")

    replay_id = begin(gateway, subscription, **{"from": since, "to": until},
                      filters=[{"exact": {"subject": "a", "type": "number"}}])
    status = await_done(gateway, replay_id)
    assert sorted(numbers(wanted, replay_id)) == list(range(20, 50))
    assert status["delivered"] == 30 and status["failed"] == 0 and status["total"] == status["scanned"] == 60
    assert status["matched"] == 30 and status["ended"] >= status["created"]
    assert status["percent"] == 100 and status["etaSeconds"] == 0
    assert status["from"] == since and status["to"] == until
    assert wanted.count() == 130 and other.count() == 100
    emit(gateway, "number", 100, 10)
    wait_until(lambda: wanted.count() == 140 and other.count() == 110, 60, "what came afterwards")
    listed = gateway.config("GET", "/v1/spaces/default/replays").json()["replays"]
    assert [replay["replayId"] for replay in listed] == [replay_id]


def test_has_a_rate_goes_on_after_a_crash_and_leaves_live_events_alone(make_gateway, store_arguments,
                                                                       make_function):
    function = make_function()
    gateway = make_gateway(store_arguments)
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function, ordering="key")
    emit(gateway, "number", 0, 400, subject="one")  # One key: they lie in one partition, in order.
    wait_until(lambda: function.count() >= 400, 60, "what is live")

    replay_id = begin(gateway, subscription, **{"from": "earliest"}, ratePerSecond=100)
    emit(gateway, "number", 1000, 20, subject="one")
    wait_until(lambda: len(numbers(function, None)) >= 420, 60, "what is live beside it")
    wait_until(lambda: 0 < look(gateway, replay_id)["percent"], 60, "progress")
    gateway.kill()
    before = numbers(function, replay_id)
    assert 0 < len(before) < 400 and before == list(range(len(before)))
    gateway.start(timeout_s=60)
    status = await_done(gateway, replay_id)
    after = numbers(function, replay_id)[len(before):]
    assert after == list(range(after[0], 400)) and 0 < after[0] <= len(before)
    assert status["total"] == 400 and status["percent"] == 100 and status["delivered"] == 400
    gateway.kill()
    gateway.start(timeout_s=60)
    emit(gateway, "number", 2000, 1)
    wait_until(lambda: 2000 in numbers(function, None), 60, "what came after its end")
    assert look(gateway, replay_id)["state"] == "done"
    assert len(numbers(function, replay_id)) == len(before) + len(after)  # It is not begun again.


def test_shares_the_places_of_its_subscription_and_lets_live_events_go_first(gateway, make_function):
    gate, lock, running = threading.Event(), threading.Lock(), []
    gate.set()

    def answer(_call):
        with lock:
            running.append(running[-1] + 1 if running else 1)
        gate.wait(60)
        with lock:
            running.append(running[-1] - 1)
        return 200, {}, b""

    function, other = make_function(answer), make_function()
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function, maxInFlight=1)
    subscribe(gateway, "other", other)
    emit(gateway, "number", 0, 20, subject="one")  # One key: they lie in one partition.
    wait_until(lambda: function.count() == other.count() == 20, 60, "what is live")
    gate.clear()
    replay_id = begin(gateway, subscription, **{"from": "earliest"})
    wait_until(lambda: function.count() == 21, 60, "its first call")
    emit(gateway, "number", 1000, 6, subject="one")
    wait_until(lambda: other.count() == 26, 60, "that they are read")
    gate.set()
    assert await_done(gateway, replay_id)["delivered"] == 20
    wait_until(lambda: function.count() == 46, 60, "all")
    assert max(running) == 1
    assert [header_of(call) for call in function.received()[21:27]] == 6 * [None]


def test_is_stopped_and_paused(gateway, make_function):
    function = make_function()
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function)
    emit(gateway, "number", 0, 300)
    wait_until(lambda: function.count() >= 300, 60, "what is live")
    replay_id = begin(gateway, subscription, **{"from": "earliest"}, ratePerSecond=20)
    path = "/v1/spaces/default/replays/" + replay_id
    wait_until(lambda: numbers(function, replay_id), 60, "its beginning")
    assert look(gateway, replay_id)["state"] == "running"
    assert gateway.config("POST", subscription + "/pause").status_code == 200
    wait_until(lambda: look(gateway, replay_id)["state"] == "paused", 30, "the pause")
    assert gateway.config("POST", subscription + "/resume").status_code == 200
    before = len(numbers(function, replay_id))
    wait_until(lambda: len(numbers(function, replay_id)) > before, 60, "that it goes on")
    assert gateway.config("DELETE", path).status_code == 204
    stopped = look(gateway, replay_id)
    assert stopped["state"] == "stopped" and stopped["stoppedBy"] == "127.0.0.1" and stopped["ended"]
    assert stopped["total"] == 300 and stopped["percent"] < 100 and stopped["etaSeconds"] is None
    wait_until(lambda: look(gateway, replay_id)["delivered"] == len(numbers(function, replay_id)), 60, "its last word")
    gateway.stop()
    gateway.start(timeout_s=60)
    kept = look(gateway, replay_id)
    assert kept["state"] == "stopped" and 0 < kept["delivered"] == len(numbers(function, replay_id)) < 300
    assert [one["replayId"] for one in gateway.config("GET", path.rsplit("/", 1)[0]).json()["replays"]] == [replay_id]
    assert gateway.config("DELETE", path).status_code == 204  # It is over: it goes.
    wait_until(lambda: gateway.config("GET", path).status_code == 404, 60, "that it is gone")
    assert gateway.config("DELETE", path).status_code == 404
    emit(gateway, "number", 300, 1)
    wait_until(lambda: 300 in numbers(function, None), 60, "what is live afterwards")
    assert len(numbers(function, replay_id)) < 300


def test_ends_with_its_subscription(gateway, make_function):
    function = make_function()
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function)
    emit(gateway, "number", 0, 200)
    wait_until(lambda: function.count() >= 200, 60, "what is live")
    first = begin(gateway, subscription, **{"from": "earliest"}, ratePerSecond=20)
    assert gateway.config("DELETE", subscription).status_code == 204
    assert look(gateway, first)["state"] == "stopped"
    subscription = subscribe(gateway, "again", function)
    second = begin(gateway, subscription, **{"from": "earliest"})
    await_done(gateway, second)
    assert sorted(numbers(function, second)) == list(range(200)) and len(numbers(function, first)) < 200
    listed = gateway.config("GET", "/v1/spaces/default/replays").json()["replays"]
    assert [replay["replayId"] for replay in listed] == [second]  # The one of nobody was swept.


def test_whose_deliveries_fail_goes_the_subscriptions_way(gateway, make_function):
    fails = threading.Event()

    def answer(call):
        is_refused = fails.is_set() and header_of(call) and call.json()["data"]["number"] % 10 == 0
        return (400 if is_refused else 200, {}, b"")

    function = make_function(answer)
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function)
    emit(gateway, "number", 0, 50)
    wait_until(lambda: function.count() >= 50, 60, "what is live")
    fails.set()
    replay_id = begin(gateway, subscription, **{"from": "earliest"})
    status = await_done(gateway, replay_id)
    assert status["delivered"] == 45 and status["failed"] == 5
    letters = "/v1/spaces/default/deadletters"
    wait_until(lambda: len(gateway.config("GET", letters).json()["deadLetters"]) == 5, 60, "dead letters")


def test_of_offsets(gateway, make_function, store):
    function = make_function()
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function)
    emit(gateway, "number", 0, 100, subject="one")
    wait_until(lambda: function.count() >= 100, 60, "what is live")
    partitions = [str(number) for number in range(4)]  # All lie in one of them: they have one key.
    first = 10 if store == "kafka" else 9  # The embedded log's offsets begin at 1.
    replay_id = begin(gateway, subscription, **{"from": dict.fromkeys(partitions, 10)},
                      to=dict.fromkeys(partitions, 25))
    status = await_done(gateway, replay_id)
    assert sorted(numbers(function, replay_id)) == list(range(first, first + 15)) and status["total"] == 15
    replay_id = begin(gateway, subscription, **{"from": {"1000": 0}})
    assert await_done(gateway, replay_id)["total"] == 0


def test_a_parked_retry_is_still_the_replays(make_gateway, store_arguments, make_function):
    refused = threading.Event()

    def answer(call):
        is_first = header_of(call) and not refused.is_set()
        if is_first:
            refused.set()
        return (503 if is_first else 200, {}, b"")

    function = make_function(answer)
    gateway = make_gateway([*store_arguments, "--retry-time-divisor", "100"])
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function, retry={"initialMs": 8000, "maxMs": 8000})
    emit(gateway, "number", 0, 1)
    wait_until(lambda: function.count() >= 1, 60, "what is live")
    replay_id = begin(gateway, subscription, **{"from": "earliest"})
    wait_until(lambda: function.count() == 3, 60, "the retry")
    assert [header_of(call) for call in function.received()] == [None, replay_id, replay_id]
    status = await_done(gateway, replay_id)
    assert status["delivered"] + status["failed"] == 1


def test_goes_on_at_another_node(make_gateway, stack, make_function):
    function = make_function()
    arguments = cluster_arguments(stack, zookeeper_session="4s")
    first, second = make_gateway(arguments), make_gateway(arguments)
    first.register_event_type("number")
    subscription = subscribe(first, "function", function)
    await_settled(first, 2)
    for subject in range(20):
        emit(first, "number", subject * 20, 20, subject=str(subject))
    wait_until(lambda: function.count() >= 400, 120, "what is live")

    replay_id = begin(second, subscription, **{"from": "earliest"}, ratePerSecond=60)
    wait_until(lambda: first.config("GET", "/v1/spaces/default/replays/" + replay_id).status_code == 200, 60,
               "the other node to know it")
    wait_until(lambda: look(first, replay_id)["delivered"] > 50, 120, "progress")
    second.kill()
    status = await_done(first, replay_id, 240)
    assert set(numbers(function, replay_id)) == set(range(400)) and status["percent"] == 100
    assert len(numbers(function, None)) >= 400 and status["total"] == 400


def test_by_egctl(gateway, make_function):
    function = make_function()
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function).rsplit("/", 1)[1]
    emit(gateway, "number", 0, 30, subject="a")
    emit(gateway, "number", 30, 30, subject="b")
    wait_until(lambda: function.count() >= 60, 60, "what is live")
    egctl = [EGCTL, "--url", gateway.config_url]
    with on_a_terminal([*egctl, "replay", subscription, "--subject", "b", "--rate", "50"]) as (process, reading):
        written = read_terminal(reading)
        assert process.wait(60) == 0, written
    assert "100 %" in written and "30 delivered" in written and "is done" in written
    assert function.count() == 90
    begun = subprocess.check_output([*egctl, "replay", subscription, "--rate", "1", "--once", "--json"], text=True)
    replay_id = json.loads(begun)["replayId"]
    assert replay_id in subprocess.check_output([*egctl, "replay", "list"], text=True)
    assert "running" in subprocess.check_output([*egctl, "replay", "get", replay_id], text=True)
    assert "Stopped" in subprocess.check_output([*egctl, "replay", "stop", replay_id], text=True)
    assert "is stopped" in subprocess.check_output([*egctl, "replay", "get", replay_id], text=True)
    assert subprocess.run([*egctl, "replay"], check=False).returncode == 2


def test_bad_requests_are_refused_by_name(gateway, function):
    gateway.register_event_type("number")
    subscription = subscribe(gateway, "function", function)
    good = "2026-01-01T00:00:00Z"
    for body, reason in (({}, "from"), ({"from": "soon"}, "from"), ({"from": good, "to": 5}, "to"), ({"from": {}}, "from"),
                         ({"from": {"0": -1}}, "from"), ({"from": {"x": 1}}, "from"),
                         ({"from": good, "to": "2025-01-01T00:00:00Z"}, "to"),
                         ({"from": good, "ratePerSecond": 0}, "ratePerSecond"),
                         ({"from": good, "filters": [{"sql": "true"}]}, "sql"),
                         ({"from": good, "filters": [{"exact": {"color": "red"}}]}, "color"),
                         ({"from": good, "speed": 1}, "speed")):
        answer = gateway.config("POST", subscription + "/replays", body)
        assert answer.status_code == 400 and reason in answer.text, answer.text
    assert gateway.config("POST", subscription + "x/replays", {"from": good}).status_code == 404
    assert gateway.config("GET", subscription + "/replays").status_code == 405
    assert gateway.config("PUT", "/v1/spaces/default/replays/x", {}).status_code == 405
    assert gateway.config("GET", "/v1/spaces/default/replays").json() == {"replays": []}
