"""Authorizer functions: who is let in, what of it is in the event, and that whatever goes wrong keeps it out."""

import json
import threading

import pytest

from support.functions import RawFunction
from support.gateway import wait_until

GRANT = b'{"authorization":{"principalId":"ada","context":{"role":"admin"}}}'


@pytest.fixture
def guard(make_function):
    """Lets in whoever has the right token, and remembers what it was asked."""
    def decide(call):
        headers = call.json()["request"]["headers"]
        if headers.get("Authorization") == "Bearer right":
            return 200, {}, GRANT
        return 200, {}, b'{"error":{"message":"who are you?"}}'
    return make_function(decide)


@pytest.fixture
def handler(make_function):
    return make_function(lambda call: (200, {}, b'{"body":"done"}'))


def set_up(gateway, guard, handler, event_format=None, **type_fields):
    more = {"eventFormat": event_format} if event_format else {}
    gateway.register_function("guard", guard.url)
    gateway.register_function("handler", handler.url, **more)
    gateway.register_event_type("order", authorizerId="guard", **type_fields)
    gateway.register_event_type("http.request", authorizerId="guard", **type_fields)
    gateway.subscribe("handler", "order")
    gateway.subscribe("handler", "http.request", kind="sync", path="/orders/:id", method="PUT")


def test_an_asynchronous_event_is_let_in_or_refused(gateway, guard, handler):
    set_up(gateway, guard, handler)
    refused = gateway.emit("order", b'{"a":1}', Authorization="Bearer wrong")
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (403, "who are you?")
    assert gateway.emit("order", b'{"a":2}', Authorization="Bearer right").status_code == 202
    wait_until(lambda: handler.count() == 1)
    event = handler.received()[0].json()
    assert event["data"] == {"a": 2}
    assert (event["authtype"], event["authid"], json.loads(event["authclaims"])) == ("user", "ada", {"role": "admin"})
    asked = guard.received()[0].json()
    assert asked["event"]["type"] == "order" and asked["event"]["data"] == {"a": 1}
    assert asked["request"]["method"] == "POST" and asked["request"]["headers"]["Event"] == "order"


def test_a_synchronous_request_is_let_in_or_refused(gateway, guard, handler):
    set_up(gateway, guard, handler)
    path = "/orders/7?colour=red"
    assert gateway.send("PUT", path, b"text", {"Content-Type": "text/plain"}).status_code == 403
    assert handler.count() == 0
    answer = gateway.send("PUT", path, b"text", {"Content-Type": "text/plain", "Authorization": "Bearer right"})
    assert (answer.status_code, answer.text) == (200, "done")
    request = guard.received()[1].json()["request"]
    assert request["path"] == "/orders/7" and request["method"] == "PUT" and request["body"] == "text"
    assert request["query"] == {"colour": ["red"]} and request["params"] == {"id": "7"}
    assert request["host"] == gateway.events_url.removeprefix("http://")
    assert handler.received()[0].json()["authid"] == "ada"


def test_0_1_has_the_authorization_where_it_was(gateway, guard, handler):
    set_up(gateway, guard, handler, "cloudevents/0.1")
    forged = {"eventType": "order", "cloudEventsVersion": "0.1", "source": "/s", "eventID": "1",
              "extensions": {"eventgateway": {"authorization": {"principalId": "eve"}}}}
    answer = gateway.send("POST", "/", json.dumps(forged),
                          {"Content-Type": "application/cloudevents+json", "Authorization": "Bearer right"})
    assert answer.status_code == 202
    wait_until(lambda: handler.count() == 1)
    assert handler.received()[0].json()["extensions"]["eventgateway"]["authorization"] == {
        "principalId": "ada", "context": {"role": "admin"}}


def test_answers_are_kept_for_as_long_as_the_event_type_says(make_gateway, guard, handler, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data"), "--workers", "1"])
    set_up(gateway, guard, handler, authorizerCacheSeconds=3600)
    for _ in range(5):
        assert gateway.emit("order", Authorization="Bearer right").status_code == 202
        assert gateway.emit("order", Authorization="Bearer wrong").status_code == 403
    assert guard.count() == 2
    assert gateway.emit("order").status_code == 403
    assert gateway.emit("order").status_code == 403
    assert guard.count() == 4
    # Another event type is another question, and so is the same one after a change.
    assert gateway.send("PUT", "/orders/7", headers={"Authorization": "Bearer right"}).status_code == 200
    assert guard.count() == 5
    gateway.config("PUT", "/v1/spaces/default/eventtypes/order", {"authorizerId": "guard", "metadata": {"a": "b"}})
    wait_until(lambda: gateway.emit("order", Authorization="Bearer right").status_code == 202 and guard.count() == 6)
    assert gateway.emit("order", Authorization="Bearer right").status_code == 202
    assert guard.count() == 6
    gateway.config("PUT", "/v1/spaces/default/eventtypes/order", {"authorizerId": "guard", "authorizerCacheSeconds": 0})
    wait_until(lambda: gateway.emit("order", Authorization="Bearer right").status_code == 202 and guard.count() >= 8)


BAD_GUARDS = {
    "an error": (500, b""),
    "403 of its own": (403, GRANT),
    "a redirect": (302, GRANT),
    "nothing": (200, b""),
    "no JSON": (200, b"yes"),
    "a list": (200, b"[]"),
    "neither": (200, b"{}"),
    "both": (200, GRANT[:-1] + b',"error":{"message":"no"}}'),
    "a principal that is a number": (200, b'{"authorization":{"principalId":7}}'),
    "a principal with control characters": (200, b'{"authorization":{"principalId":"a\\u0000b"}}'),
}


@pytest.mark.parametrize("what", BAD_GUARDS)
def test_an_authorizer_that_does_not_clearly_say_yes_says_no(make_gateway, make_function, handler, tmp_path, what):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    status, body = BAD_GUARDS[what]
    set_up(gateway, make_function(lambda call: (status, {}, body)), handler)
    assert gateway.emit("order", Authorization="Bearer right").status_code == 403
    assert gateway.send("PUT", "/orders/7", headers={"Authorization": "Bearer right"}).status_code == 403
    assert handler.count() == 0


def test_an_authorizer_that_is_slow_or_gone_says_no(make_gateway, make_function, handler, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data"), "--sync-timeout", "300ms"])
    called = threading.Event()
    silent = RawFunction(lambda connection, body: called.set() or connection.recv(1) and False)
    set_up(gateway, silent, handler)
    assert gateway.emit("order", Authorization="Bearer right").status_code == 403
    assert called.is_set()
    silent.close()
    assert gateway.emit("order", Authorization="Bearer right").status_code == 403
    assert handler.count() == 0
    # An authorizer that is not registered any more.
    gateway.register_event_type("other")
    gateway.config("PUT", "/v1/spaces/default/eventtypes/other", {"authorizerId": "nobody"})
    wait_until(lambda: gateway.emit("other", Authorization="Bearer right").status_code == 403)


def test_an_invoke_is_no_way_around_an_authorizer(gateway, guard, handler):
    set_up(gateway, guard, handler)
    event = {"eventType": "order", "cloudEventsVersion": "0.1", "source": "/s", "eventID": "1"}
    headers = {"Function-ID": "handler"}
    assert gateway.emit("invoke", json.dumps(event), **headers).status_code == 403
    assert handler.count() == 0
    answer = gateway.emit("invoke", json.dumps(event), Authorization="Bearer right", **headers)
    assert answer.status_code == 200
