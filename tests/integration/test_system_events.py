"""System events (schemas/system-events.md): who gets which, in which form, and that they never run in a circle."""

import base64
import json
import time

import jsonschema
import pytest
import requests

from support.gateway import ROOT, subscription_path, wait_until

SCHEMA = json.loads((ROOT / "schemas/system-events.json").read_text())
CALLS = ["event.received", "function.invoking", "function.invoked", "function.invocationFailed"]
OPERATORS = ["subscription.suspended", "subscription.resumed", "subscription.deadlettered", "subscription.eventslost"]
BOTH = [prefix + name for name in CALLS + OPERATORS for prefix in ("gateway.", "eventgateway.")]


def system_events(gateway):
    """How many of each type the log has taken, by the name without its prefix; lost ones must not be."""
    counts = {}
    for name, value in gateway.metrics().items():
        if name.startswith("eventgateway_system_events_total"):
            assert 'result="lost"' not in name, name
            counts[name.split('type="eventgateway.')[1].split('"')[0]] = value
    return counts


def wait_until_quiet(gateway, events, deliveries, function):
    """Exactly that many events were processed and that many deliveries made, and nothing goes on."""
    wait_until(lambda: function.count() >= deliveries, what=f"{deliveries} deliveries")

    def is_quiet():
        metrics = gateway.metrics()
        return (metrics.get("eventgateway_events_processed_total", 0) >= events
                and metrics["eventgateway_in_flight"] == 0 and metrics["eventgateway_retries_waiting"] == 0
                and metrics["eventgateway_events_backlog"] == 0)

    wait_until(is_quiet, what=f"{events} events to be processed")
    assert gateway.metrics()["eventgateway_events_processed_total"] == events
    assert function.count() == deliveries, [call.json()["type"] for call in function.received()]


def subscribe_to_everything(gateway, function, **fields):
    gateway.register_function("all", function.url)
    gateway.register_event_type("t")
    for name in ["t", *BOTH]:
        gateway.subscribe("all", name, **fields)


def types_of(function):
    counts = {}
    for call in function.received():
        kind = call.json()["type"]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def test_a_function_subscribed_to_everything_never_makes_a_loop(gateway, function):
    subscribe_to_everything(gateway, function)
    for round_ in range(1, 4):
        assert gateway.emit("t").status_code == 202
        # The event, and what is told of it: received, invoking, invoked, each in two spellings.
        wait_until_quiet(gateway, 4 * round_, 7 * round_, function)
    assert types_of(function) == {"t": 3, **{prefix + name: 3 for prefix in ("gateway.", "eventgateway.")
                                             for name in ("event.received", "function.invoking", "function.invoked")}}
    assert system_events(gateway) == {"event.received": 3, "function.invoking": 3, "function.invoked": 3}


def test_failures_of_a_function_subscribed_to_everything_make_no_loop(gateway, make_function):
    seen = set()

    def fail_once(call):
        key = call.headers["Event-Gateway-Subscription"] + call.json()["id"]
        is_new = key not in seen
        seen.add(key)
        return (500 if is_new else 200), {}, b""

    function = make_function(fail_once)
    subscribe_to_everything(gateway, function, delivery={"retry": {"initialMs": 1, "maxMs": 20}})
    assert gateway.emit("t").status_code == 202
    # received, invoking and invocationFailed, invoking and invoked; each delivery fails once.
    wait_until_quiet(gateway, 6, 2 * (1 + 5 * 2), function)
    assert system_events(gateway) == {"event.received": 1, "function.invoking": 2, "function.invocationFailed": 1,
                                      "function.invoked": 1}


def test_dead_letters_of_a_function_subscribed_to_everything_make_no_loop(gateway, make_function):
    function = make_function(lambda call: (422, {}, b""))
    subscribe_to_everything(gateway, function)
    assert gateway.emit("t").status_code == 202
    # received, invoking, invocationFailed, deadlettered: of the event alone, and not of what tells of it.
    wait_until_quiet(gateway, 5, 1 + 4 * 2, function)
    assert gateway.metrics()["eventgateway_deadletters_total"] == 9
    assert system_events(gateway) == {"event.received": 1, "function.invoking": 1, "function.invocationFailed": 1,
                                      "subscription.deadlettered": 1}
    told = [call.json() for call in function.received() if call.json()["type"].endswith("deadlettered")]
    for event in told:
        jsonschema.validate({"type": event["type"], "data": event["data"]}, SCHEMA)
        assert event["data"]["count"] == 1 and event["data"]["eventType"] == "t"
        assert event["subject"] == event["data"]["subscriptionId"]


