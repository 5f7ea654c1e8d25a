"""Every dialect of the Events API in, and what functions receive in each of the four event formats."""

import base64
import json
import uuid

import pytest

from support.gateway import wait_until

FORMATS = ["cloudevents/1.0", "cloudevents-binary/1.0", "cloudevents/0.1", "classic"]


class Receivers:
    """One function for each event format, subscribed to what a test asks for."""

    def __init__(self, gateway, make_function):
        self.gateway = gateway
        self.functions = {}
        for name in FORMATS:
            function = make_function()
            function_id = name.replace("/", "-")
            gateway.register_function(function_id, function.url, eventFormat=name)
            self.functions[name] = (function_id, function)

    def subscribe(self, event_type, **fields):
        if event_type != "http.request":
            self.gateway.register_event_type(event_type)
        for function_id, _function in self.functions.values():
            self.gateway.subscribe(function_id, event_type, **fields)

    def next_call(self, name):
        function = self.functions[name][1]
        wait_until(lambda: function.count() == 1, what=f"a call in {name}")
        call = function.received()[0]
        function.clear()
        return call

    def next_calls(self):
        return {name: self.next_call(name) for name in FORMATS}


@pytest.fixture
def receivers(gateway, make_function):
    return Receivers(gateway, make_function)


def ce_headers(event_type, **attributes):
    return {"ce-specversion": "1.0", "ce-id": str(uuid.uuid4()), "ce-source": "/shop", "ce-type": event_type,
            **{f"ce-{name}": value for name, value in attributes.items()}}


