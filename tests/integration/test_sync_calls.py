"""Synchronous calls: whatever requests and functions look like, and what the log keeps of them."""

import base64
import concurrent.futures
import json
import os
import socket
import subprocess
import threading

import pytest
import requests

from support.functions import Http2Function, RawFunction
from support.gateway import wait_until

FAILED = "Function call failed. Please check logs."


@pytest.fixture
def dev(make_gateway, tmp_path):
    """A gateway in dev mode with these settings."""
    return lambda *settings: make_gateway(["dev", "--data", str(tmp_path / "data"), *settings])


@pytest.fixture
def made():
    things = []
    yield lambda thing: things.append(thing) or thing
    for thing in things:
        thing.close()


def answer_ok(call):
    return 200, {"Content-Type": "application/json"}, b'{"statusCode":200,"body":"ok"}'


def subscribe(gateway, url, path="/", method="POST", function_id="f", **fields):
    gateway.register_function(function_id, url, **fields)
    gateway.subscribe(function_id, "http.request", kind="sync", path=path, method=method)


BODIES = [
    ("application/json", b'{"z":1,"a":[1.50]}', lambda data: data == {"z": 1, "a": [1.5]}),
    ("application/json; charset=utf-8", b"7", lambda data: data == 7),
    ("application/json", b"not json", lambda data: base64.b64decode(data) == b"not json"),
    ("application/vnd.x+json", b"[]", lambda data: data == []),
    ("text/plain", "Grüße".encode(), lambda data: data == "Grüße"),
    ("text/plain", b"\xff\xfe", lambda data: base64.b64decode(data) == b"\xff\xfe"),
    ("application/x-www-form-urlencoded", b"a=1&b=2", lambda data: data == "a=1&b=2"),
    ("application/xml", b"<a/>", lambda data: data == "<a/>"),
    ("application/octet-stream", bytes(range(256)), lambda data: base64.b64decode(data) == bytes(range(256))),
    (None, b"x", lambda data: base64.b64decode(data) == b"x"),
    ("application/json", b"", lambda data: data == ""),
]


def test_every_kind_of_body_reaches_the_function(gateway, make_function):
    function = make_function(answer_ok)
    subscribe(gateway, function.url, "/bodies")
    for content_type, body, is_right in BODIES:
        headers = {"Content-Type": content_type} if content_type else {"Content-Type": None}
        answer = gateway.send("POST", "/bodies", body, headers)
        assert (answer.status_code, answer.text) == (200, "ok"), (content_type, body)
        data = function.received()[-1].json()["data"]["body"]
        assert is_right(data), (content_type, body, data)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_path_query_and_header_reaches_the_function(gateway, make_function, method):
    function = make_function(answer_ok)
    subscribe(gateway, function.url, "/shops/:shop/files/*path", method)
    answer = gateway.send(method, "/shops/caf%C3%A9/files/a/b%2Fc?x=1&x=2&y=%20+&z", b"",
                          {"X-One": "1", "Cookie": "a=b"})
    assert (answer.status_code, answer.text) == (200, "ok")
    data = function.received()[-1].json()["data"]
    assert data["method"] == method
    assert data["path"] == "/shops/caf%C3%A9/files/a/b%2Fc"
    assert data["params"] == {"shop": "café", "path": "a/b/c"}
    assert data["query"] == {"x": ["1", "2"], "y": ["  "], "z": [""]}
    assert data["host"] == gateway.events_url.removeprefix("http://")
    assert data["headers"]["X-One"] == "1" and data["headers"]["Cookie"] == "a=b"


def test_an_answer_has_the_status_headers_and_body_that_the_function_says(gateway, make_function):
    says = {}
    function = make_function(lambda call: (200, {}, json.dumps(says).encode()))
    subscribe(gateway, function.url, "/a", "GET")

    def ask():
        return gateway.send("GET", "/a")

    says.update({"statusCode": 201, "headers": {"Location": "/b", "Content-Type": "text/x", "X-Umlaut": "a"}, "body": "é"})
    answer = ask()
    assert answer.status_code == 201 and answer.headers["Location"] == "/b"
    assert answer.headers["Content-Type"] == "text/x" and answer.content == "é".encode()
    says.clear()
    says.update({"body": base64.b64encode(bytes(range(256))).decode(), "isBase64Encoded": True})
    assert ask().content == bytes(range(256))
    says.clear()
    says.update({"body": {"a": [1]}})
    answer = ask()
    assert answer.json() == {"a": [1]} and answer.headers["Content-Type"] == "application/json"
    for status in (204, 304):
        says.clear()
        says.update({"statusCode": status, "body": "not for this status"})
        assert (ask().status_code, ask().content) == (status, b"")
    says.clear()
    says.update({"statusCode": 302, "headers": {"Location": "/elsewhere"}})
    assert gateway.send("GET", "/a", allow_redirects=False).status_code == 302