def test_nothing_is_told_while_nobody_subscribes(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    gateway.subscribe("f", "gateway.function.invoked", space="default", path="/elsewhere")
    answer = gateway.config("GET", "/v1/spaces/default/subscriptions").json()["subscriptions"]
    listener = next(item for item in answer if item["eventType"].startswith("gateway."))
    assert gateway.config("DELETE", subscription_path(listener)).status_code == 204
    for _number in range(5):
        assert gateway.emit("t").status_code == 202
    assert gateway.send(headers={"Event": "invoke", "Function-ID": "f"}, data=b"{}").status_code == 200
    wait_until_quiet(gateway, 6, 6, function)
    assert system_events(gateway) == {}


def test_a_subscriber_of_another_space_is_told_nothing(gateway, function):
    gateway.register_function("f", function.url, space="other")
    gateway.subscribe("f", "gateway.event.received", space="other")
    assert gateway.emit("t", Space="team1").status_code == 202
    assert gateway.emit("t", Space="other").status_code == 202
    wait_until_quiet(gateway, 3, 1, function)
    assert function.received()[0].json()["data"]["path"] == "/"


def told(function, kind):
    """The one event of that type."""
    events = [call.json() for call in function.received() if call.json()["type"] == kind]
    assert len(events) == 1, types_of(function)
    jsonschema.validate({"type": kind, "data": events[0]["data"]}, SCHEMA)
    return events[0]


def test_what_is_told_of_an_asynchronous_delivery(gateway, make_function):
    listener = make_function()
    function = make_function(lambda call: (200, {"Content-Type": "text/plain"}, b"d\xc3\xb6ne"))
    gateway.register_function("f", function.url)
    gateway.register_function("listener", listener.url)
    gateway.register_event_type("order")
    gateway.subscribe("f", "order", path="/orders/:id")
    for name in CALLS:
        gateway.subscribe("listener", "eventgateway." + name)
    traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = gateway.send(path="/orders/7", data=b'{"n": 1.50}', headers={
        "ce-specversion": "1.0", "ce-id": "o-1", "ce-source": "/shop", "ce-type": "order", "ce-traceparent": traceparent,
        "ce-correlationid": "c-1", "Content-Type": "application/json", "Authorization": "Bearer secret"})
    assert answer.status_code == 202
    wait_until_quiet(gateway, 4, 3, listener)
    order = {"specversion": "1.0", "id": "o-1", "source": "/shop", "type": "order", "datacontenttype": "application/json",
             "traceparent": traceparent, "correlationid": "c-1", "data": {"n": 1.5}}
    received = told(listener, "eventgateway.event.received")
    assert received["data"]["event"] == order and received["data"]["path"] == "/orders/7"
    assert received["data"]["headers"]["Authorization"] == "*****"
    assert received["data"]["headers"]["Ce-Id"] == "o-1"
    assert "secret" not in json.dumps(received)
    assert received["source"] == "/event-gateway" and received["causationid"] == "o-1"
    assert received["causationdepth"] == 1 and received["correlationid"] == "c-1"
    assert received["traceparent"] == traceparent
    call = {"space": "default", "functionId": "f", "event": order}
    assert told(listener, "eventgateway.function.invoking")["data"] == call
    result = base64.b64encode("döne".encode()).decode()
    assert told(listener, "eventgateway.function.invoked")["data"] == {**call, "result": result}


def test_each_event_of_a_batch_is_told(gateway, make_function):
    function, listener = make_function(), make_function()
    gateway.register_function("f", function.url)
    gateway.register_function("listener", listener.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t", delivery={"batch": {"maxEvents": 5, "maxWaitMs": 50}})
    gateway.subscribe("listener", "gateway.function.invoked", delivery={"batch": {"maxEvents": 100, "maxWaitMs": 50}})
    batch = json.dumps([{"specversion": "1.0", "id": str(number), "source": "/s", "type": "t"} for number in range(7)])
    assert gateway.send(data=batch, headers={"Content-Type": "application/cloudevents-batch+json"}).status_code == 202
    wait_until(lambda: gateway.metrics().get("eventgateway_events_processed_total") == 14, what="7 events, each told")
    assert {event["id"] for call in function.received() for event in call.json()} == {str(n) for n in range(7)}
    events = [event for call in listener.received() for event in call.json()]
    assert {event["type"] for event in events} == {"gateway.function.invoked"}
    assert sorted(event["data"]["event"]["id"] for event in events) == [str(number) for number in range(7)]
    assert system_events(gateway) == {"function.invoked": 7}


def test_a_failed_call_is_told_with_its_reason(gateway, make_function):
    listener = make_function()
    gateway.register_function("f", make_function(lambda call: (422, {}, b"no")).url)
    gateway.register_function("listener", listener.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    gateway.subscribe("listener", "gateway.function.invocationFailed")
    assert gateway.emit("t").status_code == 202
    wait_until_quiet(gateway, 2, 1, listener)
    data = told(listener, "gateway.function.invocationFailed")["data"]
    assert "422" in data["error"] and data["functionId"] == "f" and data["event"]["type"] == "t"


def test_what_is_told_of_synchronous_calls(gateway, make_function):
    listener = make_function()
    answers = make_function(lambda call: (200, {}, json.dumps({"statusCode": 200, "body": "hi"}).encode()))
    gateway.register_function("member", answers.url)
    answer = gateway.config("POST", "/v1/spaces/default/functions",
                            {"functionId": "chosen", "type": "weighted",
                             "provider": {"weighted": [{"functionId": "member", "weight": 1}]}})
    assert answer.status_code == 201, answer.text
    gateway.register_function("listener", listener.url)
    for name in CALLS:
        gateway.subscribe("listener", "gateway." + name)
    invoked = gateway.send(headers={"Event": "invoke", "Function-ID": "chosen", "Content-Type": "application/json"},
                           data=b'{"a":1}')
    assert invoked.status_code == 200
    wait_until_quiet(gateway, 4, 3, listener)
    assert told(listener, "gateway.event.received")["data"]["event"]["type"] == "invoke"
    assert told(listener, "gateway.function.invoking")["data"]["functionId"] == "chosen"
    result = told(listener, "gateway.function.invoked")["data"]["result"]
    assert base64.b64decode(result) == invoked.content
    assert answers.received()[0].headers["Event-Gateway-Causation-Depth"] == "1"

    listener.clear()
    gateway.subscribe("chosen", "http.request", kind="sync", method="GET", path="/users/:id")
    assert gateway.send("GET", "/users/7?q=1").text == "hi"
    wait_until_quiet(gateway, 8, 3, listener)
    data = told(listener, "gateway.function.invoked")["data"]
    assert data["event"]["type"] == "http.request" and data["event"]["data"]["params"] == {"id": "7"}
    assert told(listener, "gateway.event.received")["data"]["path"] == "/users/7"


@pytest.mark.parametrize("format_", ["classic", "cloudevents/0.1", "cloudevents-binary/1.0"])
def test_the_event_inside_is_in_the_format_of_its_reader(gateway, function, format_):
    gateway.register_function("listener", function.url, eventFormat=format_)
    gateway.subscribe("listener", "gateway.event.received")
    before_ms = time.time() * 1000 - 1
    assert gateway.emit("t", b'{"n":1}').status_code == 202
    wait_until_quiet(gateway, 2, 1, function)
    call = function.received()[0]
    if format_ == "classic":
        event = call.json()
        inner = event["data"]["event"]
        assert event["event"] == "gateway.event.received" and event["dataType"] == "application/json"
        assert inner["event"] == "t" and inner["data"] == {"n": 1} and inner["dataType"] == "application/json"
        assert before_ms <= inner["receivedAt"] <= event["receivedAt"]
    elif format_ == "cloudevents/0.1":
        event = call.json()
        inner = event["data"]["event"]
        assert event["eventType"] == "gateway.event.received" and event["cloudEventsVersion"] == "0.1"
        assert inner["eventType"] == "t" and inner["cloudEventsVersion"] == "0.1" and inner["data"] == {"n": 1}
    else:
        assert call.headers["ce-type"] == "gateway.event.received"
        assert call.json()["event"]["type"] == "t" and call.json()["event"]["specversion"] == "1.0"


def test_the_classic_dialect_subscribes_to_system_events(gateway, function):
    answer = gateway.config("POST", "/v1/functions", {"functionId": "f", "provider": {"type": "http", "url": function.url}})
    assert answer.status_code == 200, answer.text
    answer = gateway.config("POST", "/v1/subscriptions", {"functionId": "f", "event": "gateway.event.received"})
    assert answer.status_code == 200, answer.text
    assert gateway.emit("user.created", b'{"name":"Ada"}').status_code == 202
    wait_until_quiet(gateway, 2, 1, function)
    event = function.received()[0].json()
    assert event["event"] == "gateway.event.received"
    assert event["data"]["event"]["event"] == "user.created"


def test_under_a_hosted_domain_they_lie_on_the_path_of_their_space(make_gateway, store_arguments, function):
    gateway = make_gateway([*store_arguments, "--hosted-domain", "example.com"])
    for space in ("team1", "team2"):
        gateway.register_function("f", function.url, space=space)
        gateway.subscribe("f", "gateway.event.received", space=space, path=f"/{space}/")
        gateway.subscribe("f", "gateway.function.invoking", space=space)
        gateway.register_event_type("t", space=space)
    gateway.subscribe("f", "t", space="team1", path="/team1/orders")
    assert gateway.emit("t", path="/orders", Host="team1.example.com").status_code == 202
    # invoking is asked for on "/" and lies on "/team1".
    wait_until_quiet(gateway, 3, 2, function)
    assert types_of(function) == {"t": 1, "gateway.event.received": 1}
    assert told(function, "gateway.event.received")["data"]["path"] == "/team1/orders"


def test_a_function_that_answers_an_event_with_an_event_comes_to_an_end(gateway, make_function):
    """It passes the header on, so the chain has 17 deliveries (depths 0 to 16) and ends as a dead letter."""
    depths = []

    def emit_again(call):
        depth = call.headers["Event-Gateway-Causation-Depth"]
        depths.append(int(depth))
        answer = requests.post(gateway.events_url, data=b"{}", timeout=30, headers={
            "Event": "t", "Content-Type": "application/json", "Event-Gateway-Causation-Depth": depth})
        return (200 if answer.status_code == 202 else 500), {}, b""

    function = make_function(emit_again)
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    assert gateway.emit("t").status_code == 202
    wait_until_quiet(gateway, 18, 17, function)
    assert depths == list(range(1, 18))
    assert gateway.metrics()["eventgateway_deadletters_total"] == 1


def test_a_function_that_answers_system_events_with_events_comes_to_an_end(gateway, make_function):
    """Each event makes a system event, and that another event: depth 0, 1, 2, ..., in the extension this time."""

    def emit_again(call):
        event = call.json()
        if event["type"] == "gateway.event.received":
            answer = requests.post(gateway.events_url, data=b"{}", timeout=30, headers={
                "ce-specversion": "1.0", "ce-id": event["id"], "ce-source": "/f", "ce-type": "t",
                "ce-causationdepth": call.headers["Event-Gateway-Causation-Depth"]})
            assert answer.status_code == 202
        return 200, {}, b""

    function = make_function(emit_again)
    gateway.register_function("f", function.url)
    gateway.subscribe("f", "gateway.event.received")
    assert gateway.emit("t").status_code == 202
    # Events have the depths 0, 2, ..., 16, 18 and what is told of them 1, 3, ..., 17, 19.
    wait_until(lambda: gateway.metrics().get("eventgateway_deadletters_total") == 1, what="the dead letter")
    wait_until_quiet(gateway, 18, 8, function)


def test_a_function_that_calls_itself_synchronously_comes_to_an_end(gateway, make_function):
    def call_again(call):
        answer = requests.post(gateway.events_url, data=b"{}", timeout=30, headers={
            "Event": "invoke", "Function-ID": "f",
            "Event-Gateway-Causation-Depth": call.headers["Event-Gateway-Causation-Depth"]})
        return 200, {}, str(answer.status_code).encode() + b" " + answer.content

    function = make_function(call_again)
    gateway.register_function("f", function.url)
    answer = gateway.send(headers={"Event": "invoke", "Function-ID": "f"}, data=b"{}")
    assert answer.status_code == 200
    assert function.count() == 17
    assert "508" in answer.text and "loop" in answer.text


def test_what_clients_may_say(gateway):
    for name in ("gateway.event.received", "eventgateway.subscription.resumed"):
        answer = gateway.emit(name)
        assert answer.status_code == 400 and name in answer.json()["errors"][0]["message"]
    answer = gateway.emit("t", **{"Event-Gateway-Causation-Depth": "deep"})
    assert answer.status_code == 400 and "Event-Gateway-Causation-Depth" in answer.json()["errors"][0]["message"]
    assert gateway.emit("t", **{"Event-Gateway-Causation-Depth": "3"}).status_code == 202
