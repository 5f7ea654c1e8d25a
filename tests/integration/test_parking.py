"""Long waits lie in the log: over restarts and kill -9, with attempts counted on; delayed delivery. On both stores."""

import collections
import datetime
import email.utils
import itertools
import json
import threading
import time

from support.gateway import subscription_path, wait_until
from support.records import read_file, read_topic

# Waits from 50 ms on are parked, in tiers of 100 ms, 600 ms, 6 s and 36 s.
QUICK = ["--retry-time-divisor", "100"]


def subscribed(gateway, function, event_type="job", function_id="f", **delivery):
    gateway.register_function(function_id, function.url)
    gateway.register_event_type(event_type)
    return gateway.subscribe(function_id, event_type, delivery=delivery)


def emit(gateway, number, event_type="job", **attributes):
    headers = {"ce-specversion": "1.0", "ce-id": str(number), "ce-source": "/test", "ce-type": event_type,
               "Content-Type": "application/json", **{f"ce-{name}": value for name, value in attributes.items()}}
    answer = gateway.send("POST", "/", json.dumps({"number": number}), headers)
    assert answer.status_code == 202, answer.text


def attempts_by_event(function):
    attempts = collections.defaultdict(list)
    for call in function.received():
        attempts[call.json()["id"]].append(int(call.headers["Event-Gateway-Attempt"]))
    return attempts


def parked_now(gateway):
    samples = gateway.metrics()
    return sum(value for name, value in samples.items() if name.startswith("eventgateway_deliveries_parked{"))


def in_seconds(seconds):
    """RFC 3339."""
    due = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return due.isoformat().replace("+00:00", "Z")


def test_attempts_count_on_over_the_tiers(make_gateway, store_arguments, make_function):
    shaky = {"0", "1", "2"}

    def answer(call):
        fails = call.json()["id"] in shaky and int(call.headers["Event-Gateway-Attempt"]) < 6
        return 500 if fails else 200, {}, b""

    function = make_function(answer)
    gateway = make_gateway(store_arguments + QUICK)
    subscribed(gateway, function, retry={"initialMs": 400, "factor": 1.5})
    for number in shaky:
        emit(gateway, number)
    others = itertools.count(100)

    def are_delivered():
        emit(gateway, next(others))  # What succeeds in between keeps the circuit closed.
        attempts = attempts_by_event(function)
        return all(6 in attempts[number] for number in shaky)

    wait_until(are_delivered, 120, "six attempts of each")
    attempts = attempts_by_event(function)
    assert {number: attempts[number] for number in shaky} == {number: [1, 2, 3, 4, 5, 6] for number in shaky}
    reasons = {call.headers.get("Event-Gateway-Retry-Reason") for call in function.received()}
    assert reasons == {None, "status 500"}
    traces = collections.defaultdict(set)
    for call in function.received():
        traces[call.json()["id"]].add(call.headers["traceparent"].split("-")[1])
    assert all(len(trace) == 1 for trace in traces.values())
    assert gateway.metrics()["eventgateway_deliveries_parked_total"] > 0
    wait_until(lambda: parked_now(gateway) == 0, what="nothing parked any more")


def test_what_is_parked_survives_kill_9_and_is_not_multiplied(make_gateway, store_arguments, make_function):
    is_down = True
    late = {str(number) for number in range(0, 40, 4)}  # Not so many that the circuit opens.

    def answer(call):
        return 503 if is_down and call.json()["id"] in late else 200, {"Retry-After": "8"}, b"down"

    function = make_function(answer)
    gateway = make_gateway(store_arguments + QUICK)
    subscription = subscribed(gateway, function, retry={"initialMs": 1})
    for number in range(40):
        emit(gateway, number)
        wait_until(lambda: function.count() > number, what="the first attempt")
    wait_until(lambda: parked_now(gateway) == len(late), what="all that fail are parked")
    # What was parked before is not delivered from eg.events again.
    wait_until(lambda: gateway.status_of(subscription)["lag"] == 0, 60, "the position to be told")
    gateway.kill()
    is_down = False

    again = make_gateway(store_arguments + QUICK)

    wait_until(lambda: function.count() >= 50, 120, "the second attempts")
    wait_until(lambda: parked_now(again) == 0, 120, "nothing parked any more")
    assert attempts_by_event(function) == {str(number): [1, 2] if str(number) in late else [1]
                                           for number in range(40)}


def told_of_tier(store_arguments, wait):
    """How many deliveries of that tier are told to be finished beyond what is not, by the newest record of each partition."""
    options = dict(zip(store_arguments, store_arguments[1:]))
    records = (read_file(f"{options['--data']}/events.db", "cursor") if "--data" in options
               else read_topic(options["--kafka"], f"{options['--topic-prefix']}.cursor"))
    newest = {}
    for record in records:
        stream, partition, *kind = record.key.split("/")
        if stream == f"retry.{wait}" and kind[0] == "live":
            newest[partition] = json.loads(record.value) if record.value else {}
    return sum(end - first for value in newest.values() for first, end in value.get("finished", []))


