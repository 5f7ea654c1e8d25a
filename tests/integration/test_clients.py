"""Published clients, unchanged, against the real binary: both SDKs, CloudEvents SDKs, a plain Kafka client."""

import json
import pathlib
import subprocess
import uuid

import confluent_kafka
import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from conftest import cluster_arguments
from support.gateway import wait_until

NODE = pathlib.Path(__file__).resolve().parents[1] / "node"


def run_node(script, *arguments):
    result = subprocess.run(["node", NODE / script, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return json.loads(result.stdout)


def test_the_sdk_of_the_last_generation(gateway, function):
    out = run_node("spaces_sdk.js", gateway.events_url, gateway.config_url, function.url)

    assert out["function"] == out["updated"] == {
        "space": "team1", "functionId": "hello", "type": "http", "provider": {"url": function.url},
        "metadata": {"made": "by-sdk"}}
    assert 'Function "hello" already registered.' in out["duplicate"]
    assert out["functions"] == [out["function"]] and out["noFunctions"] == []
    assert out["eventTypes"] == [out["updatedType"]]
    assert out["subscriptions"] == [out["subscription"]]
    assert out["corsList"] == [out["updatedCors"]]
    assert out["emitted"] == 202
    assert "400" in out["malformed"] or "missing" in out["malformed"], out["malformed"]
    assert "subscribed to a least one event" in out["inUse"]
    wait_until(function.count, what="the delivery")
    event = function.received()[0].json()
    assert (event["id"], event["data"]) == ("sdk-1", {"name": "Ada"})

    left = run_node("spaces_sdk_delete.js", gateway.events_url, gateway.config_url)
    assert left["left"] == [[], [], [], []]
    assert 'Function "hello" not found.' in left["missing"]


def test_the_sdk_of_the_first_generation(gateway, make_function):
    function = make_function(lambda call: (200, {"Content-Type": "application/json"}, b'{"hello":"you"}'))
    out = run_node("classic_sdk.js", gateway.events_url, gateway.config_url, function.url)

    assert out["function"]["functionId"] == "hello"
    assert out["function"]["provider"] == {"type": "http", "url": function.url}
    assert out["subscription"]["subscriptionId"] == "user.created,hello,%2F"
    assert len(out["functions"]) == 1
    assert {one["event"] for one in out["subscriptions"]} == {"user.created", "http"}
    assert out["invoked"] == '{"hello":"you"}'
    assert "Failed to invoke function nobody" in out["unknown"]
    assert (out["emitted"], out["emittedText"]) == (202, 202)
    assert "already exists" in out["duplicate"]
    wait_until(lambda: function.count() >= 3, what="invoke and two events")
    bodies = [call.json() for call in function.received()]
    assert {json.dumps(body["data"]) for body in bodies if body["event"] == "user.created"} == {
        '{"name": "Ada"}', '"plain"'}

    assert run_node("classic_sdk_delete.js", gateway.events_url, gateway.config_url) == [[], []]


def test_the_cloudevents_sdk_for_javascript(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("sdk.event")
    gateway.subscribe("f", "sdk.event")

    assert run_node("cloudevents_sdk.js", gateway.events_url) == [202, 202]

    wait_until(lambda: function.count() == 5, what="five events")
    events = {event["id"]: event for event in (call.json() for call in function.received())}
    assert set(events) == {"binary", "structured", "bytes", "text", "none"}
    assert events["binary"]["subject"] == 'a b"c%'
    assert events["binary"]["count"] == "7", "headers carry no types"
    assert events["binary"]["data"] == {"mode": "binary"}
    assert events["structured"]["subject"] == 'a b"c% €'
    assert events["structured"]["count"] == 7
    assert events["bytes"]["data_base64"] == "AAEC/w=="
    assert events["text"]["data"] == "text"
    assert "data" not in events["none"]


def test_the_cloudevents_sdk_for_python(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("sdk.event")
    gateway.subscribe("f", "sdk.event")
    for make in (to_binary, to_structured):
        event = CloudEvent({"type": "sdk.event", "source": "/py", "id": make.__name__, "subject": "sub",
                            "datacontenttype": "application/json"}, {"made": "in Python €"})
        headers, body = make(event)
        assert gateway.send(data=body, headers=headers).status_code == 202
    wait_until(lambda: function.count() == 2, what="both")
    for call in function.received():
        event = call.json()
        assert (event["source"], event["subject"], event["data"]) == ("/py", "sub", {"made": "in Python €"})


@pytest.fixture
def topic(stack):
    return f"t{uuid.uuid4().hex[:12]}"


def read_records(stack, topic, count):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": stack.kafka, "group.id": uuid.uuid4().hex,
                                         "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    records = []
    try:
        wait_until(lambda: [records.append(record) for record in [consumer.poll(1)] if record and not record.error()]
                   and len(records) >= count, what=f"{count} records")
    finally:
        consumer.close()
    return records


def test_a_foreign_kafka_client_reads_what_the_log_record_document_says(make_gateway, stack, topic):
    gateway = make_gateway(cluster_arguments(stack, topic))
    headers = {"ce-specversion": "1.0", "ce-type": "order", "ce-source": "/shop", "ce-id": "r-1",
               "ce-subject": "Euro%20%E2%82%AC", "ce-amount": "12", "Content-Type": "application/json", "Space": "team1"}
    assert gateway.send(path="/orders", data=b'{"total": 12.50}', headers=headers).status_code == 202
    record = read_records(stack, f"{topic}.events", 1)[0]
    found = {name: value.decode() for name, value in record.headers()}
    received = found.pop("ce_egreceivedtime")
    assert received.endswith("Z")
    assert found == {"ce_specversion": "1.0", "ce_type": "order", "ce_source": "/shop", "ce_id": "r-1",
                     "ce_subject": "Euro €", "ce_amount": "12", "content-type": "application/json",
                     "ce_egspace": "team1", "ce_egmethod": "POST", "ce_egpath": "/orders"}
    assert record.value() == b'{"total": 12.50}'
    assert record.key() == "Euro €".encode()


def test_events_that_a_foreign_kafka_client_writes_are_delivered(make_gateway, stack, topic, function):
    gateway = make_gateway(cluster_arguments(stack, topic))
    gateway.register_function("f", function.url)
    gateway.register_event_type("order")
    gateway.subscribe("f", "order")
    producer = confluent_kafka.Producer({"bootstrap.servers": stack.kafka})
    least = [("ce_specversion", b"1.0"), ("ce_id", b"k-1"), ("ce_source", b"/kafka"), ("ce_type", b"order")]
    producer.produce(f"{topic}.events", b'{"a":1}', headers=[*least, ("content-type", b"application/json"),
                                                          ("ce_subject", 'Euro € "q" 50%'.encode())])
    producer.produce(f"{topic}.events", b"no event at all")
    event = {"specversion": "1.0", "id": "k-2", "source": "/kafka", "type": "order", "data": [2]}
    producer.produce(f"{topic}.events", json.dumps(event).encode(),
                     headers=[("content-type", b"application/cloudevents+json; charset=utf-8")])
    assert producer.flush(30) == 0
    wait_until(lambda: {call.json()["id"] for call in function.received()} == {"k-1", "k-2"}, what="both events")
    events = {event["id"]: event for event in (call.json() for call in function.received())}
    assert events["k-1"]["subject"] == 'Euro € "q" 50%'
    assert (events["k-1"]["data"], events["k-2"]["data"]) == ({"a": 1}, [2])
