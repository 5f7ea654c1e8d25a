"""The operations API: events and what came of them, dead letters, redriving, emitting; on both stores."""

import json
import socket
import uuid

import pytest

from support.gateway import wait_until

SPACE = "/v1/spaces/default"


def events(gateway, query="", space="default"):
    answer = gateway.config("GET", f"/v1/spaces/{space}/events{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(gateway, query="", space="default"):
    return [event["id"] for event in events(gateway, query, space)["events"]]


def emit_numbered(gateway, count, event_type="order", **headers):
    """Events with the ids n-0, n-1, ...; one after the other, so that each has its own time."""
    for number in range(count):
        answer = gateway.send("POST", "/", json.dumps({"number": number}), {
            "ce-specversion": "1.0", "ce-id": f"n-{number}", "ce-type": event_type, "ce-source": "/test",
            "Content-Type": "application/json", **headers})
        assert answer.status_code == 202, answer.text


def letters(gateway, query=""):
    answer = gateway.config("GET", f"{SPACE}/deadletters{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()["deadLetters"]


def make_letters(gateway, function, count, subscription_path="/"):
    """Each event of type job is given up after its first attempt."""
    gateway.register_function("broken", function.url)
    gateway.register_event_type("job")
    subscription = gateway.subscribe("broken", "job", path=subscription_path,
                                     delivery={"retry": {"maxAttempts": 1}})
    emit_numbered(gateway, count, "job")
    wait_until(lambda: len(letters(gateway)) == count, what="the dead letters")
    return subscription["subscriptionId"]


def test_events_are_listed_newest_first_by_pages(gateway):
    emit_numbered(gateway, 7)
    wait_until(lambda: len(ids(gateway)) == 7, what="the index")
    assert ids(gateway) == [f"n-{number}" for number in reversed(range(7))]
    found, query = [], "?limit=3"
    for _ in range(10):
        page = events(gateway, query)
        found += [event["id"] for event in page["events"]]
        assert len(page["events"]) <= 3
        if "cursor" not in page:
            break
        query = f"?limit=3&cursor={page['cursor']}"
    assert found == [f"n-{number}" for number in reversed(range(7))]


def test_events_are_found_by_every_filter(gateway):
    emit_numbered(gateway, 2, "order.created", **{"ce-subject": "Ada"})
    emit_numbered(gateway, 1, "order.paid")
    gateway.send("POST", "/", b"x", {"ce-specversion": "1.0", "ce-id": "other", "ce-type": "order.paid",
                                     "ce-source": "/bank", "Space": "team1"})
    wait_until(lambda: len(ids(gateway)) == 3 and ids(gateway, space="team1"), what="the index")
    assert ids(gateway, "?type=order.paid") == ["n-0"]
    assert ids(gateway, "?subject=Ada") == ["n-1", "n-0"]
    assert ids(gateway, "?q=ADA&limit=1") == ["n-1"]
    assert ids(gateway, "?source=/bank") == []
    assert ids(gateway, "?status=delivered") == []
    assert ids(gateway, space="team1") == ["other"]
    first = events(gateway, "?type=order.created")["events"][-1]["receivedTime"]
    assert len(ids(gateway, f"?since={first}")) == 3
    assert ids(gateway, f"?until={first}") == []


@pytest.mark.parametrize("query, word", [
    ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=", "limit"),
    ("since=yesterday", "since"), ("until=1", "until"), ("status=lost", "status"), ("cursor=%00", "cursor"),
    ("cursor=MTIz", "cursor")])
def test_bad_parameters_are_named(make_gateway, tmp_path, query, word):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    answer = wait_for_index(gateway, f"{SPACE}/events?{query}")
    assert answer.status_code == 400, answer.text
    assert word in answer.json()["errors"][0]["message"]


def wait_for_index(gateway, path):
    """While the file is being opened the answer is 503."""
    def answered():
        answer = gateway.config("GET", path)
        return (answer,) if answer.status_code != 503 else None

    return wait_until(answered, what="the index")[0]


def test_an_event_shows_its_data_and_its_deliveries(gateway, function, make_function):
    broken = make_function(lambda call: (422, {}, b"no such \xff customer"))
    gateway.register_function("good", function.url)
    gateway.register_function("bad", broken.url)
    gateway.register_event_type("order")
    gateway.subscribe("good", "order")
    gateway.subscribe("bad", "order")
    gateway.send("POST", "/", b'{"total": 12.50, "big": 12345678901234567890}', {
        "ce-specversion": "1.0", "ce-id": "e/1", "ce-type": "order", "ce-source": "/shop", "ce-amount": "3",
        "Content-Type": "application/json"})

    def shown():
        answer = gateway.config("GET", f"{SPACE}/events/e%2F1")
        return answer.ok and len(answer.json()["deliveries"]) == 2 and answer

    answer = wait_until(shown, what="both outcomes")
    assert '"total": 12.50' in answer.text and "12345678901234567890" in answer.text, "the data as it came"
    event = answer.json()
    assert event["event"]["amount"] == "3"
    assert event["status"] == "failed"
    states = {one["state"]: one for one in event["deliveries"]}
    assert set(states) == {"delivered", "dead-lettered"}
    assert states["delivered"]["lastStatus"] == 200
    assert states["dead-lettered"]["lastStatus"] == 422
    assert states["dead-lettered"]["attempts"] == 1
    assert states["dead-lettered"]["lastAnswerBase64"] == "bm8gc3VjaCD/IGN1c3RvbWVy"
    assert gateway.config("GET", f"{SPACE}/events/e%2F1?source=/other").status_code == 404
    assert gateway.config("GET", f"{SPACE}/events/nothing").status_code == 404
    assert gateway.config("GET", "/v1/spaces/other/events/e%2F1").status_code == 404


def test_events_are_emitted_and_delivered(gateway, function):
    gateway.register_function("hello", function.url)
    gateway.register_event_type("user.created")
    gateway.subscribe("hello", "user.created")
    plain = gateway.config("POST", f"{SPACE}/events", {"type": "user.created", "data": {"name": "Ada"}})
    assert plain.status_code == 202, plain.text
    assert len(plain.json()["eventIds"]) == 1
    batch = gateway.config("POST", f"{SPACE}/events", [
        {"specversion": "1.0", "type": "user.created", "source": "/x", "id": str(number)} for number in range(2)],
        headers={"Content-Type": "application/cloudevents-batch+json"})
    assert batch.json() == {"eventIds": ["0", "1"]}
    wait_until(lambda: function.count() == 3, what="three deliveries")
    assert {call.json()["id"] for call in function.received()} == {"0", "1", plain.json()["eventIds"][0]}


@pytest.mark.parametrize("body, headers", [
    ("", {"Content-Type": "application/json"}), ("{}", {"Content-Type": "application/json"}),
    ('{"data":1}', {"Content-Type": "application/json"}), ("[]", {"Content-Type": "application/json"}),
    ('{"type":"gateway.x"}', {"Content-Type": "application/json"}), ("x", {}), ("x", {"Event": "invoke"})])
def test_what_is_no_event_is_refused(make_gateway, tmp_path, body, headers):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    answer = gateway.config("POST", f"{SPACE}/events", None, data=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["message"]


def test_dead_letters_are_listed_shown_and_deleted(gateway, make_function):
    function = make_function(lambda call: (500, {}, b"out of order"))
    subscription = make_letters(gateway, function, 3)
    found = letters(gateway, f"?subscriptionId={subscription}")
    assert [letter["eventId"] for letter in found] == ["n-2", "n-1", "n-0"] or len(found) == 3
    assert letters(gateway, "?subscriptionId=other") == []
    letter = found[0]
    shown = gateway.config("GET", f"{SPACE}/deadletters/{letter['deadLetterId']}").json()
    assert shown["subscriptionId"] == subscription and shown["functionId"] == "broken"
    assert shown["lastStatus"] == 500 and shown["attempts"] == 1 and shown["lastAnswer"] == "out of order"
    assert shown["event"]["id"] == letter["eventId"]
    assert gateway.config("DELETE", f"{SPACE}/deadletters/{letter['deadLetterId']}").status_code == 204
    assert letter["deadLetterId"] not in [one["deadLetterId"] for one in letters(gateway)]
    for method in ("GET", "DELETE"):
        for identity in (letter["deadLetterId"], "9-9", "x"):
            assert gateway.config(method, f"{SPACE}/deadletters/{identity}").status_code == 404


def redrive(gateway, body, expect=201):
    answer = gateway.config("POST", f"{SPACE}/deadletters/redrive", body)
    assert answer.status_code == expect, answer.text
    return answer.json()


def await_redrive(gateway, identity):
    path = f"{SPACE}/redrives/{identity}"
    return wait_until(lambda: (one := gateway.config("GET", path).json())["state"] not in ("waiting", "running") and one,
                      what="the redrive's end")


def test_dead_letters_are_redriven_to_their_subscription_alone(gateway, make_function):
    is_broken = True
    broken = make_function(lambda call: (500 if is_broken else 200, {}, b""))
    bystander = make_function()
    gateway.register_function("bystander", bystander.url)
    subscription = make_letters(gateway, broken, 5)
    gateway.subscribe("bystander", "job")
    is_broken = False
    before = broken.count()

    one = letters(gateway)[0]["deadLetterId"]
    begun = redrive(gateway, {"ids": [one]})
    assert begun["total"] == 1
    assert await_redrive(gateway, begun["redriveId"])["redriven"] == 1
    wait_until(lambda: broken.count() == before + 1, what="one letter")

    begun = redrive(gateway, {"subscriptionId": subscription})
    assert begun["total"] == 4
    ended = await_redrive(gateway, begun["redriveId"])
    assert (ended["state"], ended["redriven"], ended["percent"]) == ("done", 4, 100)
    assert letters(gateway) == []
    wait_until(lambda: broken.count() == before + 5, what="all letters")
    assert {call.json()["id"] for call in broken.received()[before:]} == {f"n-{number}" for number in range(5)}
    assert bystander.count() == 0
    listed = gateway.config("GET", f"{SPACE}/redrives").json()["redrives"]
    assert [item["total"] for item in listed] == [4, 1]

    def delivered():
        return gateway.config("GET", f"{SPACE}/events/n-0").json()["status"] == "delivered"

    wait_until(delivered, what="the outcome after the redrive")


def test_a_redriven_letter_that_fails_again_is_a_dead_letter_again(gateway, make_function):
    broken = make_function(lambda call: (500, {}, b""))
    make_letters(gateway, broken, 1)
    first = letters(gateway)[0]["deadLetterId"]
    await_redrive(gateway, redrive(gateway, {"since": "2020-01-01T00:00:00Z"})["redriveId"])
    wait_until(lambda: [one["deadLetterId"] for one in letters(gateway)] not in ([], [first]), what="a new letter")
    assert len(letters(gateway)) == 1


def test_a_redrive_at_a_rate_can_be_stopped(gateway, make_function):
    is_broken = True
    broken = make_function(lambda call: (500 if is_broken else 200, {}, b""))
    subscription = make_letters(gateway, broken, 6)
    is_broken = False
    begun = redrive(gateway, {"subscriptionId": subscription, "ratePerSecond": 1})
    path = f"{SPACE}/redrives/{begun['redriveId']}"
    wait_until(lambda: gateway.config("GET", path).json()["redriven"] >= 1, what="the first letter")
    running = gateway.config("GET", path).json()
    assert running["state"] == "running" and running["ratePerSecond"] == 1
    assert gateway.config("DELETE", path).status_code == 204
    assert await_redrive(gateway, begun["redriveId"])["state"] == "stopped"
    assert len(letters(gateway)) >= 3


def test_letters_of_a_subscription_that_is_gone_stay(gateway, make_function):
    broken = make_function(lambda call: (500, {}, b""))
    subscription = make_letters(gateway, broken, 2)
    assert gateway.config("DELETE", f"{SPACE}/subscriptions/{subscription}").status_code == 204
    ended = await_redrive(gateway, redrive(gateway, {"subscriptionId": subscription})["redriveId"])
    assert (ended["redriven"], ended["failed"]) == (0, 2)
    assert "subscription" in ended["lastFailure"]
    assert len(letters(gateway)) == 2


@pytest.mark.parametrize("body, word", [
    ({}, "ids"), ([], "object"), ({"ids": []}, "ids"), ({"ids": ["x"]}, "ids"), ({"ids": [1]}, "ids"),
    ({"ids": ["0-5"] * 1001}, "ids"), ({"subscriptionId": 1}, "subscriptionId"), ({"since": "now"}, "since"),
    ({"subscriptionId": "a", "ratePerSecond": 0}, "ratePerSecond"), ({"subscription": "a"}, "subscription")])
def test_a_redrive_that_makes_no_sense_is_refused(make_gateway, tmp_path, body, word):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    assert word in redrive(gateway, body, 400)["errors"][0]["message"]


def test_paths_that_are_none(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    wait_for_index(gateway, f"{SPACE}/events")
    assert gateway.config("PUT", f"{SPACE}/events").status_code == 405
    assert gateway.config("DELETE", f"{SPACE}/events/x").status_code == 405
    assert gateway.config("POST", f"{SPACE}/deadletters").status_code == 405
    assert gateway.config("GET", f"{SPACE}/redrives/x").status_code == 404
    assert gateway.config("DELETE", f"{SPACE}/redrives/x").status_code == 404
    assert redrive(gateway, {"ids": ["7-7"]}, 404)


def test_the_index_survives_a_restart_and_can_be_thrown_away(make_gateway, tmp_path):
    data = tmp_path / "data"
    gateway = make_gateway(["dev", "--data", str(data)])
    emit_numbered(gateway, 5)
    wait_until(lambda: len(ids(gateway)) == 5, what="the index")
    assert gateway.stop() == 0
    gateway = make_gateway(["dev", "--data", str(data)])
    wait_for_index(gateway, f"{SPACE}/events")
    wait_until(lambda: len(ids(gateway)) == 5, what="the index after the restart")
    assert gateway.stop() == 0
    for path in data.glob("*.index*"):
        path.unlink()
    gateway = make_gateway(["dev", "--data", str(data)])
    wait_for_index(gateway, f"{SPACE}/events")
    wait_until(lambda: len(ids(gateway)) == 5, what="the index that was made anew")


def test_every_admin_node_has_its_index(make_gateway, stack, make_function):
    from conftest import cluster_arguments
    arguments = cluster_arguments(stack)
    first, second = make_gateway(arguments), make_gateway([*arguments, "--role", "admin"])
    function = make_function(lambda call: (500, {}, b""))
    make_letters(first, function, 2)
    wait_for_index(second, f"{SPACE}/events")
    wait_until(lambda: len(ids(second)) == 2 and len(letters(second)) == 2, what="the other node's index")
    one = letters(second)[0]["deadLetterId"]
    assert second.config("DELETE", f"{SPACE}/deadletters/{one}").status_code == 204
    wait_until(lambda: len(letters(first)) == 1, what="the mark on the first node")


def test_a_token_is_needed(make_gateway, tmp_path):
    token = tmp_path / "token"
    token.write_text(uuid.uuid4().hex)
    token.chmod(0o600)
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data"), "--admin-token-file", str(token)])
    for path in ("events", "events/x", "deadletters", "redrives"):
        assert gateway.config("GET", f"{SPACE}/{path}").status_code == 401


class Viewer:
    """GET events/stream on a socket of its own; lines() gives what came since the last call."""

    def __init__(self, gateway, query="", space="default"):
        self.socket = socket.create_connection(("127.0.0.1", gateway.config_port), timeout=30)
        self.socket.sendall(f"GET /v1/spaces/{space}/events/stream{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        self.received = b""
        self.until(b": live")

    def until(self, text):
        while text not in self.received:
            piece = self.socket.recv(65536)
            assert piece, f"the stream ended without {text}: {self.received[-500:]}"
            self.received += piece
        return self.received

    def events(self):
        return [json.loads(line[6:]) for line in self.received.decode().splitlines() if line.startswith("data: {\"id\"")]

    def close(self):
        self.socket.close()


def viewers(gateway):
    return gateway.metrics().get("eventgateway_event_stream_viewers", 0)


def test_events_are_streamed_live(gateway):
    everything, orders = Viewer(gateway), Viewer(gateway, "?type=order&subject=Ada")
    other_space = Viewer(gateway, space="team1")
    emit_numbered(gateway, 2, "user")
    emit_numbered(gateway, 1, "order", **{"ce-subject": "Bob"})
    gateway.send("POST", "/", b'{"a":\n1.50}', {
        "ce-specversion": "1.0", "ce-id": "last", "ce-type": "order", "ce-source": "/test", "ce-subject": "Ada",
        "Content-Type": "application/json"})
    orders.until(b'"id":"last"')
    orders.until(b"1.50}}")
    assert [event["id"] for event in orders.events()] == ["last"]
    assert orders.events()[0]["event"]["data"] == {"a": 1.5}
    for text in (b'"id":"last"', b'"subject":"Bob"', b'"id":"n-1"', b"1.50}}"):
        everything.until(text)
    gateway.send("POST", "/", b"x", {"ce-specversion": "1.0", "ce-id": "for team1", "ce-type": "order",
                                     "ce-source": "/test", "Space": "team1"})
    other_space.until(b'"for team1"')
    assert [event["id"] for event in other_space.events()] == ["for team1"]
    for viewer in (everything, orders, other_space):
        viewer.close()
    wait_until(lambda: viewers(gateway) == 0, what="the viewers to be forgotten")
    # And once more, after the log's end was left alone.
    again = Viewer(gateway)
    emit_numbered(gateway, 1, "again")
    again.until(b'"type":"again"')
    assert [event["type"] for event in again.events()] == ["again"]
    again.close()


def test_a_viewer_that_does_not_read_costs_little_and_is_told(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    viewer = Viewer(gateway)
    data = json.dumps("x" * 40000)
    for number in range(400):
        gateway.send("POST", "/", data, {"ce-specversion": "1.0", "ce-id": f"{number}", "ce-type": "large",
                                         "ce-source": "/test", "Content-Type": "application/json"})
    wait_until(lambda: len(ids(gateway, "?limit=1000")) == 400, what="all events")
    memory = int(next(line for line in open(f"/proc/{gateway.pid}/status") if line.startswith("VmRSS")).split()[1])
    assert memory < 200_000, "kB"
    viewer.socket.settimeout(30)
    emit_numbered(gateway, 1, "end")

    def told():
        viewer.received += viewer.socket.recv(1 << 20)
        emit_numbered(gateway, 1, "end")
        return b"event: skipped" in viewer.received

    wait_until(told, what="what was skipped")
    viewer.close()


def test_a_stopped_gateway_ends_its_streams(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    open_streams = [Viewer(gateway) for _ in range(20)]
    assert gateway.stop(timeout_s=20) == 0
    for viewer in open_streams:
        while viewer.socket.recv(65536):
            pass
        viewer.close()


def test_there_are_not_more_viewers_than_it_can_serve(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", str(tmp_path / "data")])
    open_streams = [Viewer(gateway) for _ in range(100)]
    answer = gateway.config("GET", f"{SPACE}/events/stream")
    assert answer.status_code == 503 and "Retry-After" in answer.headers
    for viewer in open_streams:
        viewer.close()
    wait_until(lambda: viewers(gateway) == 0, what="the viewers to be forgotten")
    Viewer(gateway).close()