def test_head_gets_no_body(gateway, make_function):
    function = make_function(answer_ok)
    subscribe(gateway, function.url, "/a", "HEAD")
    answer = gateway.send("HEAD", "/a")
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_invoke_answers_as_the_function_did(gateway, make_function):
    function = make_function(lambda call: (404, {"Content-Type": "image/x"}, bytes(range(256))))
    gateway.register_function("f", function.url)
    answer = gateway.emit("invoke", b"abc", "text/plain", Function_ID="f", **{"Function-ID": "f"})
    assert answer.status_code == 200 and answer.content == bytes(range(256))
    assert answer.headers["Content-Type"] == "image/x"
    assert gateway.emit("invoke", b"", **{"Function-ID": "g"}).text == "unable to look up registered function"


def head(status="200 OK", *headers):
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


def endless(connection, body):
    connection.sendall(head("200 OK", "Transfer-Encoding: chunked"))
    chunk = b"%x\r\n%s\r\n" % (65536, b"x" * 65536)
    while True:
        connection.sendall(chunk)


def send_and_close(data):
    def script(connection, body):
        connection.sendall(data)
        return False
    return script


BAD_ANSWERS = {
    "endless": endless,
    "too large": send_and_close(head("200 OK", "Content-Length: 7000000") + b"x" * 100),
    "too large a head": send_and_close(head("200 OK", *(f"X-{i}: {'x' * 1000}" for i in range(100)), "Content-Length: 0")),
    "cut off in the head": send_and_close(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "cut off in the body": send_and_close(head("200 OK", "Content-Length: 100") + b'{"statusCode"'),
    "cut off before it begins": send_and_close(b""),
    "cut off in a chunk": send_and_close(head("200 OK", "Transfer-Encoding: chunked") + b"20\r\n{"),
    "no HTTP": send_and_close(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "binary rubbish": send_and_close(bytes(range(256)) * 10),
    "a redirect": send_and_close(head("302 Found", "Location: http://127.0.0.1:1/", "Content-Length: 0")),
    "a server's error": send_and_close(head("503 Service Unavailable", "Content-Length: 2") + b"{}"),
}


@pytest.mark.parametrize("what", BAD_ANSWERS)
def test_a_bad_answer_is_a_500_for_its_caller_alone(dev, made, make_function, what):
    gateway = dev()
    bad = made(RawFunction(BAD_ANSWERS[what]))
    good = make_function(answer_ok)
    subscribe(gateway, bad.url, "/bad", "GET", "bad")
    subscribe(gateway, good.url, "/good", "GET", "good")
    answer = gateway.send("GET", "/bad")
    assert (answer.status_code, answer.text) == (500, FAILED)
    assert gateway.emit("invoke", b"", **{"Function-ID": "bad"}).status_code == 500
    assert gateway.send("GET", "/good").text == "ok"


def test_an_answer_that_is_no_response_object_is_malformed(gateway, make_function):
    function = make_function(lambda call: (200, {}, b"<html>"))
    subscribe(gateway, function.url, "/a", "GET")
    answer = gateway.send("GET", "/a")
    assert (answer.status_code, answer.text) == (500, "HTTP response object malformed")


def test_a_function_that_is_nowhere_is_a_500(dev):
    gateway = dev()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    subscribe(gateway, f"http://127.0.0.1:{port}/", "/refused", "GET", "refused")
    subscribe(gateway, "http://no-such-host.invalid/", "/unknown", "GET", "unknown")
    subscribe(gateway, "http://169.254.169.254/", "/forbidden", "GET", "forbidden")
    for path in ("/refused", "/unknown", "/forbidden"):
        answer = gateway.send("GET", path)
        assert (answer.status_code, answer.text) == (500, FAILED), path
    assert "169.254" not in gateway.send("GET", "/forbidden").text


class Silence:
    """A function that takes calls and says nothing until the caller has left."""

    def __init__(self):
        self.called = threading.Semaphore(0)
        self.left = threading.Semaphore(0)
        self.function = RawFunction(self.script)
        self.url = self.function.url
        self.close = self.function.close

    def script(self, connection, body):
        self.called.release()
        connection.settimeout(60)
        if connection.recv(1) == b"":
            self.left.release()
        return False


def test_a_function_that_is_too_slow_is_a_500_after_the_deadline(dev, made):
    gateway = dev("--sync-timeout", "300ms")
    silence = made(Silence())
    subscribe(gateway, silence.url, "/slow", "GET")
    answer = gateway.send("GET", "/slow")
    assert (answer.status_code, answer.text) == (500, FAILED)
    assert silence.left.acquire(timeout=60)
    assert gateway.metrics()['eventgateway_sync_calls_total{outcome="timed out"}'] == 1


def test_the_deadline_also_counts_the_wait_for_a_place_at_the_host(dev, made):
    """256 calls run at a host at once; the one behind them waits no longer than any other."""
    gateway = dev("--sync-timeout", "2s", "--workers", "1")
    silence = made(Silence())
    subscribe(gateway, silence.url, "/slow", "GET")
    with concurrent.futures.ThreadPoolExecutor(300) as pool:
        answers = list(pool.map(lambda _: requests.get(gateway.events_url + "/slow", timeout=60).status_code,
                                range(300)))
    assert answers == [500] * 300
    assert gateway.metrics()['eventgateway_sync_calls_total{outcome="timed out"}'] == 300


def open_files(gateway):
    return len(os.listdir(f"/proc/{gateway.pid}/fd"))


def test_a_caller_who_hangs_up_ends_the_call_and_leaves_nothing(dev, made):
    gateway = dev("--workers", "1")
    silence = made(Silence())
    subscribe(gateway, silence.url, "/slow", "GET")
    address = ("127.0.0.1", gateway.events_port)
    before = open_files(gateway)
    for _ in range(100):
        with socket.create_connection(address) as client:
            client.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
            assert silence.called.acquire(timeout=60)
        assert silence.left.acquire(timeout=60)
    wait_until(lambda: gateway.metrics().get('eventgateway_events_requests_total{code="499"}') == 100)
    wait_until(lambda: open_files(gateway) <= before + 5)
    assert gateway.metrics()['eventgateway_sync_calls_total{outcome="cancelled"}'] == 100


def test_calls_use_kept_connections(dev, made):
    gateway = dev("--workers", "1")
    function = made(RawFunction(lambda connection, body: connection.sendall(
        head("200 OK", "Content-Length: 19") + b'{"statusCode": 200}') or True))
    subscribe(gateway, function.url, "/a", "GET")
    for _ in range(50):
        assert gateway.send("GET", "/a").status_code == 200
    assert function.connections == 1


def assert_streams_of_one_connection(gateway, function):
    """20 calls beside each other, all inside before any is answered."""
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(requests.post, gateway.events_url + "/two", b"y" * 20_000, timeout=60) for _ in range(20)]
        wait_until(lambda: function.inside == 20)
        function.release()
        answers = [call.result() for call in calls]
    assert {(answer.status_code, answer.headers.get("X-Version")) for answer in answers} == {(200, "2")}
    # A call that begins while the first connection is still being made may open one more.
    assert len(function.peers) <= 3


def test_functions_that_speak_http2_get_it(dev, made):
    gateway = dev("--workers", "1")
    function = made(Http2Function(holds=True))
    subscribe(gateway, function.url, "/two", "POST", "two", provider={"http2": True})
    subscribe(gateway, made(Http2Function()).url, "/one", "POST", "one")
    assert gateway.send("POST", "/one", b"x").headers["X-Version"] == "1.1"
    assert_streams_of_one_connection(gateway, function)
    # And once more over the connection that is there.
    peers = len(function.peers)
    assert gateway.send("POST", "/two", b"x").headers["X-Version"] == "2"
    assert len(function.peers) == peers


def test_an_http2_function_that_was_away_is_called_by_a_new_connection(dev, made):
    gateway = dev("--workers", "1")
    function = Http2Function()
    subscribe(gateway, function.url, "/two", "POST", "two", provider={"http2": True})
    assert gateway.send("POST", "/two", b"x").headers["X-Version"] == "2"
    function.close()
    assert gateway.send("POST", "/two", b"x").status_code == 500
    made(Http2Function(port=function.port))
    for _ in range(3):
        assert gateway.send("POST", "/two", b"x").headers["X-Version"] == "2"


@pytest.fixture
def certificate(tmp_path):
    files = [str(tmp_path / name) for name in ("function.pem", "function.key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=function",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]],
                   check=True, capture_output=True)
    return files