def test_what_is_finished_behind_one_that_hangs_is_not_delivered_again_after_kill_9(make_gateway, store_arguments,
                                                                                   make_function):
    # Waits from 500 ms on are parked, in tiers of 1 s, 6 s, 60 s and 360 s.
    arguments = [*store_arguments, "--retry-time-divisor", "10"]
    late = {str(number) for number in range(0, 120, 4)}  # Not so many that the circuit opens.
    hanging, first_life_is_over = threading.Event(), threading.Event()

    def fail_once(call):
        is_first = int(call.headers["Event-Gateway-Attempt"]) == 1
        return 503 if is_first and call.json()["id"] in late | {"after"} else 200, {"Retry-After": "1"}, b""

    def fail_and_hang(call):
        if int(call.headers["Event-Gateway-Attempt"]) == 1:
            return 503, {"Retry-After": "1"}, b""
        hanging.set()
        first_life_is_over.wait()
        return 200, {}, b""

    function, hangs = make_function(fail_once), make_function(fail_and_hang)
    gateway = make_gateway(arguments)
    subscribed(gateway, hangs, "other", "hangs", timeoutMs=600000)
    subscription = subscribed(gateway, function)
    # All of one key lies in one partition of the tier.
    emit(gateway, "hangs", "other", partitionkey="k")
    assert hanging.wait(60), "the second attempt at what hangs"
    for number in range(120):
        emit(gateway, number, partitionkey="k")
        wait_until(lambda: function.count() > number, 60, "the first attempt")
    wait_until(lambda: function.count() == 120 + len(late), 60, "the second attempts")
    wait_until(lambda: told_of_tier(store_arguments, "10s") == len(late), 60, "that they are told to be finished")
    # What was parked before is not delivered from eg.events again.
    wait_until(lambda: gateway.status_of(subscription)["lag"] == 0, 60, "the position to be told")
    gateway.kill()
    first_life_is_over.set()

    again = make_gateway(arguments)
    wait_until(lambda: attempts_by_event(hangs)["hangs"] == [1, 2, 2], 60, "what hung again")
    emit(again, "after", partitionkey="k")
    wait_until(lambda: attempts_by_event(function)["after"] == [1, 2], 60, "what was parked behind all of them")
    wait_until(lambda: parked_now(again) == 0, 60, "nothing parked any more")
    assert attempts_by_event(function) == {**{str(number): [1, 2] if str(number) in late else [1]
                                              for number in range(120)}, "after": [1, 2]}


def test_retry_after_as_a_date_is_kept(make_gateway, store_arguments, make_function):
    asked = {}

    def answer(call):
        if "429" in asked:
            return 200, {}, b""
        asked["429"] = time.time() + 4
        return 429, {"Retry-After": email.utils.formatdate(asked["429"], usegmt=True)}, b""

    function = make_function(answer)
    gateway = make_gateway(store_arguments + QUICK)
    subscribed(gateway, function, retry={"initialMs": 1})
    emit(gateway, 1)

    wait_until(lambda: function.count() == 2, 60, "the second attempt")
    # The date has no fractions.
    assert time.time() >= int(asked["429"])
    assert function.received()[1].headers["Event-Gateway-Retry-Reason"] == "status 429"


def test_an_event_is_delivered_no_earlier_than_it_asks_for_also_over_kill_9(make_gateway, store_arguments, make_function):
    arrived = {}

    def answer(call):
        arrived.setdefault(call.json()["id"], []).append(time.time())
        return 200, {}, b""

    function = make_function(answer)
    gateway = make_gateway(store_arguments + QUICK)
    subscribed(gateway, function)
    due = {}
    for number, seconds in enumerate([-5, 0.02, 1, 6, 7]):
        due[str(number)] = time.time() + seconds
        emit(gateway, number, delivernotbefore=in_seconds(seconds))
    wait_until(lambda: "2" in arrived, what="the one that asked for a second")
    wait_until(lambda: gateway.metrics()["eventgateway_events_backlog"] == 0, what="the rest is parked")
    gateway.kill()
    make_gateway(store_arguments + QUICK)

    wait_until(lambda: len(arrived) == 5, 120, "all five")
    for number, times in arrived.items():
        assert times[0] >= due[number] - 0.001, (number, times, due[number])


def test_more_than_seven_days_is_refused(gateway, function):
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/test", "ce-type": "job"}
    answer = gateway.send("POST", "/", b"", {**headers, "ce-delivernotbefore": in_seconds(8 * 86400)})
    assert answer.status_code == 400
    assert "7 days" in answer.json()["errors"][0]["message"]
    answer = gateway.send("POST", "/", b"", {**headers, "ce-delivernotbefore": "tomorrow"})
    assert answer.status_code == 400
    answer = gateway.send("POST", "/", b"", {**headers, "ce-delivernotbefore": in_seconds(6 * 86400)})
    assert answer.status_code == 202


def test_expirytime_ends_the_attempts_of_what_is_parked(make_gateway, store_arguments, make_function):
    function = make_function(lambda call: (500, {}, b"no"))
    gateway = make_gateway(store_arguments + QUICK)
    # Too few attempts in that time to open the circuit.
    subscribed(gateway, function, retry={"initialMs": 800, "factor": 1})
    emit(gateway, 1, expirytime=in_seconds(2))

    wait_until(lambda: gateway.metrics()["eventgateway_deadletters_total"] == 1, 60, "the dead letter")
    assert function.count() < 18
    wait_until(lambda: parked_now(gateway) == 0, what="nothing parked any more")


def test_parked_deliveries_of_a_deleted_subscription_are_dropped(make_gateway, store_arguments, make_function):
    function = make_function(lambda call: (503, {"Retry-After": "20"}, b""))
    gateway = make_gateway(store_arguments + QUICK)
    subscription = subscribed(gateway, function, retry={"initialMs": 1})
    for number in range(5):
        emit(gateway, number)
    wait_until(lambda: parked_now(gateway) == 5, what="all are parked")
    answer = gateway.config("DELETE", subscription_path(subscription))
    assert answer.status_code == 204

    wait_until(lambda: parked_now(gateway) == 0, what="nothing parked any more")
    assert function.count() == 5
