"""Weighted functions: shares by chance, nested ones, members that go away; and what is refused. The emulator's calls."""

import collections
import json

import pytest

from support.gateway import wait_until

SPACE = "/v1/spaces/default"
# A chi-square value beyond this one comes by chance once in 10^9 runs, with up to three kinds of outcomes.
BEYOND_CHANCE = 41.5


def weighted(**weights):
    return {"weighted": [{"functionId": name, "weight": weight} for name, weight in weights.items()]}


def assert_shared(counts, weights):
    total = sum(counts.values())
    expected = {name: total * weight / sum(weights.values()) for name, weight in weights.items()}
    assert set(counts) <= {name for name, weight in weights.items() if weight > 0}
    chi_square = sum((counts[name] - one) ** 2 / one for name, one in expected.items() if one > 0)
    assert chi_square < BEYOND_CHANCE, (counts, expected)


@pytest.fixture
def members(gateway, function):
    """http functions a, b, c: one server, told apart by their paths."""
    for name in "abc":
        gateway.register_function(name, function.url + name)
    return function


def counts_of(function):
    return collections.Counter(call.path.strip("/") for call in function.received())


def refused(gateway, function_id, provider, text):
    for method, path in (("POST", f"{SPACE}/functions"), ("PUT", f"{SPACE}/functions/{function_id}")):
        answer = gateway.config(method, path, {"functionId": function_id, "type": "weighted", "provider": provider})
        if method == "POST" and answer.status_code == 409:
            continue
        if method == "PUT" and answer.status_code == 404:
            continue
        assert answer.status_code == 400, answer.text
        message = answer.json()["errors"][0]["message"]
        assert message.startswith("Function doesn't validate. Validation error: ") and text in message, message


def test_calls_are_shared_by_weight(gateway, members):
    weights = {"a": 1, "b": 2, "c": 7}
    gateway.register("w", "weighted", weighted(**weights))
    for _ in range(1000):
        assert gateway.invoke("w").status_code == 200
    assert_shared(counts_of(members), weights)


