"""/v1/metrics as Prometheus reads it: the contract's names, bounded labels; and the OpenAPI document."""

import json

import pytest
import yaml
from openapi_spec_validator import validate
from prometheus_client.parser import text_string_to_metric_families

from support.gateway import ROOT, wait_until


def families(gateway):
    answer = gateway.config("GET", "/v1/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(gateway, name, **labels):
    for family in families(gateway).values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_the_names_of_the_original_count(gateway, function):
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")
    assert gateway.emit("t").status_code == 202
    wait_until(lambda: value(gateway, "eventgateway_events_processed_total") == 1, what="one event processed")
    assert value(gateway, "eventgateway_events_received_total", space="default", type="t") == 1
    assert value(gateway, "eventgateway_events_backlog") == 0
    for name in ("eventtypes", "functions", "subscriptions"):
        assert value(gateway, f"eventgateway_{name}_total", space="default") == 1
    assert value(gateway, "eventgateway_config_requests_total", space="default", resource="function",
                 operation="create") == 1
    found = families(gateway)
    assert found["eventgateway_events_custom_processing_seconds"].type == "histogram"
    assert found["eventgateway_config_request_duration_seconds"].type == "histogram"
    assert value(gateway, "eventgateway_deliveries_total", outcome="delivered") == 1


def test_every_family_is_described_and_every_sample_belongs_to_one(gateway):
    gateway.emit("t")
    for family in families(gateway).values():
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        for sample in family.samples:
            if family.type == "counter":
                assert sample.name.endswith("_total"), sample.name
            assert sample.value >= 0


def test_histograms_add_up(gateway):
    for _number in range(5):
        gateway.emit("t")
    for family in families(gateway).values():
        if family.type != "histogram":
            continue
        buckets = [sample for sample in family.samples if sample.name.endswith("_bucket") and len(sample.labels) == 1]
        counts = [sample.value for sample in buckets]
        total = next((sample.value for sample in family.samples
                      if sample.name.endswith("_count") and not sample.labels), None)
        assert counts == sorted(counts)
        if buckets:
            assert buckets[-1].labels["le"] == "+Inf" and counts[-1] == total


def test_labels_from_outside_are_bounded(gateway):
    for number in range(300):
        assert gateway.emit(f"unknown.{number}", Space=f"space{number}").status_code == 202
    samples = [sample for family in families(gateway).values() for sample in family.samples]
    assert not [sample for sample in samples if "unknown." in str(sample.labels) or "space1" in str(sample.labels)]
    assert value(gateway, "eventgateway_events_received_total", space="other", type="other") == 300
    gateway.register_event_type("t", space="team1")
    assert gateway.emit("t", Space="team1").status_code == 202
    assert gateway.emit("unknown", Space="team1").status_code == 202
    assert gateway.emit("unknown").status_code == 202
    assert value(gateway, "eventgateway_events_received_total", space="team1", type="t") == 1
    assert value(gateway, "eventgateway_events_received_total", space="team1", type="other") == 1
    assert value(gateway, "eventgateway_events_received_total", space="default", type="other") == 1
    samples = [sample for family in families(gateway).values() for sample in family.samples]
    assert len(samples) < 1000


ANY = None  # bounded by what is registered

# The contract's metrics, and ours: the labels of each, and the values that a label may have.
OUTCOMES = {"succeeded", "failed", "timed out", "unreachable", "not allowed", "not found", "cancelled"}
LABELS = {
    "eventgateway_events_received": {"space": ANY, "type": ANY},
    "eventgateway_events_processed": {},
    "eventgateway_events_dropped": {},
    "eventgateway_events_backlog": {},
    "eventgateway_events_custom_processing_seconds": {},
    "eventgateway_eventtypes_total": {"space": ANY},
    "eventgateway_functions_total": {"space": ANY},
    "eventgateway_subscriptions_total": {"space": ANY},
    "eventgateway_config_requests": {"space": ANY, "resource": {"function", "eventtype", "subscription", "cors"},
                                     "operation": {"create", "get", "list", "update", "delete"}},
    "eventgateway_config_request_duration_seconds": {},
    "eventgateway_log_append_seconds": {},
    "eventgateway_deliveries": {"outcome": {"delivered", "dead_lettered", "dropped", "unsubscribed"}},
    "eventgateway_delivery_attempts": {"outcome": OUTCOMES},
    "eventgateway_delivery_attempt_seconds": {},
    "eventgateway_retries_waiting": {},
    "eventgateway_deadletters": {},
    "eventgateway_in_flight": {},
    "eventgateway_log_available": {},
    "eventgateway_registry_available": {},
    "eventgateway_sync_calls": {"outcome": OUTCOMES},
    "eventgateway_sync_call_seconds": {},
    "eventgateway_authorizations": {"result": {"granted", "refused", "failed", "unreadable", "cancelled", "cached"}},
    "eventgateway_system_events": {"type": ANY, "result": {"stored", "lost"}},
    "eventgateway_events_requests": {"code": ANY},
}


def make_traffic_of_all_kinds(gateway, make_function):
    """Ingest in each way, synchronous and asynchronous calls, and each way in which they fail."""
    good = make_function(lambda call: (200, {}, json.dumps({
        "statusCode": 200, "body": "", "authorization": {"principalId": "ada"}}).encode()))
    gateway.register_function("good", good.url)
    gateway.register_function("final", make_function(lambda call: (422, {}, b"")).url)
    gateway.register_function("gone", "http://127.0.0.1:9/")
    for name in ("good", "final", "gone"):
        gateway.register_event_type(f"event.{name}")
        gateway.subscribe(name, f"event.{name}", delivery={"retry": {"maxAttempts": 2, "initialMs": 1}})
        gateway.subscribe(name, "http.request", kind="sync", method="GET", path=f"/{name}")
    gateway.register_event_type("event.guarded", authorizerId="good")
    gateway.register_event_type("event.closed", authorizerId="final")
    gateway.subscribe("good", "gateway.event.received")
    for name in ("event.good", "event.final", "event.gone", "event.guarded", "never.registered"):
        assert gateway.emit(name).status_code == 202
    assert gateway.emit("event.closed").status_code == 403
    assert gateway.emit("gateway.event.received").status_code == 400
    assert gateway.send("GET", "/nothing").status_code == 404
    batch = json.dumps([{"specversion": "1.0", "id": str(number), "source": "/s", "type": "event.good"}
                        for number in range(3)])
    assert gateway.send(data=batch, headers={"Content-Type": "application/cloudevents-batch+json"}).status_code == 202
    assert gateway.send("GET", "/good").status_code == 200
    assert gateway.send("GET", "/final").status_code == 500
    assert gateway.send("GET", "/gone").status_code == 500
    assert gateway.send(headers={"Event": "invoke", "Function-ID": "good"}).status_code == 200
    assert gateway.send(headers={"Event": "invoke", "Function-ID": "never-there"}).status_code == 500
    assert gateway.config("GET", "/v1/spaces/default/functions/never-there").status_code == 404


def test_every_metric_of_the_contract_has_its_labels_after_traffic_of_all_kinds(gateway, make_function):
    make_traffic_of_all_kinds(gateway, make_function)
    wait_until(lambda: value(gateway, "eventgateway_deadletters_total") == 2, what="two dead letters")
    wait_until(lambda: value(gateway, "eventgateway_deliveries_total", outcome="delivered") == 4 + 12,
               what="the batch, the single event and what is told")
    found = families(gateway)
    for name, labels in LABELS.items():
        samples = found[name].samples
        assert samples, name
        for sample in samples:
            assert set(sample.labels) - {"le"} == set(labels), sample
            for label, allowed in labels.items():
                assert allowed is ANY or sample.labels[label] in allowed, sample
    assert value(gateway, "eventgateway_events_received_total", space="default", type="event.good") == 4
    assert value(gateway, "eventgateway_events_received_total", space="default", type="http.request") == 3
    assert value(gateway, "eventgateway_events_received_total", space="default", type="other") == 2
    assert value(gateway, "eventgateway_events_dropped_total") == 0
    assert value(gateway, "eventgateway_sync_calls_total", outcome="succeeded") == 2
    assert value(gateway, "eventgateway_sync_calls_total", outcome="not found") == 1
    assert value(gateway, "eventgateway_deliveries_total", outcome="dead_lettered") == 2
    assert value(gateway, "eventgateway_system_events_total", type="eventgateway.event.received",
                 result="stored") == 12


def test_labels_of_the_configuration_api_are_bounded(gateway):
    for number in range(200):
        for kind in ("functions", "eventtypes", "subscriptions", "cors"):
            gateway.config("GET", f"/v1/spaces/nowhere{number}/{kind}/thing{number}")
        gateway.config("GET", f"/v1/spaces/nowhere{number}/things{number}")
        gateway.config(f"METHOD{number}", f"/v1/spaces/nowhere{number}/functions")
    samples = [sample for family in families(gateway).values() for sample in family.samples]
    assert not [sample for sample in samples if "nowhere" in str(sample.labels) or "thing" in str(sample.labels)
                or "METHOD" in str(sample.labels)]
    assert value(gateway, "eventgateway_config_requests_total", space="other", resource="function",
                 operation="get") == 200
    assert len(samples) < 1000


@pytest.mark.parametrize("path", ["/v1/status", "/v1/health/live", "/v1/health/ready"])
def test_health(gateway, path):
    answer = gateway.config("GET", path)
    assert answer.status_code == 200 and answer.json()["status"] in ("ok", "live", "ready")


def test_the_openapi_document_is_valid():
    path = ROOT / "schemas/openapi.yaml"
    validate(yaml.safe_load(path.read_text()), base_uri=path.as_uri())
