"""/v1/metrics as Prometheus reads it: the contract's names, bounded labels; and the OpenAPI document."""

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
    assert value(gateway, "eventgateway_events_received_total", space="default", type="other") == 300
    assert len(samples) < 1000


@pytest.mark.parametrize("path", ["/v1/status", "/v1/health/live", "/v1/health/ready"])
def test_health(gateway, path):
    answer = gateway.config("GET", path)
    assert answer.status_code == 200 and answer.json()["status"] in ("ok", "live", "ready")


def test_the_openapi_document_is_valid():
    path = ROOT / "schemas/openapi.yaml"
    validate(yaml.safe_load(path.read_text()), base_uri=path.as_uri())
