"""A redrive outlives the node that drives it: after kill -9 it goes on, there or at another admin node."""

import collections
import json
import subprocess

from kazoo.client import KazooClient

from conftest import cluster_arguments
from support.gateway import EGCTL, wait_until
from support.running import running

SPACE = "/v1/spaces/default"
COUNT = 300
TWICE_MAX = 32  # Letters that are on their way at once: each can have been appended and not been marked.


def make_letters(gateway, function, count=COUNT, spread=1):
    """Events n-0, n-1, ... that are given up after their first attempt. Returns the subscription."""
    gateway.register_function("broken", function.url)
    gateway.register_event_type("job")
    subscription = gateway.subscribe("broken", "job", delivery={"retry": {"maxAttempts": 1, "finalStatuses": [400]}})
    batch = [{"specversion": "1.0", "type": "job", "source": "/redrives", "id": f"n-{number}",
              "subject": str(number % spread)} for number in range(count)]
    answer = gateway.send("POST", "/", json.dumps(batch), {"Content-Type": "application/cloudevents-batch+json"})
    assert answer.status_code == 202, answer.text
    return subscription["subscriptionId"]


def await_letters(gateway, count=COUNT):
    path = f"{SPACE}/deadletters?limit=1000"
    wait_until(lambda: len(gateway.config("GET", path).json()["deadLetters"]) == count, 120, "the dead letters")


def begin(gateway, **body):
    answer = gateway.config("POST", f"{SPACE}/deadletters/redrive", body)
    assert answer.status_code == 201, answer.text
    return answer.json()["redriveId"]