def test_http2_is_agreed_on_over_tls(dev, made, certificate):
    function = made(Http2Function(holds=True, certificate=certificate))
    gateway = dev("--workers", "1", "--function-ca-file", certificate[0])
    subscribe(gateway, function.url, "/two", "POST", "two", provider={"http2": True})
    subscribe(gateway, made(Http2Function(certificate=certificate)).url, "/one", "POST", "one")
    assert gateway.send("POST", "/one", b"x").headers["X-Version"] == "1.1"
    assert_streams_of_one_connection(gateway, function)


def test_a_certificate_that_nobody_vouches_for_is_refused(dev, made, certificate):
    function = made(Http2Function(certificate=certificate))
    gateway = dev()
    subscribe(gateway, function.url, "/two", "POST", "two", provider={"http2": True})
    assert gateway.send("POST", "/two", b"x").text == FAILED
    assert function.peers == set()


def test_a_caller_who_hangs_up_resets_its_http2_stream_alone(dev, made):
    gateway = dev("--workers", "1")
    function = made(Http2Function(holds=True))
    subscribe(gateway, function.url, "/two", "POST", "two", provider={"http2": True})
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        others = [pool.submit(requests.post, gateway.events_url + "/two", b"x", timeout=60)]
        wait_until(lambda: function.inside == 1)
        with socket.create_connection(("127.0.0.1", gateway.events_port)) as client:
            client.sendall(b"POST /two HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            wait_until(lambda: function.inside == 2)
        # curl 7.88 sends the reset together with what it sends next over this connection.
        wait_until(lambda: gateway.metrics().get('eventgateway_events_requests_total{code="499"}') == 1)
        others.append(pool.submit(requests.post, gateway.events_url + "/two", b"x", timeout=60))
        wait_until(lambda: function.cancelled == 1)
        function.release()
        assert [other.result().status_code for other in others] == [200, 200]
        assert len(function.peers) == 1


def test_asynchronous_subscribers_get_what_was_answered_synchronously(gateway, make_function):
    answering = make_function(answer_ok)
    listening = make_function()
    subscribe(gateway, answering.url, "/orders/:id", "POST", "answering")
    gateway.register_function("listening", listening.url)
    gateway.subscribe("listening", "http.request", path="/orders/:order", method="POST")
    for number in range(10):
        assert gateway.send("POST", f"/orders/{number}", b"{}", {"Content-Type": "application/json"}).text == "ok"
    wait_until(lambda: listening.count() >= 10)
    calls = listening.received()
    assert sorted(call.json()["data"]["params"]["order"] for call in calls) == [str(n) for n in range(10)]
    assert {call.json()["id"] for call in calls} == {call.json()["id"] for call in answering.received()}
    assert answering.count() == 10


def test_what_is_not_recorded_reaches_nobody_else(dev, make_function):
    gateway = dev("--record-sync", "off")
    answering = make_function(answer_ok)
    listening = make_function()
    subscribe(gateway, answering.url, "/a", "POST", "answering")
    gateway.register_function("listening", listening.url)
    gateway.subscribe("listening", "http.request", path="/a", method="POST")
    gateway.register_event_type("last")
    gateway.subscribe("listening", "last")
    assert gateway.send("POST", "/a").text == "ok"
    gateway.emit("last")
    wait_until(lambda: listening.count() == 1)
    assert listening.received()[0].json()["type"] == "last"


def test_a_durable_call_is_stored_when_it_is_answered(make_gateway, store_arguments, make_function):
    gateway = make_gateway([*store_arguments, "--record-sync", "durable"])
    answering = make_function(answer_ok)
    listening = make_function()
    subscribe(gateway, answering.url, "/a", "POST", "answering")
    gateway.register_function("listening", listening.url)
    gateway.subscribe("listening", "http.request", path="/a", method="POST")
    assert gateway.send("POST", "/a").text == "ok"
    gateway.kill()
    listening.clear()
    gateway.start()
    # It may have been delivered before the kill, and then once more at the most.
    gateway.register_event_type("last")
    gateway.subscribe("listening", "last")
    gateway.emit("last")
    wait_until(lambda: any(call.json()["type"] == "last" for call in listening.received()))


def test_a_classic_http_subscription_is_synchronous(gateway, make_function):
    function = make_function(answer_ok)
    assert gateway.config("POST", "/v1/functions", {
        "functionId": "old", "provider": {"type": "http", "url": function.url}}).status_code == 200
    answer = gateway.config("POST", "/v1/subscriptions", {
        "functionId": "old", "event": "http", "method": "POST", "path": "/users/:id",
        "cors": {"origins": ["https://page.example"]}})
    assert answer.status_code == 200, answer.text
    answer = gateway.send("POST", "/users/7?a=1", b'{"b":2}',
                          {"Content-Type": "application/json", "Origin": "https://page.example"})
    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
    event = function.received()[0].json()
    assert event["event"] == "http" and event["dataType"] == "application/json"
    assert event["data"]["params"] == {"id": "7"} and event["data"]["body"] == {"b": 2}
    assert event["data"]["headers"]["Content-Type"] == ["application/json"]
    preflight = gateway.send("OPTIONS", "/users/7", headers={
        "Origin": "https://page.example", "Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://page.example"
