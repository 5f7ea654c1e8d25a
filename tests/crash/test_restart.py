"""Orderly restarts under load: no event and no call is refused or lost, and nothing is delivered twice."""

import os
import signal
import threading

import pytest

from conftest import cluster_arguments
from support.gateway import wait_until
from support.steady_clients import SteadyClients, port_of

ROUNDS = 10 if os.environ.get("EG_TEST_FULL") else 2
EVENT_TYPE = "restart.event"


def event_headers(number):
    return {"ce-specversion": "1.0", "ce-type": EVENT_TYPE, "ce-source": "/restart", "ce-id": str(number),
            "Content-Type": "application/json"}


def call_headers(_number):
    return {"Event": "invoke", "Function-ID": "slow", "Content-Type": "application/json"}


@pytest.fixture
def functions(make_function):
    """One that counts events, one that takes its time with calls."""
    pause = threading.Event()

    def slow(_call):
        pause.wait(0.1)
        return 200, {}, b"{}"

    return make_function(), make_function(slow)


def register(gateway, functions):
    counter, slow = functions
    gateway.register_function("counter", counter.url)
    gateway.register_function("slow", slow.url)
    gateway.register_event_type(EVENT_TYPE)
    gateway.subscribe("counter", EVENT_TYPE)


def end(gateway):
    gateway.process.send_signal(signal.SIGTERM)
    assert gateway.process.wait(60) == 0


def wait_for_load(clients, count=100):
    before = len(clients.acknowledged)
    wait_until(lambda: len(clients.acknowledged) >= before + count, 60, "the load to go on")


def owners(gateway):
    return [node["partitions"] for node in gateway.config("GET", "/v1/cluster").json()["nodes"]]


def all_owned(gateway, nodes):
    seen = owners(gateway)
    return len(seen) == nodes and all(seen) and sorted(sum(seen, [])) == [0, 1, 2, 3]


def check(gateway, events, calls, function, capsys):
    """Everything that was sent was taken, everything taken arrived, once."""
    events.stop()
    calls.stop()
    assert events.wrong == [] and calls.wrong == []

    def received():
        return [call.json()["data"]["number"] for call in function.received()]

    wanted = set(events.acknowledged)
    try:
        wait_until(lambda: wanted <= set(received()), 120)
    except AssertionError:
        missing = sorted(wanted - set(received()))
        pytest.fail(f"{len(missing)} of {len(wanted)} events did not arrive: {missing[:20]}\n"
                    f"{gateway.config('GET', '/v1/cluster').text}\n{gateway.metrics()}")
    twice = len(received()) - len(set(received()))
    with capsys.disabled():
        print(f"acknowledged {len(wanted)}, calls {len(calls.acknowledged)}, duplicates {twice}", end=" ")
    assert twice == 0


def test_nodes_restart_in_turns_behind_clients_that_fail_over(make_gateway, stack, functions, capsys):
    arguments = cluster_arguments(stack)
    nodes = [make_gateway(arguments), make_gateway(arguments)]
    register(nodes[0], functions)
    first_choice = [0]

    def ports():
        both = [port_of(node.events_url) for node in nodes]
        return both[first_choice[0]:] + both[:first_choice[0]]

    wait_until(lambda: all_owned(nodes[0], 2), 60, "both dispatchers to own partitions")
    events = SteadyClients(ports, event_headers, 6).start()
    calls = SteadyClients(ports, call_headers, 4).start()
    for turn in range(ROUNDS * 2):
        node, other = nodes[turn % 2], nodes[(turn + 1) % 2]
        first_choice[0] = turn % 2
        wait_for_load(events)
        end(node)
        wait_for_load(events)
        node.start()
        wait_until(lambda other=other: all_owned(other, 2), 60, "the node to have its share again")
        wait_for_load(events)
    check(nodes[0], events, calls, functions[0], capsys)


def test_a_successor_takes_over_the_ports(make_gateway, stack, functions, capsys):
    arguments = cluster_arguments(stack) + ["--reuse-port"]
    node = make_gateway(arguments)
    register(node, functions)
    port = port_of(node.events_url)
    wait_until(lambda: all_owned(node, 1), 60, "the new topic to be led and read")
    events = SteadyClients(lambda: [port], event_headers, 6).start()
    calls = SteadyClients(lambda: [port], call_headers, 4).start()
    for _ in range(ROUNDS):
        wait_for_load(events)
        successor = make_gateway(arguments, events_port=port, config_port=node.config_port)
        end(node)
        node = successor
        wait_until(lambda node=node: all_owned(node, 1), 60, "the successor to own all partitions")
        wait_for_load(events)
    check(node, events, calls, functions[0], capsys)


def test_a_shutdown_answers_what_is_inside(make_gateway, tmp_path, functions):
    """Silent connections do not hold it up either: it ends long before its drain-timeout."""
    gateway = make_gateway(["dev", "--data", tmp_path / "data", "--drain-timeout", "10m"])
    register(gateway, functions)
    port = port_of(gateway.events_url)
    calls = SteadyClients(lambda: [port], call_headers, 8).start()
    wait_for_load(calls, 20)
    calls.stopping.set()
    end(gateway)
    calls.stop()
    assert calls.wrong == []