def look(gateway, redrive_id):
    answer = gateway.config("GET", f"{SPACE}/redrives/{redrive_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def knows(gateway, redrive_id):
    return gateway.config("GET", f"{SPACE}/redrives/{redrive_id}").status_code == 200


def await_end(gateway, redrive_id, timeout_s=120):
    states = ("waiting", "running")
    return wait_until(lambda: (one := look(gateway, redrive_id))["state"] not in states and one, timeout_s, "its end")


def stored(stack, arguments, redrive_id):
    """As the registry has it, without a node."""
    root = "/" + arguments[arguments.index("--zookeeper") + 1].split("/", 1)[1]
    client = KazooClient(hosts=stack.zookeeper)
    client.start(timeout=60)
    try:
        found = client.get_async(f"{root}/event-gateway/spaces/default/redrives/{redrive_id}")
        return json.loads(found.get(timeout=60)[0])
    finally:
        client.stop()
        client.close()


class Switch:
    """A function that refuses all until it is mended, and counts what it takes then."""

    def __init__(self, make_function):
        self.is_broken = True
        self.function = make_function(lambda call: (400 if self.is_broken else 200, {}, b""))

    def mend(self):
        self.is_broken = False
        self.function.clear()

    def taken(self):
        return collections.Counter(call.json()["id"] for call in self.function.received())


def check_all_came(switch, gateway, repeated_max=0):
    """repeated_max: what a dispatcher that was killed too may deliver again, since it had not committed it."""
    wait_until(lambda: len(switch.taken()) == COUNT, 120, "all letters")
    twice = sum(switch.taken().values()) - COUNT
    assert twice <= TWICE_MAX + repeated_max, f"{twice} came twice"
    assert gateway.config("GET", f"{SPACE}/deadletters").json()["deadLetters"] == []


def test_goes_on_after_its_node_was_killed(make_gateway, store_arguments, make_function):
    switch = Switch(make_function)
    session = ["--zookeeper-session", "4s"] if "--zookeeper" in store_arguments else []
    gateway = make_gateway([*store_arguments, *session])
    subscription = make_letters(gateway, switch.function, spread=10)
    await_letters(gateway)
    switch.mend()
    redrive_id = begin(gateway, subscriptionId=subscription, ratePerSecond=150)
    waits = begin(gateway, since="2020-01-01T00:00:00Z", ratePerSecond=150)
    wait_until(lambda: look(gateway, redrive_id)["redriven"] >= 50, 60, "progress")
    assert look(gateway, waits)["state"] == "waiting"
    gateway.kill()
    delivered = len(switch.taken())
    gateway.start(timeout_s=60)
    before = look(gateway, redrive_id)
    assert before["state"] in ("waiting", "running") and before["total"] == COUNT
    ended = await_end(gateway, redrive_id)
    assert (ended["state"], ended["redriven"], ended["percent"]) == ("done", COUNT, 100), ended
    assert (ended["failed"], ended["missing"]) == (0, 0), ended
    check_all_came(switch, gateway, repeated_max=delivered)
    ended = await_end(gateway, waits)  # The other one has taken all its letters.
    assert (ended["state"], ended["redriven"], ended["percent"]) == ("done", 0, 100), ended


def test_of_a_node_that_is_gone_is_taken_over_by_another_one(make_gateway, stack, make_function):
    switch = Switch(make_function)
    arguments = cluster_arguments(stack, zookeeper_session="4s")
    first, second = make_gateway(arguments), make_gateway([*arguments, "--role", "admin"])
    subscription = make_letters(first, switch.function, spread=10)
    await_letters(first)
    await_letters(second)
    switch.mend()
    redrive_id = begin(second, subscriptionId=subscription, ratePerSecond=100)
    owner = look(second, redrive_id)["node"]
    wait_until(lambda: knows(first, redrive_id) and look(first, redrive_id)["redriven"] >= 50, 60, "progress, at the other node")
    second.kill()
    ended = await_end(first, redrive_id)
    assert (ended["state"], ended["redriven"], ended["percent"]) == ("done", COUNT, 100), ended
    check_all_came(switch, first)
    assert owner not in [node["nodeId"] for node in first.config("GET", "/v1/cluster").json()["nodes"]]


def test_is_listed_and_stopped_at_any_node(make_gateway, stack, make_function):
    switch = Switch(make_function)
    arguments = cluster_arguments(stack)
    first, second = make_gateway(arguments), make_gateway([*arguments, "--role", "admin"])
    subscription = make_letters(first, switch.function, 20)
    await_letters(first, 20)
    await_letters(second, 20)
    switch.mend()
    redrive_id = begin(first, subscriptionId=subscription, ratePerSecond=1)
    wait_until(lambda: [one["redriveId"] for one in second.config("GET", f"{SPACE}/redrives").json()["redrives"]] ==
               [redrive_id], 60, "what the other node knows of it")
    wait_until(lambda: look(second, redrive_id)["redriven"] >= 1, 60, "the first letter, at the other node")
    assert second.config("DELETE", f"{SPACE}/redrives/{redrive_id}").status_code == 204
    for gateway in (second, first):
        stopped = await_end(gateway, redrive_id)
        assert stopped["state"] == "stopped" and stopped["stoppedBy"] == "127.0.0.1" and stopped["ended"]
    again = begin(second, subscriptionId=subscription)
    ended = await_end(second, again)
    assert ended["state"] == "done" and ended["total"] == ended["redriven"] < 20
    wait_until(lambda: len(switch.taken()) == 20, 60, "all letters")
    assert sum(switch.taken().values()) == 20
    assert second.config("DELETE", f"{SPACE}/redrives/{again}").status_code == 204
    assert look(second, again)["state"] == "done"  # What is over stays as it is.


def test_of_a_node_that_ends_is_handed_over(make_gateway, stack, make_function):
    switch = Switch(make_function)
    arguments = cluster_arguments(stack)
    first, second = make_gateway(arguments), make_gateway([*arguments, "--role", "admin"])
    subscription = make_letters(first, switch.function)
    await_letters(first)
    await_letters(second)
    switch.mend()
    redrive_id = begin(second, subscriptionId=subscription, ratePerSecond=100)
    wait_until(lambda: knows(first, redrive_id) and look(first, redrive_id)["redriven"] >= 50, 60, "progress")
    driver = look(first, redrive_id)["node"]
    second.stop()
    assert stored(stack, arguments, redrive_id)["owner"] != driver  # It was given away, not found abandoned.
    ended = await_end(first, redrive_id)
    assert (ended["state"], ended["redriven"], ended["percent"]) == ("done", COUNT, 100), ended
    wait_until(lambda: len(switch.taken()) == COUNT, 60, "all letters")
    assert sum(switch.taken().values()) == COUNT  # Nothing twice.


def test_egctl_waits_across_a_restart(make_gateway, tmp_path, make_function):
    switch = Switch(make_function)
    gateway = make_gateway(["dev", "--data", tmp_path / "data"])
    subscription = make_letters(gateway, switch.function)
    await_letters(gateway)
    switch.mend()
    egctl = [EGCTL, "--url", gateway.config_url, "redrive"]
    with running([*egctl, "--subscription", subscription, "--rate", "200"], stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: len(switch.taken()) > 50, 60, "progress")
        listed = subprocess.check_output([*egctl, "list"], text=True)
        assert "running" in listed or "waiting" in listed
        gateway.kill()
        gateway.start(timeout_s=60)
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert f"is done: {COUNT} of {COUNT} redriven, 0 failed" in output
    redrive_id = output.split()[1]
    assert "is done" in subprocess.check_output([*egctl, "get", redrive_id], text=True)
    header, row = subprocess.check_output([*egctl, "list"], text=True).splitlines()
    assert header.split() == [
        "REDRIVE", "STATE", "PERCENT", "REDRIVEN", "FAILED", "TOTAL", "BEGUN", "NODE", "SUBSCRIPTION"]
    assert row.split()[:6] == [redrive_id, "done", "100", str(COUNT), "0", str(COUNT)]
    assert row.split()[8] == subscription
    assert "Stopped" in subprocess.check_output([*egctl, "stop", redrive_id], text=True)
    assert "list" in subprocess.run(egctl, check=False, capture_output=True, text=True).stderr
