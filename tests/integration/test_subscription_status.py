"""What an operator sees of a subscription: its status, in the API and with egctl, and what is told of it."""

import json
import subprocess
import threading

import pytest

from conftest import cluster_arguments
from support.gateway import EGCTL, wait_until


def path_of(subscription):
    return f"/v1/spaces/default/subscriptions/{subscription['subscriptionId']}"


def status_of(gateway, subscription):
    answer = gateway.config("GET", path_of(subscription) + "/status")
    assert answer.status_code == 200, answer.text
    return answer.json()


def await_status(gateway, subscription, timeout_s=60, **members):
    """Waits until these members are so, and returns the whole."""
    def is_so():
        status = status_of(gateway, subscription)
        return status if all(status[name] == value for name, value in members.items()) else None
    return wait_until(is_so, timeout_s, f"{members}")


@pytest.fixture
def moody(make_function):
    """A function that does what an event asks it for; those that hang go on when it is set."""
    goes_on = threading.Event()

    def answer(call):
        wish = call.json()["data"]["wish"]
        if wish == "hang":
            assert goes_on.wait(600)
        return {"fail": (500, {}, b"no room \xff"), "refuse": (422, {}, b"not \x1b[31mmine")}.get(wish, (200, {}, b""))

    function = make_function(answer)
    function.goes_on = goes_on
    yield function
    goes_on.set()


def wish(gateway, what):
    answer = gateway.emit("wish", json.dumps({"wish": what}))
    assert answer.status_code == 202
    return answer.headers["Event-Id"]


def subscribe(gateway, function, **fields):
    gateway.register_event_type("wish")
    gateway.register_function("moody", function.url)
    return gateway.subscribe("moody", "wish", delivery={"retry": {"initialMs": 3_600_000, "maxMs": 3_600_000}}, **fields)


def test_a_status_tells_what_runs_waits_succeeded_and_failed(gateway, moody):
    subscription = subscribe(gateway, moody)
    status = await_status(gateway, subscription, indexBehind=0)
    assert status["state"] == "live" and status["lastSuccess"] is None and status["lastError"] is None
    assert status["inFlight"] == status["waitingForRetry"] == status["deadLetters"] == status["lostToRetention"] == 0

    good = wish(gateway, "take")
    status = wait_until(lambda: (now := status_of(gateway, subscription))["lastSuccess"] and now, what="the success")
    assert status["lastSuccess"]["eventId"] == good and status["lastSuccess"]["time"].endswith("Z")
    bad = wish(gateway, "fail")
    status = await_status(gateway, subscription, waitingForRetry=1)
    error = status["lastError"]
    assert (error["eventId"], error["status"], error["attempt"]) == (bad, 500, 1)
    assert "500" in error["reason"] and error["lastAnswerBase64"] == "bm8gcm9vbSD/"
    wish(gateway, "refuse")
    await_status(gateway, subscription, deadLetters=1)
    status = wait_until(lambda: (now := status_of(gateway, subscription))["lastError"]["status"] == 422 and now,
                        what="the refusal")
    assert status["lastError"]["lastAnswer"] == "not \x1b[31mmine"
    assert status["waitingForRetry"] == 1 and status["lastSuccess"]["eventId"] == good

    for _number in range(3):
        wish(gateway, "hang")
    await_status(gateway, subscription, inFlight=3)
    egctl = [EGCTL, "--url", gateway.config_url, "lag"]
    lines = subprocess.check_output(egctl, text=True).splitlines()
    assert lines[0].split() == ["STATE", "LAG", "IN-FLIGHT", "RETRYING", "DEAD", "LOST", "OLDEST", "SUBSCRIPTION"]
    assert lines[1].split()[2:6] == ["3", "1", "1", "0"]
    text = subprocess.check_output([*egctl, subscription["subscriptionId"]], text=True)
    assert "3 calls" in text and "status 422" in text and good in text and "\x1b" not in text
    rows = json.loads(subprocess.check_output([*egctl, subscription["subscriptionId"], "--json"], text=True))
    assert rows[0]["inFlight"] == 3 and rows[0]["lastError"]["status"] == 422

    moody.goes_on.set()
    await_status(gateway, subscription, inFlight=0)
    letters = gateway.config("GET", "/v1/spaces/default/deadletters").json()["deadLetters"]
    assert gateway.config("DELETE", f"/v1/spaces/default/deadletters/{letters[0]['deadLetterId']}").status_code == 204
    await_status(gateway, subscription, deadLetters=0)

    gateway.kill()
    gateway.start(timeout_s=60)
    status = wait_until(lambda: (now := status_of(gateway, subscription))["indexBehind"] == 0 and now, what="the index")
    assert status["waitingForRetry"] == 1 and status["lastError"]["status"] == 422 and status["deadLetters"] == 0


def test_a_node_that_dispatches_nothing_knows_what_the_others_do(stack, make_gateway, moody):
    name = cluster_arguments(stack)[cluster_arguments(stack).index("--group") + 1]
    worker = make_gateway(cluster_arguments(stack, name, role="ingest,dispatcher"))
    admin = make_gateway(cluster_arguments(stack, name, role="admin"))
    subscription = subscribe(admin, moody)
    wish(worker, "refuse")
    await_status(admin, subscription, deadLetters=1)
    wish(worker, "hang")
    status = await_status(admin, subscription, inFlight=1)
    wait_until(lambda: (status_of(admin, subscription)["lastError"] or {}).get("status") == 422, what="the refusal")
    assert status["lastSuccess"] is None
    moody.goes_on.set()
    status = await_status(admin, subscription, inFlight=0)
    wait_until(lambda: status_of(admin, subscription)["lastSuccess"], what="the success")


def test_pausing_and_resuming_by_hand_is_told_once(gateway, make_function, moody):
    listener = make_function()
    gateway.register_function("listener", listener.url)
    for name in ("subscription.suspended", "subscription.resumed"):
        gateway.subscribe("listener", "eventgateway." + name)
    subscription = subscribe(gateway, moody)
    path = path_of(subscription)

    def told():
        return [(call.json()["type"].rsplit(".", 1)[1], call.json()["data"].get("reason"))
                for call in listener.received()]

    def change(verb, suffix="", body=None):
        answer = gateway.config(verb, path + suffix, body)
        assert answer.status_code == 200, answer.text

    stored = gateway.config("GET", path).json()
    change("POST", "/pause")
    change("POST", "/pause")  # Changes nothing.
    change("PUT", body={**stored, "paused": True})
    wait_until(lambda: len(told()) == 1, what="the pause")
    assert listener.received()[0].json()["data"]["subscriptionId"] == subscription["subscriptionId"]
    change("PUT", body={**stored, "paused": False, "metadata": {"a": "b"}})
    change("POST", "/resume")
    change("PUT", body={**stored, "paused": False, "metadata": {"a": "c"}})  # Changes something else.
    wait_until(lambda: len(told()) == 2, what="the resuming")
    change("PUT", body={**stored, "paused": True})
    change("POST", "/resume")
    wait_until(lambda: len(told()) == 4, what="both again")
    assert sorted(told()) == sorted(2 * [("suspended", "paused by hand"), ("resumed", None)])