def structured(event_type, **members):
    return {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/shop", "type": event_type, **members}


def post_structured(gateway, event, content_type="application/cloudevents+json"):
    return gateway.send(data=json.dumps(event), headers={"Content-Type": content_type})


def assert_error(answer, status, *words):
    assert answer.status_code == status, answer.text
    message = answer.json()["errors"][0]["message"]
    for word in words:
        assert word in message, message


def test_a_custom_event_with_json_in_every_format(receivers, gateway):
    receivers.subscribe("user.created")
    answer = gateway.emit("user.created", b'{"z":12345678901234567890,"a":1.10,"n":null}')
    assert answer.status_code == 202
    event_id = answer.headers["Event-Id"]
    calls = receivers.next_calls()

    call = calls["cloudevents/1.0"]
    event = call.json()
    assert call.method == "POST"
    assert call.headers["Content-Type"].startswith("application/cloudevents+json")
    assert (event["specversion"], event["id"], event["type"]) == ("1.0", event_id, "user.created")
    assert event["source"] == "/event-gateway"
    assert event["datacontenttype"] == "application/json"
    assert event["time"].endswith("Z")
    assert b'{"z":12345678901234567890,"a":1.10,"n":null}' in call.body
    assert not [name for name in event if name.startswith("eg")], "the gateway's own attributes stay inside"

    call = calls["cloudevents-binary/1.0"]
    headers = {name.lower(): value for name, value in call.headers.items()}
    assert call.body == b'{"z":12345678901234567890,"a":1.10,"n":null}'
    assert headers["content-type"] == "application/json"
    assert (headers["ce-id"], headers["ce-type"], headers["ce-specversion"]) == (event_id, "user.created", "1.0")

    call = calls["cloudevents/0.1"]
    event = call.json()
    assert call.headers["Content-Type"].startswith("application/cloudevents+json")
    assert (event["cloudEventsVersion"], event["eventID"]) == ("0.1", event_id)
    assert (event["eventType"], event["contentType"]) == ("user.created", "application/json")
    assert b'{"z":12345678901234567890,"a":1.10,"n":null}' in call.body

    call = calls["classic"]
    event = call.json()
    assert call.headers["Content-Type"].startswith("application/json")
    assert (event["event"], event["id"], event["dataType"]) == ("user.created", event_id, "application/json")
    assert isinstance(event["receivedAt"], int) and event["receivedAt"] > 1_500_000_000_000
    assert b'{"z":12345678901234567890,"a":1.10,"n":null}' in call.body


def test_a_custom_event_with_text_goes_out_as_a_string(receivers, gateway):
    receivers.subscribe("note")
    text = 'Euro € "quoted"\nline'
    assert gateway.emit("note", text.encode(), "text/plain; charset=utf-8").status_code == 202
    calls = receivers.next_calls()
    assert calls["cloudevents/1.0"].json()["data"] == text
    assert calls["cloudevents-binary/1.0"].body == text.encode()
    assert calls["cloudevents-binary/1.0"].headers["Content-Type"] == "text/plain; charset=utf-8"
    assert calls["cloudevents/0.1"].json()["data"] == text
    assert calls["classic"].json()["data"] == text


def test_a_custom_event_with_bytes_goes_out_as_base64(receivers, gateway):
    receivers.subscribe("image")
    data = bytes(range(256))
    assert gateway.emit("image", data, "image/png").status_code == 202
    calls = receivers.next_calls()
    encoded = base64.b64encode(data).decode()
    event = calls["cloudevents/1.0"].json()
    assert event["data_base64"] == encoded and "data" not in event
    assert calls["cloudevents-binary/1.0"].body == data
    assert calls["cloudevents/0.1"].json()["data"] == encoded
    assert calls["classic"].json()["data"] == encoded
    assert calls["classic"].json()["dataType"] == "image/png"


def test_a_custom_event_without_content_type_is_bytes(receivers, gateway):
    receivers.subscribe("raw")
    answer = gateway.session.post(gateway.events_url, data=b"{}", headers={"Event": "raw"}, timeout=30)
    assert answer.status_code == 202
    event = receivers.next_call("cloudevents/1.0").json()
    assert event["datacontenttype"] == "application/octet-stream"
    assert base64.b64decode(event["data_base64"]) == b"{}"


def test_a_custom_event_only_by_post(gateway):
    answer = gateway.send("PUT", data=b"{}", headers={"Event": "x", "Content-Type": "application/json"})
    assert_error(answer, 400, "custom event can be emitted only with POST method")


def test_a_custom_event_whose_body_is_a_cloudevent_0_1_is_that_event(receivers, gateway):
    receivers.subscribe("order.paid")
    inner = {"cloudEventsVersion": "0.1", "eventType": "order.paid", "eventID": "e-1", "source": "/bank",
             "contentType": "application/json", "data": {"total": 12}}
    assert gateway.emit("order.paid", json.dumps(inner)).status_code == 202
    calls = receivers.next_calls()
    event = calls["cloudevents/1.0"].json()
    assert (event["id"], event["source"], event["data"]) == ("e-1", "/bank", {"total": 12})
    assert calls["cloudevents/0.1"].json() == inner


def test_binary_cloudevents_1_0(receivers, gateway):
    receivers.subscribe("order.created")
    headers = ce_headers("order.created", time="2026-11-24T01:02:03Z", subject="Euro%20%e2%82%ac%20%F0%9F%98%80",
                         amount="12", shopname='"quoted \\"inner\\""', lone="50% off", needless="%41bc",
                         averyveryverylongextensionname="kept")
    headers["ce-source"] = "//shop.example/a?b=c"
    answer = gateway.send(data=b'{"id":1}', headers={**headers, "Content-Type": "application/json; charset=utf-8"})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Event-Id"] == headers["ce-id"]
    calls = receivers.next_calls()
    event = calls["cloudevents/1.0"].json()
    assert event["id"] == headers["ce-id"]
    assert event["subject"] == "Euro € 😀"
    assert event["source"] == "//shop.example/a?b=c"
    assert event["shopname"] == 'quoted "inner"'
    assert event["lone"] == "50% off"
    assert event["needless"] == "Abc"
    assert event["averyveryverylongextensionname"] == "kept"
    assert event["time"] == "2026-11-24T01:02:03Z"
    assert event["datacontenttype"] == "application/json; charset=utf-8"
    assert event["data"] == {"id": 1}
    out = {name.lower(): value for name, value in calls["cloudevents-binary/1.0"].headers.items()}
    assert out["ce-subject"] == "Euro%20%E2%82%AC%20%F0%9F%98%80"
    assert out["ce-lone"] == "50%25%20off"
    legacy = calls["cloudevents/0.1"].json()
    assert legacy["eventTime"] == "2026-11-24T01:02:03Z"
    assert legacy["extensions"]["amount"] == "12"


def test_structured_cloudevents_1_0_keeps_types_and_data_as_they_came(receivers, gateway):
    receivers.subscribe("t")
    body = ('{"specversion":"1.0","id":"1","source":"/s","type":"t","flag":true,"count":-7,"text":"7",'
            '"gone":null,"data":{"z":1e400,"a":[1.0,2.50],"u":"\\u00e9"}}')
    answer = gateway.send(data=body, headers={"Content-Type": "Application/CloudEvents+JSON; charset=UTF-8"})
    assert answer.status_code == 202, answer.text
    calls = receivers.next_calls()
    call = calls["cloudevents/1.0"]
    event = call.json()
    assert event["flag"] is True and event["count"] == -7 and event["text"] == "7" and "gone" not in event
    assert b'{"z":1e400,"a":[1.0,2.50],"u":"\\u00e9"}' in call.body
    out = {name.lower(): value for name, value in calls["cloudevents-binary/1.0"].headers.items()}
    assert (out["ce-flag"], out["ce-count"]) == ("true", "-7")
    assert out["content-type"] == "application/json", "JSON data without datacontenttype names itself"


@pytest.mark.parametrize("members, expected", [
    ({"data": None}, b'"data":null'),
    ({"data": "text"}, b'"data":"text"'),
    ({"data": 1.5}, b'"data":1.5'),
    ({"data": [], "datacontenttype": "application/vnd.x+json"}, b'"data":[]'),
    ({"data": "<a/>", "datacontenttype": "application/xml"}, b'"data":"<a/>"'),
    ({"data_base64": "AAEC"}, b'"data_base64":"AAEC"'),
])
def test_data_kinds_of_structured_events(gateway, function, members, expected):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    assert post_structured(gateway, structured("t", **members)).status_code == 202
    wait_until(function.count, what="the delivery")
    assert expected in function.received()[0].body.replace(b'": ', b'":')


def test_a_batch_of_three_is_three_events(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    batch = [structured("t", data=number) for number in range(3)]
    answer = post_structured(gateway, batch, "application/cloudevents-batch+json")
    assert answer.status_code == 202 and answer.content == b""
    wait_until(lambda: {call.json()["data"] for call in function.received()} == {0, 1, 2}, what="three")


def test_sizes_of_batches(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    kind = "application/cloudevents-batch+json"
    assert post_structured(gateway, [], kind).status_code == 202
    too_many = [structured("t", data=number) for number in range(1001)]
    assert_error(post_structured(gateway, too_many, kind), 413, "1000")
    assert post_structured(gateway, too_many[:1000], kind).status_code == 202
    wait_until(lambda: {call.json()["data"] for call in function.received()} == set(range(1000)), 60, "1000")
    assert function.count() == 1000


def test_a_batch_with_one_malformed_event_stores_nothing(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    kind = "application/cloudevents-batch+json"
    bad = [structured("t", data=number) for number in range(3)]
    del bad[1]["source"]
    assert_error(post_structured(gateway, bad, kind), 400, "1", "source")
    assert post_structured(gateway, [structured("t", data="after")], kind).status_code == 202
    wait_until(function.count, what="the good one")
    assert [call.json()["data"] for call in function.received()] == ["after"]


def test_structured_cloudevents_0_1_comes_out_as_it_went_in(receivers, gateway):
    receivers.subscribe("thing.done")
    event = {"cloudEventsVersion": "0.1", "eventType": "thing.done", "eventTypeVersion": "2", "eventID": "id-7",
             "source": "/legacy", "eventTime": "2018-04-05T17:31:00Z", "schemaURL": "http://example.com/schema",
             "contentType": "application/json", "extensions": {"comExample": {"deep": [1]}, "plain": "x"},
             "data": {"big": 12345678901234567890}}
    assert post_structured(gateway, event).status_code == 202
    calls = receivers.next_calls()
    assert calls["cloudevents/0.1"].json() == event
    current = calls["cloudevents/1.0"].json()
    assert (current["id"], current["type"], current["source"]) == ("id-7", "thing.done", "/legacy")
    assert current["dataschema"] == "http://example.com/schema"
    assert current["eventtypeversion"] == "2"
    assert calls["classic"].json()["data"] == event["data"]


def test_binary_cloudevents_0_1(receivers, gateway):
    receivers.subscribe("thing.done")
    headers = {"CE-CloudEventsVersion": "0.1", "CE-EventType": "thing.done", "CE-EventID": "id-8",
               "CE-Source": "/legacy", "CE-EventTime": "2018-04-05T17:31:00Z", "CE-X-Trace": "abc",
               "Content-Type": "application/json"}
    assert gateway.send(data=b'{"a":1}', headers=headers).status_code == 202
    calls = receivers.next_calls()
    legacy = calls["cloudevents/0.1"].json()
    assert (legacy["eventID"], legacy["source"], legacy["data"]) == ("id-8", "/legacy", {"a": 1})
    assert {name.lower(): value for name, value in legacy["extensions"].items()} == {"trace": "abc"}
    assert calls["cloudevents/1.0"].json()["trace"] == "abc"


def test_an_http_request_reaches_async_subscribers_with_params_and_query(receivers, gateway):
    receivers.subscribe("http.request", method="PUT", path="/users/:id/files/*rest")
    answer = gateway.send("PUT", "/users/a%20b/files/x/y?tag=1&tag=2&q=%C3%A9", b'{"n":1}',
                          {"Content-Type": "application/json", "X-Custom": "yes"})
    assert answer.status_code == 202, answer.text
    calls = receivers.next_calls()
    event = calls["cloudevents/1.0"].json()
    data = event["data"]
    assert event["type"] == "http.request"
    assert data["method"] == "PUT"
    assert data["params"] == {"id": "a b", "rest": "x/y"}
    assert data["query"] == {"tag": ["1", "2"], "q": ["é"]}
    assert data["headers"]["X-Custom"] == "yes"
    assert data["host"] == gateway.events_url.removeprefix("http://")
    assert data["body"] == {"n": 1}
    assert json.loads(calls["cloudevents-binary/1.0"].body) == data
    assert calls["cloudevents/0.1"].json()["data"] == data
    classic = calls["classic"].json()
    assert classic["event"] == "http"
    assert classic["data"]["headers"]["X-Custom"] == ["yes"]
    assert classic["data"]["params"] == data["params"]


def test_an_http_request_that_nothing_matches_is_not_found(gateway):
    answer = gateway.send("GET", "/nowhere")
    assert_error(answer, 404, "resource not found")


def test_spaces_by_header(gateway, make_function):
    functions = {space: make_function() for space in ("team1", "team2")}
    for space, function in functions.items():
        gateway.register_function("f", function.url, space=space)
        gateway.register_event_type("t", space=space)
        gateway.subscribe("f", "t", space=space)
    assert gateway.emit("t", b'"one"', Space="team1").status_code == 202
    assert gateway.emit("t", b'"both"').status_code == 202
    wait_until(lambda: functions["team1"].count() == 2 and functions["team2"].count() == 1, what="three calls")
    assert functions["team2"].received()[0].json()["data"] == "both"
    assert_error(gateway.emit("t", Space="a/b"), 400, "space")


def test_a_trailing_slash_makes_no_difference(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t", path="/a/b")
    assert gateway.emit("t", path="/a/b/").status_code == 202
    assert gateway.emit("t", path="/a/b").status_code == 202
    wait_until(lambda: function.count() == 2, what="both")


def test_invoke_answers_with_the_functions_body(gateway, make_function):
    function = make_function(lambda call: (201, {"Content-Type": "text/x-own"}, b"echo " + call.body[-4:]))
    gateway.register_function("echo", function.url)
    answer = gateway.send(data=b'{"a":1}', headers={"Event": "invoke", "Function-ID": "echo",
                                                    "Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/x-own"
    assert answer.content.startswith(b"echo ")
    answer = gateway.send(data=b"{}", headers={"Event": "invoke", "Function-ID": "nobody"})
    assert (answer.status_code, answer.text) == (500, "unable to look up registered function")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_a_sync_subscription_answers_and_async_ones_get_the_event_too(gateway, make_function):
    reply = {"statusCode": 418, "headers": {"X-Tea": "green"}, "body": "AAEC", "isBase64Encoded": True}
    sync = make_function(lambda call: (200, {"Content-Type": "application/json"}, json.dumps(reply).encode()))
    listener = make_function()
    gateway.register_function("sync", sync.url)
    gateway.register_function("listener", listener.url)
    gateway.subscribe("sync", "http.request", kind="sync", method="GET", path="/tea/:kind")
    gateway.subscribe("listener", "http.request", method="GET", path="/tea/:kind")
    answer = gateway.send("GET", "/tea/green?hot=1")
    assert (answer.status_code, answer.content) == (418, bytes([0, 1, 2]))
    assert answer.headers["X-Tea"] == "green"
    assert sync.received()[0].json()["data"]["params"] == {"kind": "green"}
    wait_until(listener.count, what="the async subscriber")
    assert listener.received()[0].json()["data"]["query"] == {"hot": ["1"]}
    assert sync.count() == 1, "the sync subscriber is not called again from the log"


@pytest.mark.parametrize("reply, status, text", [
    ((200, {}, b"not json"), 500, "HTTP response object malformed"),
    ((500, {}, b"boom"), 500, "Function call failed. Please check logs."),
    ((None, {}, b""), 500, "Function call failed. Please check logs."),
    ((200, {}, b'{"statusCode":"200"}'), 500, "HTTP response object malformed"),
    ((200, {}, b'{"statusCode":200,"body":{"a":1}}'), 200, '{"a":1}'),
])
def test_answers_of_functions_to_sync_subscriptions(gateway, make_function, reply, status, text):
    function = make_function(lambda call: reply)
    gateway.register_function("f", function.url)
    gateway.subscribe("f", "http.request", kind="sync", method="POST", path="/s")
    answer = gateway.send("POST", "/s", b"x", {"Content-Type": "text/plain"})
    assert (answer.status_code, answer.text) == (status, text)


def test_deliveries_name_attempt_subscription_and_trace(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    subscription = gateway.subscribe("f", "t")
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert gateway.send(data=b"{}", headers={**ce_headers("t", traceparent=trace),
                                             "Content-Type": "application/json"}).status_code == 202
    wait_until(function.count, what="the delivery")
    call = function.received()[0]
    headers = {name.lower(): value for name, value in call.headers.items()}
    assert headers["event-gateway-subscription"] == subscription["subscriptionId"]
    assert headers["event-gateway-attempt"] == "1"
    assert headers["traceparent"].split("-")[1] == trace.split("-")[1]
    assert headers["traceparent"] != trace, "the gateway's own span"
    assert call.json()["traceparent"] == trace, "the producer's stays in the event"
