"""A cluster of real processes, each of which can be killed."""

import time

from conftest import cluster_arguments
from support.gateway import Gateway, wait_until


def start_again(gateway):
    """A node whose stores are away ends at once with exit code 1: as its supervisor does, try again."""
    deadline = time.monotonic() + 90
    while True:
        try:
            return gateway.start(timeout_s=60)
        except AssertionError:
            if gateway.process.poll() != 1 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def await_settled(entry, count):
    """So many nodes are there, each has the configuration that entry has, and each dispatcher has partitions: what
    happens while nodes are still joining is no disturbance of a plan, and an event that comes before a node knows of
    a subscription does not reach it."""
    revision = entry.metrics()["eventgateway_registry_revision"]

    def is_settled():
        seen = entry.config("GET", "/v1/cluster").json()
        return (not seen.get("unownedPartitions") and len(seen["nodes"]) == count and
                all(node["revision"] >= revision and (node["partitions"] or "dispatcher" not in node["roles"])
                    for node in seen["nodes"]))

    wait_until(is_settled, 90, "the cluster to settle")


class Cluster:
    """Two ingests, two dispatchers, one admin; each can be killed and comes back on its ports."""

    def __init__(self, stack, folder, **options):
        self.stack = stack
        self.nodes = {}
        for name, role in (("ingest-1", "ingest"), ("ingest-2", "ingest"), ("dispatcher-1", "dispatcher"),
                           ("dispatcher-2", "dispatcher"), ("admin", "admin")):
            arguments = cluster_arguments(stack, "crash", role=role, data=folder / name,
                                          zookeeper_session="4s", **options)
            self.nodes[name] = Gateway(arguments, folder / f"{name}.log")

    def start(self):
        for node in self.nodes.values():
            start_again(node)
        return self

    def events_urls(self):
        return [node.events_url for name, node in self.nodes.items() if name.startswith("ingest")]

    def kill(self, name):
        if name in self.nodes:
            self.nodes[name].kill()
        else:
            self.stack.kill(name)

    def revive(self, name):
        if name in self.nodes:
            start_again(self.nodes[name])
        else:
            self.stack.up(name)

    def stop(self):
        for node in self.nodes.values():
            node.stop()
