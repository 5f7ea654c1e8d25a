"""GET /v1/cluster: who is there and what each owns, through starts, stops, crashes and frozen processes."""

import os
import signal

from conftest import cluster_arguments
from support.gateway import wait_until


def cluster(gateway):
    answer = gateway.config("GET", "/v1/cluster")
    assert answer.status_code == 200
    return answer.json()


def ids(gateway):
    return {node["nodeId"] for node in cluster(gateway)["nodes"]}


def test_the_embedded_node_describes_itself(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", tmp_path / "data"])
    wait_until(lambda: cluster(gateway)["nodes"][0]["partitions"] == [0], what="the partition to be owned")
    seen = cluster(gateway)
    node, = seen["nodes"]
    assert seen["answeredBy"] == node["nodeId"] and seen["complete"] and seen["unownedPartitions"] == []
    assert node["eventsUrl"] == gateway.events_url and node["configUrl"] == gateway.config_url
    assert node["roles"] == ["ingest", "dispatcher", "admin"] and node["state"] == "serving"
    assert node["eventLog"] == node["registry"] == "ok"
    gateway.register_event_type("t")
    wait_until(lambda: cluster(gateway)["nodes"][0]["revision"] == 1, what="the revision to be told")


def test_nodes_share_the_partitions_and_leave(make_gateway, stack):
    arguments = cluster_arguments(stack, zookeeper_session="4s")
    first = make_gateway(arguments)
    second = make_gateway(arguments)
    ingest = make_gateway([*arguments, "--role", "ingest", "--advertise-address", "gw.example.com"])

    def owned():
        seen = cluster(first)
        by_node = {node["nodeId"]: node["partitions"] for node in seen["nodes"]}
        numbers = sorted(sum(by_node.values(), []))
        shared = len([numbers for numbers in by_node.values() if numbers]) == 2
        return by_node if shared and numbers == [0, 1, 2, 3] and not seen["unownedPartitions"] else None

    by_node = wait_until(owned, what="two nodes to own each partition once")
    me, other, third = (cluster(gateway)["answeredBy"] for gateway in (first, second, ingest))
    assert by_node[me] and by_node[other] and by_node[third] == []
    announced, = [node for node in cluster(second)["nodes"] if node["nodeId"] == third]
    assert announced["eventsUrl"].startswith("http://gw.example.com:") and announced["roles"] == ["ingest"]

    assert ingest.stop() == 0
    assert ids(first) == {me, other}, "one that stops is gone at once"
    second.kill()
    wait_until(lambda: ids(first) == {me}, what="one that crashed to be gone with its session")
    wait_until(lambda: cluster(first)["unownedPartitions"] == [], 60, "its partitions to be taken over")


def test_a_frozen_node_is_back_when_it_wakes(make_gateway, stack):
    arguments = cluster_arguments(stack, zookeeper_session="4s")
    first = make_gateway(arguments)
    second = make_gateway(arguments)
    wait_until(lambda: len(ids(first)) == 2, what="both nodes")
    everybody = ids(first)
    os.kill(second.pid, signal.SIGSTOP)
    try:
        wait_until(lambda: len(ids(first)) == 1, 60, "the frozen node's session to end")
    finally:
        os.kill(second.pid, signal.SIGCONT)
    wait_until(lambda: ids(first) == everybody, 60, "the node to announce itself in a new session")
    wait_until(lambda: ids(second) == everybody, 60, "the woken node to see the others")


def test_without_zookeeper_a_node_tells_of_itself(make_gateway, stack):
    gateway = make_gateway(cluster_arguments(stack))
    wait_until(lambda: cluster(gateway)["complete"] and ids(gateway), what="the node")
    try:
        stack.kill("zookeeper")
        wait_until(lambda: not cluster(gateway)["complete"], what="ZooKeeper to be missed")
        seen = cluster(gateway)
        assert [node["nodeId"] for node in seen["nodes"]] == [seen["answeredBy"]]
        assert "ZooKeeper" in seen["reason"]
        wait_until(lambda: "ZooKeeper" in cluster(gateway)["nodes"][0]["registry"], what="the reason to be told")
        ready = gateway.config("GET", "/v1/health/ready")
        assert ready.status_code == 200 and ready.json()["status"] == "degraded"
        assert "ZooKeeper" in ready.json()["registry"]
    finally:
        stack.up("zookeeper")
    wait_until(lambda: cluster(gateway)["complete"] and ids(gateway), 60, "ZooKeeper to be back")
