"""W3C trace context from the request through the log to each call of a function, and the access log."""

import json
import re

import pytest

from support.gateway import wait_until

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
SECRET = "s3cret-t0ken"


def answer_ok(call):
    return 200, {}, b'{"body":"ok"}'


def header(call, name):
    return {key.lower(): value for key, value in call.headers.items()}.get(name)


def trace_of(call):
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", header(call, "traceparent"))
    assert match, call.headers
    return match.groups()


def set_up(gateway, make_function):
    """A synchronous subscription and two asynchronous ones on the same request, and one on an event."""
    functions = [make_function(answer_ok) for _ in range(3)]
    for name, function in zip(("answering", "one", "two"), functions):
        gateway.register_function(name, function.url)
    gateway.subscribe("answering", "http.request", kind="sync", path="/a", method="POST")
    gateway.register_event_type("order")
    for name in ("one", "two"):
        gateway.subscribe(name, "http.request", path="/a", method="POST")
        gateway.subscribe(name, "order")
    return functions


def test_a_requests_trace_goes_through_the_log_to_every_function(gateway, make_function):
    functions = set_up(gateway, make_function)
    gateway.send("POST", "/a", b"", {"traceparent": PARENT, "tracestate": "vendor=1"})
    wait_until(lambda: all(function.count() == 1 for function in functions))
    calls = [function.received()[0] for function in functions]
    assert {trace_of(call)[0] for call in calls} == {TRACE}
    spans = {trace_of(call)[1] for call in calls}
    assert len(spans) == 3 and "00f067aa0ba902b7" not in spans
    assert {header(call, "tracestate") for call in calls} == {"vendor=1"}


def test_a_call_without_a_trace_and_its_deliveries_are_one_trace(gateway, make_function):
    functions = set_up(gateway, make_function)
    gateway.send("POST", "/a")
    wait_until(lambda: all(function.count() == 1 for function in functions))
    assert len({trace_of(function.received()[0])[0] for function in functions}) == 1


def test_an_events_own_trace_stays_in_the_event(gateway, make_function):
    _, one, two = set_up(gateway, make_function)
    own = f"00-{'1' * 32}-{'2' * 16}-01"
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "order", "traceparent": own}
    gateway.send("POST", "/", json.dumps(event), {"Content-Type": "application/cloudevents+json", "traceparent": PARENT})
    wait_until(lambda: one.count() == 1 and two.count() == 1)
    for function in (one, two):
        assert function.received()[0].json()["traceparent"] == own
        assert trace_of(function.received()[0])[0] == TRACE
    # Without a trace of the request it is followed.
    gateway.send("POST", "/", json.dumps({**event, "id": "2"}), {"Content-Type": "application/cloudevents+json"})
    wait_until(lambda: one.count() == 2)
    assert trace_of(one.received()[1])[0] == "1" * 32


def test_an_authorizers_call_is_part_of_the_trace(gateway, make_function):
    _, one, _ = set_up(gateway, make_function)
    guard = make_function(lambda call: (200, {}, b'{"authorization":{"principalId":"ada"}}'))
    gateway.register_function("guard", guard.url)
    gateway.config("PUT", "/v1/spaces/default/eventtypes/order", {"authorizerId": "guard"})
    wait_until(lambda: gateway.emit("order", b"{}").status_code == 202 and guard.count() > 0)
    gateway.emit("order", b"{}", traceparent=PARENT)
    asked = [call.json()["event"]["id"] for call in guard.received()]
    wait_until(lambda: set(asked) <= {call.json()["id"] for call in one.received()})
    assert trace_of(guard.received()[-1])[0] == TRACE
    # Where nobody has begun one, the authorizer's call does.
    by_event = {call.json()["id"]: trace_of(call)[0] for call in one.received()}
    for call in guard.received():
        assert by_event[call.json()["event"]["id"]] == trace_of(call)[0]


@pytest.fixture
def access_lines(make_gateway, make_function, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data"), "--access-log", "--log-format", "json",
                            "--log-level", "error", "--hosted-domain", "example.com", "--max-body", "64KiB"])

    def lines(count):
        def read():
            all_lines = [json.loads(line) for line in gateway.log_path.read_text().splitlines()]
            found = [line for line in all_lines if line["message"] == "request"]
            return found if len(found) >= count else None
        return wait_until(read)

    return gateway, lines


def test_the_access_log_has_a_line_for_each_request(access_lines, make_function):
    gateway, lines = access_lines
    set_up(gateway, make_function)
    gateway.send("POST", f"/a?token={SECRET}", b"x" * 10,
                 {"traceparent": PARENT, "Authorization": f"Bearer {SECRET}", "Cookie": SECRET})
    stored = gateway.emit("order", SECRET.encode(), "text/plain", Host="team1.example.com")
    gateway.send("GET", f"/nowhere/{'p' * 10}?{SECRET}")
    gateway.send("POST", "/", b"[]", {"Content-Type": "application/cloudevents+avro"})
    gateway.send("POST", "/large", b"x" * 100_000)
    first, second, third, fourth, fifth = lines(5)
    assert SECRET not in gateway.log_path.read_text()
    assert (first["method"], first["path"], first["status"], first["dialect"]) == ("POST", "/a", 200, "http.request")
    assert (first["trace"], first["type"], first["received"], first["sent"]) == (TRACE, "http.request", 10, 2)
    assert first["us"] >= 0 and first["client"] == "127.0.0.1" and first["level"] == "info"
    assert (second["status"], second["type"], second["space"]) == (202, "order", "team1")
    assert second["event"] == stored.headers["Event-Id"]
    assert (third["method"], third["path"], third["status"]) == ("GET", "/nowhere/pppppppppp", 404)
    assert fourth["status"] == 415 and "dialect" not in fourth
    assert (fifth["method"], fifth["path"], fifth["status"]) == ("POST", "/large", 413)


def test_without_the_setting_there_is_no_access_log(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data"), "--log-level", "debug"])
    assert gateway.send("GET", "/nowhere").status_code == 404
    assert "/nowhere" not in gateway.log_path.read_text()
