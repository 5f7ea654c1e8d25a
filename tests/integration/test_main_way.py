"""The thinnest whole way: register, subscribe, emit, see it arrive; on both stores."""

import json

from support.gateway import wait_until


def test_an_event_reaches_the_function_that_subscribes_to_it(gateway, function):
    gateway.register_function("hello", function.url)
    gateway.register_event_type("user.created")
    gateway.subscribe("hello", "user.created")

    answer = gateway.emit("user.created", json.dumps({"name": "Ada"}))

    assert answer.status_code == 202
    assert answer.content == b""
    wait_until(lambda: function.count() == 1, what="the delivery")
    call = function.received()[0]
    event = call.json()
    assert call.headers["Content-Type"].startswith("application/cloudevents+json")
    assert event["type"] == "user.created"
    assert event["data"] == {"name": "Ada"}
    assert event["id"] == answer.headers["Event-Id"]
    assert call.headers["Event-Gateway-Attempt"] == "1"


def test_a_failing_function_is_called_again_until_it_succeeds(gateway, make_function):
    answers = iter([500, 503, 404, 200])
    function = make_function(lambda call: (next(answers, 200), {}, b""))
    gateway.register_function("shaky", function.url)
    gateway.register_event_type("job")
    gateway.subscribe("shaky", "job", delivery={"retry": {"initialMs": 1, "maxMs": 20}})

    assert gateway.emit("job").status_code == 202

    wait_until(lambda: function.count() == 4, what="four attempts")
    attempts = [call.headers["Event-Gateway-Attempt"] for call in function.received()]
    assert attempts == ["1", "2", "3", "4"]
    assert len({call.json()["id"] for call in function.received()}) == 1


def test_events_taken_while_the_function_is_down_arrive_after_a_restart(
        make_gateway, store_arguments, function):
    gateway = make_gateway(store_arguments)
    gateway.register_function("late", "http://127.0.0.1:9/")
    gateway.register_event_type("order")
    gateway.subscribe("late", "order", delivery={"retry": {"initialMs": 50, "maxMs": 200}})
    for number in range(20):
        assert gateway.emit("order", json.dumps({"number": number})).status_code == 202
    assert gateway.stop() == 0

    again = make_gateway(store_arguments)
    answer = again.config("PUT", "/v1/spaces/default/functions/late",
                          {"functionId": "late", "type": "http", "provider": {"url": function.url}})
    assert answer.status_code == 200, answer.text

    wait_until(lambda: {call.json()["data"]["number"] for call in function.received()} == set(range(20)),
               what="all twenty")
