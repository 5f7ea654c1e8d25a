"""Order by key, batches, rates, and functions that want less at a time; on both stores."""

import json
import threading
import time

import pytest
import requests

from support.gateway import wait_until
from support.order import BATCH, KeyedProducer, OrderChecker

RETRY = {"initialMs": 1, "maxMs": 50, "maxAttempts": 1000}


def deliveries(gateway, outcome):
    return gateway.metrics().get(f'eventgateway_deliveries_total{{outcome="{outcome}"}}', 0)


def send_keyed(gateway, event_type, key, number):
    headers = {"ce-specversion": "1.0", "ce-type": event_type, "ce-source": "/s", "ce-id": f"{key}-{number}",
               "ce-subject": key, "Content-Type": "application/json"}
    assert gateway.send(data=json.dumps({"number": number}), headers=headers).status_code == 202


@pytest.fixture
def make_checker():
    made = []

    def make(**options):
        made.append(OrderChecker(seed=7, **options))
        return made[-1]

    yield make
    for checker in made:
        checker.close()


@pytest.mark.parametrize("batch", [None, {"maxEvents": 20, "maxWaitMs": 10}], ids=["single", "batch"])
def test_keys_keep_their_order_whatever_fails(gateway, make_checker, batch):
    checker = make_checker(fails=0.15, poison=11)
    gateway.register_function("ordered", checker.url)
    gateway.register_event_type("step")
    delivery = {"ordering": "key", "retry": RETRY}
    gateway.subscribe("ordered", "step", delivery={**delivery, "batch": batch} if batch else delivery)
    keys = [f"order/{number}" for number in range(12)]

    producer = KeyedProducer(lambda: gateway.events_url, "step", keys).start()
    wait_until(lambda: producer.total() >= 600, 120, "600 events")
    producer.stop()

    wait_until(lambda: checker.has_all(producer.counts), 120, f"all of {producer.counts}: {checker.finished}")
    assert checker.violations == []
    assert checker.overlaps == 0, "two calls of one key at the same time"
    poisoned = {(key, number) for key, count in producer.counts.items() for number in range(count)
                if checker.is_poisoned(number)}
    assert checker.given_up == poisoned
    wait_until(lambda: deliveries(gateway, "dead_lettered") == len(poisoned), what="the dead letters")
    assert deliveries(gateway, "delivered") == producer.total() - len(poisoned)
    assert (checker.largest_batch > 1) == (batch is not None)


