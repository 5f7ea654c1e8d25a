"""Dashboard, alerts and the scrape example speak of metrics that there are."""

import json
import re

import yaml

from support.gateway import ROOT

METRIC = re.compile(r"\b(?:eventgateway|process)_[a-z_]+\b")


def families():
    """Name and kind of every family in the code."""
    found = {}
    for folder in ("core", "ingest", "dispatcher", "admin"):
        for path in (ROOT / folder).rglob("*.c"):
            for name, kind in re.findall(r'\.name = "(\w+)",.*?\.kind = METRIC_(\w+)', path.read_text(), re.S):
                found[name] = kind
    return found


def names():
    """What a query may name: a histogram has three series."""
    for name, kind in families().items():
        yield from ([f"{name}_bucket", f"{name}_sum", f"{name}_count"] if kind == "HISTOGRAM" else [name])


def test_the_dashboard_shows_what_there_is():
    dashboard = json.loads((ROOT / "deploy/grafana/event-gateway.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(queries) > 15
    used = set(METRIC.findall(" ".join(queries)))
    assert used and used <= set(names()), used - set(names())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_the_alerts_look_at_what_there_is():
    rules = yaml.safe_load((ROOT / "deploy/prometheus-alerts.yml").read_text())["groups"][0]["rules"]
    for rule in rules:
        assert {"alert", "expr", "labels", "annotations"} <= set(rule)
        used = set(METRIC.findall(rule["expr"]))
        assert used <= set(names()) and (used or "up{" in rule["expr"]), rule["expr"]


def test_the_scrape_example_gets_the_metrics(make_gateway, tmp_path):
    scrape, = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text())["scrape_configs"]
    gateway = make_gateway(["dev", "--data", tmp_path / "data"])
    text = gateway.config("GET", scrape["metrics_path"]).text
    for name in ("eventgateway_build_info", "eventgateway_log_available", "eventgateway_registry_available",
                 "eventgateway_partitions_owned", "eventgateway_data_free_bytes"):
        assert re.search(rf"^{name}\b", text, re.M), name