def test_deliveries_are_shared_by_the_weights_of_nested_functions(gateway, members):
    """On both stores. a: 1/2 of 1/4, b: 1/2 of 3/4, c: 1/2; a weight of 0 is never chosen."""
    gateway.register_function("never", "http://127.0.0.1:9/")
    gateway.register("inner", "weighted", weighted(a=25, b=75, never=0))
    gateway.register("outer", "weighted", weighted(inner=3, never=0, c=3))
    gateway.register_event_type("t")
    gateway.subscribe("outer", "t")
    for group in range(2):
        batch = [{"specversion": "1.0", "type": "t", "source": "/s", "id": f"{group}-{number}"} for number in range(1000)]
        answer = gateway.send("POST", "/", json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
        assert answer.status_code == 202, answer.text
    wait_until(lambda: members.count() >= 2000, 120, "the deliveries")
    counts = counts_of(members)
    assert sum(counts.values()) == 2000
    assert_shared(counts, {"a": 1, "b": 3, "c": 4})


def test_a_sync_subscription_of_a_weighted_function(gateway, make_function):
    functions = {name: make_function(lambda call, name=name: (200, {}, json.dumps({"body": name}).encode()))
                 for name in "ab"}
    for name, function in functions.items():
        gateway.register_function(name, function.url)
    gateway.register("w", "weighted", weighted(a=1, b=1))
    gateway.subscribe("w", "http.request", kind="sync", method="GET", path="/w")
    counts = collections.Counter(gateway.send("GET", "/w").text for _ in range(200))
    assert_shared(counts, {"a": 1, "b": 1})


def test_the_format_is_the_chosen_functions(gateway, function):
    gateway.register_function("a", function.url, eventFormat="classic")
    gateway.register("w", "weighted", weighted(a=1), eventFormat="cloudevents/1.0")
    gateway.invoke("w")
    assert "receivedAt" in function.received()[0].json()


def test_weights_change_with_the_next_call(gateway, members):
    gateway.register("w", "weighted", weighted(a=1))
    gateway.invoke("w")
    body = {"functionId": "w", "type": "weighted", "provider": weighted(b=1)}
    assert gateway.config("PUT", f"{SPACE}/functions/w", body).status_code == 200
    gateway.invoke("w")
    assert [call.path for call in members.received()] == ["/a", "/b"]


def test_a_member_that_is_deleted_and_comes_back(gateway, members):
    gateway.register("w", "weighted", weighted(a=1))
    gateway.register_event_type("t")
    gateway.subscribe("w", "t", delivery={"retry": {"initialMs": 50, "maxMs": 50, "maxAttempts": 1000}})
    assert gateway.config("DELETE", f"{SPACE}/functions/a").status_code == 204
    answer = gateway.invoke("w")
    assert (answer.status_code, answer.text) == (500, "unable to look up registered function")
    assert r'Function \"a\" not found.' in gateway.log_path.read_text()
    assert gateway.emit("t").status_code == 202
    wait_until(lambda: gateway.metrics()['eventgateway_delivery_attempts_total{outcome="not found"}'] >= 1,
               what="an attempt")
    gateway.register_function("a", members.url + "a")
    wait_until(members.count, what="the delivery")


def test_what_is_refused(gateway, members):
    refused(gateway, "w", {"weighted": []}, "Missing required fields for weighted function.")
    refused(gateway, "w", {}, "Missing required fields for weighted function.")
    refused(gateway, "w", weighted(a=0, b=0), "Function weights sum to zero.")
    refused(gateway, "w", weighted(a=-1, b=2), "provider.weighted[0].weight: must be a whole number from 0 to 1000000")
    refused(gateway, "w", weighted(a=1.5), "provider.weighted[0].weight")
    refused(gateway, "w", {"weighted": [{"weight": 1}]}, "provider.weighted[0].functionId: is missing")
    refused(gateway, "w", weighted(a=1, ghost=1), 'Function "ghost" not found.')
    refused(gateway, "w", weighted(w=1), 'function "w" would call itself')
    assert gateway.config("GET", f"{SPACE}/functions/w").status_code == 404


def test_no_way_leads_back(gateway, members):
    gateway.register("one", "weighted", weighted(a=1))
    gateway.register("two", "weighted", weighted(one=1, b=1))
    gateway.register("three", "weighted", weighted(two=1))
    refused(gateway, "one", weighted(one=1), 'function "one" would call itself')
    refused(gateway, "one", weighted(two=1), 'function "one" would call itself')
    refused(gateway, "one", weighted(a=1, three=0), 'function "one" would call itself')
    # Nor by a function that is not weighted yet.
    refused(gateway, "a", weighted(three=1), 'function "a" would call itself')
    assert gateway.invoke("three").status_code == 200


def test_levels_are_bounded(gateway, members):
    gateway.register("w1", "weighted", weighted(a=1))
    for level in range(2, 9):
        gateway.register(f"w{level}", "weighted", weighted(**{f"w{level - 1}": 1}))
    refused(gateway, "w9", weighted(w8=1), "more than 8 levels of weighted functions")
    assert gateway.invoke("w8").status_code == 200, "what is taken can be called"
    # A member may become one later.
    gateway.register("under", "weighted", weighted(a=1))
    body = {"functionId": "w1", "type": "weighted", "provider": weighted(under=1)}
    assert gateway.config("PUT", f"{SPACE}/functions/w1", body).status_code == 200
    assert gateway.invoke("w8").status_code == 200


# --- emulator


def test_the_emulator_gets_the_event_with_the_functions_id(gateway, function):
    function.answer = lambda call: (200, {"Content-Type": "application/json"}, b'{"statusCode":201,"body":"made"}')
    provider = {"type": "emulator", "emulatorUrl": function.url, "apiVersion": "v0"}
    body = {"functionId": "hello", "provider": provider}
    answer = gateway.config("POST", "/v1/functions", body)
    assert (answer.status_code, answer.json()) == (200, body)
    gateway.config("POST", "/v1/subscriptions", {"functionId": "hello", "event": "user.created"})
    gateway.config("POST", "/v1/subscriptions", {"functionId": "hello", "event": "http", "method": "POST",
                                                 "path": "/users"})
    data = '{"name":"Zoë \\u2028","big":12345678901234567890}'
    assert gateway.emit("user.created", data.encode()).status_code == 202
    wait_until(function.count, what="the delivery")
    call = function.received()[0]
    assert (call.method, call.path) == ("POST", "/v0/emulator/api/functions/invoke")
    assert call.headers["Content-Type"] == "application/json"
    wrapped = call.json()
    event = wrapped["payload"]
    assert set(event) == {"event", "id", "receivedAt", "data", "dataType"}
    inner = call.body.decode().removeprefix('{"functionId":"hello","payload":').removesuffix("}")
    assert json.loads(inner) == event and wrapped["functionId"] == "hello"
    assert f'"data":{data}' in inner, "as it came: no number is rounded"
    assert (event["event"], event["dataType"]) == ("user.created", "application/json")

    answer = gateway.invoke("hello", b"text", "text/plain")
    assert (answer.status_code, answer.json()) == (200, {"statusCode": 201, "body": "made"})
    assert function.received()[1].json()["payload"]["data"] == "text"
    answer = gateway.send("POST", "/users?a=1", b"{}", {"Content-Type": "application/json"})
    assert (answer.status_code, answer.text) == (201, "made")
    request = function.received()[2].json()["payload"]
    assert (request["event"], request["data"]["path"], request["data"]["query"]) == ("http", "/users", {"a": ["1"]})


def test_an_emulator_that_fails(gateway, function):
    function.answer = lambda call: (500, {}, b"stack trace")
    gateway.register("f", "emulator", {"emulatorUrl": function.url.rstrip("/") + "/base/", "apiVersion": "v0"})
    answer = gateway.invoke("f")
    assert (answer.status_code, answer.text) == (500, "Function call failed. Please check logs.")
    assert function.received()[0].path == "/base/v0/emulator/api/functions/invoke"
    for provider, text in (({"emulatorUrl": function.url}, "Missing required field apiVersion for Emulator function."),
                           ({"apiVersion": "v0"}, "Missing required field emulatorURL for Emulator function."),
                           ({"emulatorUrl": function.url, "apiVersion": "v1"}, 'Invalid Emulator API version "v1"')):
        answer = gateway.config("POST", f"{SPACE}/functions", {"functionId": "g", "type": "emulator", "provider": provider})
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["message"] == f"Function doesn't validate. Validation error: {text}"
