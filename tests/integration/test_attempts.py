"""Attempts go on to count while a subscription is detached, and over kill -9: what the function sees only ever grows, and a
dead letter says how many there were."""

import collections
import json
import threading

import pytest

from support.gateway import wait_until
from support.log_audit import KafkaLog, SqliteLog

EVENTS = 30
MAX_ATTEMPTS = 7
HOPELESS = set(range(0, EVENTS, 10))


@pytest.fixture
def log(store, request, tmp_path, store_arguments):
    if store == "sqlite":
        return SqliteLog(tmp_path / "data" / "events.db")
    prefix = store_arguments[store_arguments.index("--topic-prefix") + 1]
    return KafkaLog(request.getfixturevalue("stack").kafka, prefix, prefix)


def number_of(call):
    return call.json()["data"]["number"]


def attempt_of(call):
    return int(call.headers["Event-Gateway-Attempt"])


def tried_in_cursors(log):
    """How many events the newest record of each detached subscription knows attempts of, together."""
    newest = {record.key: json.loads(record.value) for record in log.records("cursor") if record.value}
    return sum(len(value.get("tried", [])) for value in newest.values() if value["kind"] == "catch-up")


def test_attempts_only_grow_while_a_subscription_is_detached(make_gateway, store_arguments, log, make_function):
    is_back = threading.Event()

    def answer(call):
        return (200 if is_back.is_set() and number_of(call) not in HOPELESS else 500), {}, b""

    function = make_function(answer)
    gateway = make_gateway(store_arguments)
    gateway.register_event_type("number")
    gateway.register_function("f", function.url)
    gateway.subscribe("f", "number", delivery={
        "retry": {"initialMs": 10, "maxMs": 20, "factor": 1, "maxAttempts": MAX_ATTEMPTS}})
    batch = [{"specversion": "1.0", "type": "number", "source": "/attempts", "id": str(number), "subject": "one key",
              "data": {"number": number}} for number in range(EVENTS)]  # of one key: on one partition
    answered = gateway.send("POST", "/", json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
    assert answered.status_code == 202, answered.text

    wait_until(lambda: gateway.metrics()["eventgateway_circuits_open"] == 1, 60, "the circuit")
    wait_until(lambda: tried_in_cursors(log) == EVENTS, 60, "the attempts in eg.cursor")
    gateway.kill()
    before = len(function.received())
    gateway.start(timeout_s=60)
    is_back.set()

    def given_up():
        letters = gateway.config("GET", "/v1/spaces/default/deadletters").json()["deadLetters"]
        return {letter["eventId"]: letter["attempts"] for letter in letters}

    wait_until(lambda: given_up().keys() == {str(number) for number in HOPELESS}, 120, "the dead letters")
    wait_until(lambda: {number_of(call) for call in function.received()} == set(range(EVENTS)), 60, "all events")

    attempts = collections.defaultdict(list)
    for index, call in enumerate(function.received()):
        attempts[number_of(call)].append((attempt_of(call), index >= before))
    for number, seen in attempts.items():
        for (earlier, was_after), (later, is_after) in zip(seen, seen[1:]):
            # The last one before the kill may come again with its number.
            assert later == earlier + 1 or (later == earlier and is_after and not was_after), (number, seen)
    for number in HOPELESS:
        assert attempts[number][-1][0] == MAX_ATTEMPTS and given_up()[str(number)] == MAX_ATTEMPTS
