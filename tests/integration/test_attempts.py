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
    """offset -> the attempts that the newest record of the one subscription, which is detached, knows of."""
    newest = {record.key: json.loads(record.value) for record in log.records("cursor") if record.value}
    return {offset: attempts for value in newest.values() if value["kind"] == "catch-up"
            for offset, attempts, *_rest in value.get("tried", [])}


def test_attempts_only_grow_while_a_subscription_is_detached(make_gateway, store_arguments, log, make_function):
    is_back = threading.Event()
    all_tried = threading.Barrier(EVENTS)

    def answer(call):
        # None fails before all have come: else the circuit could open on the first few, and the others wait for probes.
        if attempt_of(call) == 1 and not is_back.is_set():
            all_tried.wait(60)
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
    wait_until(lambda: len(tried_in_cursors(log)) == EVENTS, 60, "the attempts in eg.cursor")
    gateway.kill()
    tried = tried_in_cursors(log)
    known = {json.loads(record.value)["number"]: tried[record.offset] for record in log.records("events")}
    is_back.set()  # Nothing runs now that could give up what is to succeed.
    gateway.start(timeout_s=60)

    def given_up():
        letters = gateway.config("GET", "/v1/spaces/default/deadletters").json()["deadLetters"]
        return {letter["eventId"]: letter["attempts"] for letter in letters}

    wait_until(lambda: given_up().keys() == {str(number) for number in HOPELESS}, 120, "the dead letters")
    wait_until(lambda: {number_of(call) for call in function.received()} == set(range(EVENTS)), 60, "all events")

    attempts = collections.defaultdict(list)
    for call in function.received():
        attempts[number_of(call)].append(attempt_of(call))
    for number in range(EVENTS):
        seen = attempts[number]
        # Those that eg.cursor did not know of yet when it was killed come again with their numbers.
        before = next((count for count in range(1, len(seen)) if seen[count] != seen[count - 1] + 1), known[number])
        after = len(seen) - before
        assert 1 <= known[number] <= before, (number, known[number], seen)
        assert seen == [*range(1, before + 1), *range(known[number] + 1, known[number] + 1 + after)], (
            number, known[number], seen)
    for number in HOPELESS:
        assert attempts[number][-1] == MAX_ATTEMPTS and given_up()[str(number)] == MAX_ATTEMPTS