def test_keys_keep_their_order_when_their_function_is_down_for_a_while(gateway, make_checker):
    """Long enough that what waits is read again from the log."""
    checker = make_checker(fails=0.05)
    gateway.register_function("ordered", checker.url)
    gateway.register_event_type("step")
    gateway.subscribe("ordered", "step", delivery={"ordering": "key", "retry": {"initialMs": 10, "maxMs": 500,
                                                                                "maxAttempts": 1000}})
    keys = [f"order/{number}" for number in range(12)]
    producer = KeyedProducer(lambda: gateway.events_url, "step", keys, pause_s=0.001).start()
    for _ in range(2):
        wait_until(lambda: checker.has_all({keys[0]: producer.counts[keys[0]] // 2 + 1}), 120, "some deliveries")
        checker.is_down = True
        before, calls = producer.total(), checker.calls
        wait_until(lambda: producer.total() >= before + 800 and checker.calls > calls, 120, "a backlog")
        checker.is_down = False
    producer.stop()

    wait_until(lambda: checker.has_all(producer.counts), 120, f"all of {producer.counts}: {checker.finished}")
    assert checker.violations == []
    wait_until(lambda: deliveries(gateway, "delivered") >= producer.total(), what="every delivery is finished")


def test_a_key_that_waits_keeps_no_other_one_waiting(gateway, make_function):
    release = threading.Event()
    seen = []

    def answer(call):
        event = call.json()
        seen.append((event["subject"], event["data"]["number"]))
        return (200 if release.is_set() or event["subject"] != "stuck" else 503), {}, b""

    function = make_function(answer)
    gateway.register_function("f", function.url)
    gateway.register_event_type("step")
    gateway.subscribe("f", "step", delivery={"ordering": "key", "retry": RETRY})
    for number in range(3):
        send_keyed(gateway, "step", "stuck", number)
    for number in range(20):
        send_keyed(gateway, "step", "free", number)

    wait_until(lambda: ("free", 19) in seen and ("stuck", 0) in seen, what="the other key")
    assert ("stuck", 1) not in seen
    release.set()
    wait_until(lambda: ("stuck", 2) in seen, what="the key that waited")
    assert [number for key, number in seen if key == "free"] == list(range(20))


def test_the_poisoned_event_of_a_batch_is_given_up_alone(gateway, make_function):
    delivered, refused = [], []

    def answer(call):
        assert call.headers["Content-Type"].startswith(BATCH)
        numbers = [event["data"]["number"] for event in call.json()]
        (refused if 33 in numbers else delivered).append(numbers)
        return (422 if 33 in numbers else 200), {}, b""

    function = make_function(answer)
    gateway.register_function("f", function.url)
    gateway.register_event_type("step")
    gateway.subscribe("f", "step", delivery={"batch": {"maxEvents": 50, "maxWaitMs": 200}})
    batch = [{"specversion": "1.0", "type": "step", "source": "/s", "id": str(number), "data": {"number": number}}
             for number in range(50)]
    assert gateway.send(data=json.dumps(batch), headers={"Content-Type": BATCH}).status_code == 202

    wait_until(lambda: deliveries(gateway, "delivered") == 49, what="all but one")
    wait_until(lambda: deliveries(gateway, "dead_lettered") == 1, what="the dead letter")
    assert sorted(sum(delivered, [])) == [number for number in range(50) if number != 33]
    assert refused[-1] == [33]
    assert len(refused) <= 8, refused


def test_batches_are_only_for_functions_that_take_them(gateway, function):
    answer = gateway.config("POST", "/v1/spaces/default/functions",
                            {"functionId": "old", "type": "http", "eventFormat": "classic",
                             "provider": {"url": function.url}})
    assert answer.status_code == 201, answer.text
    gateway.register_function("new", function.url)
    gateway.register_event_type("step")
    body = {"type": "async", "eventType": "step", "functionId": "old", "delivery": {"batch": {"maxEvents": 10}}}

    refused = gateway.config("POST", "/v1/spaces/default/subscriptions", body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["message"].startswith(
        "Subscription doesn't validate. Validation error: delivery.batch: Function \"old\" takes no batches")
    assert gateway.config("POST", "/v1/spaces/default/subscriptions",
                          {**body, "functionId": "new"}).status_code == 201
    # A function that is changed later gets its events one by one.
    answer = gateway.config("PUT", "/v1/spaces/default/functions/new",
                            {"functionId": "new", "type": "http", "eventFormat": "classic",
                             "provider": {"url": function.url}})
    assert answer.status_code == 200, answer.text
    assert gateway.emit("step").status_code == 202
    wait_until(lambda: function.count() == 1, what="the delivery")
    assert function.received()[0].json()["event"] == "step"


def test_a_function_that_takes_one_call_at_a_time_gets_one(gateway, make_function):
    lock = threading.Lock()
    refused, taken = [], []

    def answer(call):
        number = call.json()["data"]["number"]
        if not lock.acquire(blocking=False):
            refused.append(len(taken))
            return 429, {}, b""
        try:
            time.sleep(0.002)
            taken.append(number)
            return 200, {}, b""
        finally:
            lock.release()

    function = make_function(answer)
    gateway.register_function("one", function.url)
    gateway.register_event_type("step")
    gateway.subscribe("one", "step", delivery={"retry": RETRY})
    for start in range(0, 1500, 500):
        batch = [{"specversion": "1.0", "type": "step", "source": "/s", "id": str(number), "subject": str(number),
                  "data": {"number": number}} for number in range(start, start + 500)]
        assert gateway.send(data=json.dumps(batch), headers={"Content-Type": BATCH}).status_code == 202

    wait_until(lambda: set(taken) == set(range(1500)), 120, "all of them")
    # As many as ran at first were refused, and halves of it; later only the rare call that tries for more.
    assert len(refused) < 700, len(refused)
    late = [taken_before for taken_before in refused if taken_before > 1000]
    assert len(late) < 150, (len(late), len(refused))


def test_a_rate_is_kept(gateway, make_function):
    times = []
    function = make_function(lambda call: (times.append(time.monotonic()), (200, {}, b""))[1])
    gateway.register_function("slow", function.url)
    gateway.register_event_type("step")
    gateway.subscribe("slow", "step", delivery={"ratePerSecond": 40})
    for number in range(60):
        send_keyed(gateway, "step", str(number), 0)
    wait_until(lambda: len(times) == 60, 60, "all of them")
    # Four at once, then one each 25 ms.
    assert times[-1] - times[0] >= (60 - 4 - 1) / 40 * 0.8


def test_a_space_that_floods_is_refused_and_the_others_are_not(make_gateway, store_arguments, make_function):
    function = make_function()
    gateway = make_gateway([*store_arguments, "--space-events-per-second", "5"])
    for space in ("flood", "quiet"):
        gateway.register_event_type("number", space=space)
        gateway.register_function("f", function.url, space=space)
        gateway.subscribe("f", "number", space=space)

    def send(space, number):
        headers = {"ce-specversion": "1.0", "ce-type": "number", "ce-source": "/s", "ce-id": f"{space}-{number}",
                   "Space": space, "Content-Type": "application/json"}
        # Each over a connection of its own, which any worker takes: a space has one rate at all of them.
        return requests.post(gateway.events_url, data="{}", headers=headers, timeout=30)

    began = time.monotonic()
    answers = [send("flood", number) for number in range(60)]
    took_s = time.monotonic() - began
    quiet = send("quiet", 0)

    assert quiet.status_code == 202, quiet.text
    refused = [answer for answer in answers if answer.status_code == 429]
    accepted = {f"flood-{number}" for number, answer in enumerate(answers) if answer.status_code == 202}
    assert refused and accepted and len(refused) + len(accepted) == len(answers)
    assert len(accepted) <= (took_s + 0.1) * 5 + 1
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    assert 'space "flood" sends more than 5 events per second' in refused[0].json()["errors"][0]["message"]
    assert gateway.metrics()['eventgateway_events_requests_total{code="429"}'] == len(refused)
    wait_until(lambda: {call.json()["id"] for call in function.received()} == accepted | {"quiet-0"}, 60, "the others")
