"""Whatever comes in: a clear refusal, a metric that moves, bounded memory, and a gateway that goes on."""

import json
import pathlib
import re
import resource
import socket
import threading
import time

import pytest
import requests

from conftest import cluster_arguments
from support.gateway import subscription_path, wait_until

CE = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}
JSON = {"Content-Type": "application/json"}
STRUCTURED = {"Content-Type": "application/cloudevents+json"}
EVENT = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def message(answer):
    return answer.json()["errors"][0]["message"]


def requests_counted(gateway, code):
    return gateway.metrics().get(f'eventgateway_events_requests_total{{code="{code}"}}', 0)


def assert_goes_on(gateway):
    assert requests.post(gateway.events_url, data=b"{}", headers={"Event": "still.here", **JSON},
                         timeout=30).status_code == 202


def address(gateway):
    return ("127.0.0.1", gateway.events_port)


def raw_request(gateway, data, timeout_s=20):
    """What comes back for these bytes until the gateway closes or has answered one request."""
    with socket.create_connection(address(gateway), timeout_s) as connection:
        connection.sendall(data)
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = connection.recv(65536)
            if not chunk:
                break
            answer += chunk
        head, _end, body = answer.partition(b"\r\n\r\n")
        size = re.search(rb"content-length: *(\d+)", head, re.I)
        while size and len(body) < int(size.group(1)):
            chunk = connection.recv(65536)
            if not chunk:
                break
            body += chunk
        return head + b"\r\n\r\n" + body


def rss_kib(gateway):
    status = pathlib.Path(f"/proc/{gateway.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


MALFORMED = [
    ("structured: no JSON", STRUCTURED, b"{", None),
    ("structured: empty", STRUCTURED, b"", "empty"),
    ("structured: an array", STRUCTURED, b"[]", None),
    ("structured: a string", STRUCTURED, b'"x"', None),
    ("structured: rubbish after", STRUCTURED, json.dumps(EVENT).encode() + b"x", None),
    ("structured: no version", STRUCTURED, b'{"id":"1","source":"/s","type":"t"}', "specversion"),
    ("structured: version 2", STRUCTURED, json.dumps({**EVENT, "specversion": "2.0"}).encode(), "specversion"),
    ("structured: no id", STRUCTURED, json.dumps({**EVENT, "id": None}).encode(), "id"),
    ("structured: empty source", STRUCTURED, json.dumps({**EVENT, "source": ""}).encode(), "source"),
    ("structured: type is a number", STRUCTURED, json.dumps({**EVENT, "type": 1}).encode(), "type"),
    ("structured: name in upper case", STRUCTURED, json.dumps({**EVENT, "Upper": "x"}).encode(), "Upper"),
    ("structured: fraction", STRUCTURED, json.dumps({**EVENT, "x": 1.5}).encode(), "x"),
    ("structured: 33 bits", STRUCTURED, json.dumps({**EVENT, "x": 2**32}).encode(), "x"),
    ("structured: object", STRUCTURED, json.dumps({**EVENT, "x": {}}).encode(), "x"),
    ("structured: bad time", STRUCTURED, json.dumps({**EVENT, "time": "yesterday"}).encode(), "time"),
    ("structured: relative dataschema", STRUCTURED, json.dumps({**EVENT, "dataschema": "x"}).encode(), "dataschema"),
    ("structured: twice", STRUCTURED, b'{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}', "id"),
    ("structured: both data", STRUCTURED, json.dumps({**EVENT, "data": 1, "data_base64": "AA=="}).encode(), "data"),
    ("structured: bad base64", STRUCTURED, json.dumps({**EVENT, "data_base64": "A*"}).encode(), "base64"),
    ("structured: text that is none", STRUCTURED, json.dumps({**EVENT, "datacontenttype": "text/plain", "data": 1}).encode(), "data"),
    ("structured: invalid UTF-8", STRUCTURED, b'{"specversion":"1.0","id":"\xff","source":"/s","type":"t"}', None),
    ("structured: control character", STRUCTURED, json.dumps({**EVENT, "subject": "a\u0001"}).encode(), "subject"),
    ("structured: lone surrogate", STRUCTURED, b'{"specversion":"1.0","id":"\\ud800","source":"/s","type":"t"}', None),
    ("structured: 100,000 brackets", STRUCTURED, b'{"data":' + b"[" * 100_000, None),
    ("structured: the gateway's own attribute", STRUCTURED, json.dumps({**EVENT, "egspace": "x"}).encode(), "egspace"),
    ("0.1: no id", STRUCTURED, b'{"cloudEventsVersion":"0.1","eventType":"t","source":"/s"}', "eventID"),
    ("0.1: no source", STRUCTURED, b'{"cloudEventsVersion":"0.1","eventType":"t","eventID":"1"}', "source"),
    ("binary: no id", {**CE, "ce-id": ""}, b"", "id"),
    ("binary: version 0.3", {**CE, "ce-specversion": "0.3"}, b"", "specversion"),
    ("binary: bad time", {**CE, "ce-time": "1"}, b"", "time"),
    ("binary: datacontenttype", {**CE, "ce-datacontenttype": "application/json"}, b"{}", "datacontenttype"),
    ("binary: overlong UTF-8", {**CE, "ce-subject": "%C0%A0"}, b"", "subject"),
    ("binary: truncated UTF-8", {**CE, "ce-subject": "%E2%82"}, b"", "subject"),
    ("binary: encoded control character", {**CE, "ce-subject": "a%00b"}, b"", "subject"),
    ("binary: name", {**CE, "ce-under_score": "x"}, b"", "under_score"),
    ("binary: data as a name", {**CE, "ce-data": "x"}, b"", "data"),
    ("binary: the gateway's own attribute", {**CE, "ce-egsync": "x"}, b"", "egsync"),
    ("forged: by header", {"Event": "gateway.event.received", **JSON}, b"{}", "gateway.event.received"),
    ("forged: binary", {**CE, "ce-type": "eventgateway.subscription.suspended"}, b"", "eventgateway."),
    ("forged: structured", STRUCTURED, json.dumps({**EVENT, "type": "gateway.function.invoked"}).encode(), "gateway."),
    ("forged: inside Event:", {"Event": "x", **JSON},
     b'{"cloudEventsVersion":"0.1","eventType":"gateway.x","eventID":"1","source":"/s"}', "gateway."),
    ("batch: an object", {"Content-Type": "application/cloudevents-batch+json"}, json.dumps(EVENT).encode(), None),
    ("batch: a number inside", {"Content-Type": "application/cloudevents-batch+json"}, b"[1]", "0"),
    ("batch: cut off", {"Content-Type": "application/cloudevents-batch+json"}, b"[{", None),
    ("invoke: no function", {"Event": "invoke"}, b"{}", "Function-ID"),
    ("space: a name that is none", {"Event": "x", "Space": "no/space"}, b"{}", "space"),
]


def test_malformed_events_are_refused_with_what_is_wrong(gateway):
    before = requests_counted(gateway, 400)
    problems = []
    for name, headers, body, word in MALFORMED:
        answer = gateway.send(data=body, headers=headers)
        if answer.status_code != 400:
            problems.append(f"{name}: {answer.status_code} {answer.text}")
        elif not message(answer) or (word and word not in message(answer)):
            problems.append(f"{name}: message {message(answer)!r} without {word!r}")
    assert not problems, "\n".join(problems)
    assert requests_counted(gateway, 400) == before + len(MALFORMED)
    assert_goes_on(gateway)
    lines = gateway.log_path.read_text().splitlines()
    assert len(lines) < 50, "bad input does not flood the log"


def test_an_attribute_given_twice_is_refused(gateway):
    head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" + "".join(f"{n}: {v}\r\n" for n, v in CE.items())
    answer = raw_request(gateway, (head + "CE-ID: 2\r\n\r\n").encode())
    assert answer.startswith(b"HTTP/1.1 400") and b"twice" in answer


def test_unknown_formats_are_unsupported_media_types(gateway):
    for kind in ("application/cloudevents+avro", "application/cloudevents-batch+avro", "APPLICATION/CLOUDEVENTS+XML"):
        answer = gateway.send(data=b"x", headers={"Content-Type": kind})
        assert answer.status_code == 415 and message(answer)
    assert requests_counted(gateway, 415) == 3


def test_too_large_bodies(gateway):
    headers = {"Event": "big", "Content-Type": "text/plain"}
    assert gateway.send(data=b"x" * (1024 * 1024), headers=headers).status_code == 202
    answer = requests.post(gateway.events_url, data=b"x" * (1024 * 1024 + 1), headers=headers, timeout=30)
    assert answer.status_code == 413 and message(answer)
    chunks = (b"x" * 65536 for _number in range(17))
    answer = requests.post(gateway.events_url, data=chunks, headers=headers, timeout=30)
    assert answer.status_code == 413 and message(answer)
    assert_goes_on(gateway)


def test_too_large_headers(gateway):
    fits = {f"ce-x{number}": "v" * 6000 for number in range(10)}
    assert gateway.send(data=b"{}", headers={**CE, **JSON, **fits}).status_code == 202
    answer = raw_request(gateway, b"POST / HTTP/1.1\r\nHost: x\r\nEvent: t\r\nContent-Length: 0\r\n"
                         + b"X-Large: " + b"v" * 200_000 + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 431"), answer[:200]
    assert_goes_on(gateway)


NO_HTTP = {
    "no version": b"GET\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    "length of 23 digits": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    "a chunk's size that is none": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
}


def test_requests_that_are_no_http(gateway):
    for name, data in NO_HTTP.items():
        with socket.create_connection(address(gateway), 20) as connection:
            connection.sendall(data)
            answer = b""
            try:
                connection.shutdown(socket.SHUT_WR)
                while chunk := connection.recv(65536):
                    answer += chunk
            except (ConnectionError, OSError) as problem:
                assert not isinstance(problem, TimeoutError), name
        assert not answer.startswith(b"HTTP/1.1 2"), (name, answer)
        assert_goes_on(gateway)


def test_bytes_that_are_no_lines_harm_nobody(gateway):
    for data in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00" * 1000):
        with socket.create_connection(address(gateway), 20) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert_goes_on(gateway)


def test_two_thousand_connections_that_send_nothing(gateway):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 8192), hard), hard))
    before = rss_kib(gateway)
    connections = []
    try:
        for _number in range(2000):
            connections.append(socket.create_connection(address(gateway), 20))
        assert_goes_on(gateway)
        for connection in connections[:1000]:
            connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Le")
        assert_goes_on(gateway)
        grown = rss_kib(gateway) - before
    finally:
        for connection in connections:
            connection.close()
    print(f"2,000 idle connections: {grown / 2000:.1f} KiB each")
    assert grown < 2000 * 192
    assert_goes_on(gateway)


def test_a_body_that_never_ends(gateway):
    """Chunks for as long as the gateway takes them: it stops at the limit and does not keep them."""
    before = rss_kib(gateway)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection(address(gateway), 20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nEvent: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _number in range(1024):
                connection.sendall(chunk)
        except (ConnectionError, TimeoutError):
            pass
        try:
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    assert rss_kib(gateway) - before < 32 * 1024
    assert_goes_on(gateway)


def test_a_body_that_stops_half_way_holds_up_nobody(gateway):
    with socket.create_connection(address(gateway), 20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nEvent: t\r\nContent-Length: 1000\r\n\r\nhalf")
        for _number in range(20):
            assert_goes_on(gateway)
    wait_until(lambda: gateway.metrics().get('eventgateway_events_requests_total{code="202"}') == 20, what="20 taken")


def test_half_closed_connections_get_their_answer(gateway):
    with socket.create_connection(address(gateway), 20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nEvent: t\r\nContent-Length: 2\r\n\r\n{}")
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 202"), answer


def subscribed(gateway, function, **fields):
    gateway.register_function("f", function.url, **fields.pop("function_fields", {}))
    gateway.register_event_type("t")
    return gateway.subscribe("f", "t", **fields)


QUICK = {"retry": {"maxAttempts": 2, "initialMs": 1, "maxMs": 5}}


def dead_letters(gateway):
    return gateway.metrics().get("eventgateway_deadletters_total", 0)


@pytest.mark.parametrize("reply", [
    (None, {}, b""), (500, {}, b"boom"), (302, {"Location": "http://127.0.0.1:1/"}, b""), (404, {}, b""),
    (100_000, {}, b""),
], ids=["cut off", "500", "redirect", "404", "no status"])
def test_functions_that_fail_end_in_the_dead_letters(gateway, make_function, reply):
    function = make_function(lambda call: reply)
    subscribed(gateway, function, delivery=QUICK)
    assert gateway.emit("t").status_code == 202
    wait_until(lambda: dead_letters(gateway) == 1, what="the dead letter")
    assert function.count() == 2, "tried as often as the policy says, and never followed elsewhere"
    assert gateway.metrics()['eventgateway_deliveries_total{outcome="dead_lettered"}'] == 1


def test_statuses_that_are_final_are_not_tried_again(gateway, make_function):
    final = [400, 405, 413, 415, 422, 501]
    statuses = iter(final)
    function = make_function(lambda call: (next(statuses, 200), {}, b""))
    subscribed(gateway, function)
    for number in range(len(final)):
        gateway.emit("t")
        wait_until(lambda: dead_letters(gateway) == number + 1, what="the dead letter")
    assert function.count() == len(final)


def test_a_function_that_is_slow_is_given_up_and_called_again(gateway, make_function):
    release = threading.Event()
    calls = []

    def answer(call):
        calls.append(call)
        if len(calls) == 1:
            release.wait(30)
        return 200, {}, b""

    function = make_function(answer)
    subscribed(gateway, function, function_fields={"provider": {"timeoutMs": 100}},
               delivery={"retry": {"initialMs": 1, "maxMs": 5}})
    gateway.emit("t")
    wait_until(lambda: len(calls) == 2, what="the second attempt")
    release.set()
    wait_until(lambda: gateway.metrics().get('eventgateway_deliveries_total{outcome="delivered"}') == 1,
               what="the delivery")


def test_retry_after_is_obeyed(gateway, make_function):
    times = []

    def answer(_call):
        times.append(time.monotonic())
        return (429, {"Retry-After": "1"}, b"") if len(times) == 1 else (200, {}, b"")

    subscribed(gateway, make_function(answer), delivery={"retry": {"initialMs": 1, "maxMs": 5}})
    gateway.emit("t")
    wait_until(lambda: len(times) == 2, what="the second attempt")
    assert times[1] - times[0] >= 0.95


def test_a_function_that_answers_without_end_is_cut(gateway, make_gateway):
    """A function's answer is bounded too: the caller gets an error, the memory stays."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def serve():
        while not stopping.is_set():
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                    for _number in range(2048):
                        connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                except OSError:
                    pass

    threading.Thread(target=serve, daemon=True).start()
    gateway.register_function("endless", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    before = rss_kib(gateway)
    answer = gateway.send(data=b"{}", headers={"Event": "invoke", "Function-ID": "endless", **JSON})
    assert (answer.status_code, answer.text) == (500, "Function call failed. Please check logs.")
    assert rss_kib(gateway) - before < 64 * 1024
    stopping.set()
    listener.close()
    assert_goes_on(gateway)


def test_a_function_that_answers_rubbish_instead_of_http(gateway):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        for _number in range(2):
            connection, _peer = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x00\x01 this is no HTTP\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    gateway.register_function("f", f"http://127.0.0.1:{listener.getsockname()[1]}/")
    gateway.register_event_type("t")
    gateway.subscribe("f", "t", delivery=QUICK)
    gateway.emit("t")
    wait_until(lambda: dead_letters(gateway) == 1, what="the dead letter")
    listener.close()


def test_a_function_that_says_410_pauses_its_subscription_and_the_event_is_not_lost(gateway, make_function):
    is_back = threading.Event()
    function = make_function(lambda call: (200 if is_back.is_set() else 410, {}, b""))
    subscription = subscribed(gateway, function, delivery={"retry": {"initialMs": 1, "maxMs": 5}})
    path = subscription_path(subscription)
    gateway.emit("t")
    wait_until(lambda: gateway.config("GET", path).json().get("paused"), what="the pause")
    assert "410" in gateway.config("GET", path).json()["pausedReason"]
    gateway.emit("t")
    is_back.set()
    answer = gateway.config("POST", path + "/resume")
    assert answer.status_code == 200 and answer.json()["paused"] is False
    assert "pausedReason" not in answer.json()
    wait_until(lambda: function.count() == 3, what="both events")
    assert dead_letters(gateway) == 0


def test_deliveries_end_when_their_subscription_is_deleted(gateway, make_function):
    function = make_function(lambda call: (500, {}, b""))
    subscription = subscribed(gateway, function, delivery={"retry": {"initialMs": 1, "maxMs": 20, "maxAttempts": 1000}})
    gateway.emit("t")
    wait_until(lambda: function.count() > 3, what="retries")
    path = subscription_path(subscription)
    assert gateway.config("DELETE", path).status_code == 204
    assert gateway.config("DELETE", "/v1/spaces/default/functions/f").status_code == 204
    wait_until(lambda: gateway.metrics().get("eventgateway_events_backlog") == 0, what="nothing waits")
    assert dead_letters(gateway) == 0


def test_targets_inside_the_network_are_refused_outside_of_dev(make_gateway, stack, function):
    arguments = cluster_arguments(stack)
    index = arguments.index("--allow-target")
    gateway = make_gateway(arguments[:index] + arguments[index + 2:])
    urls = ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::1]:{}/", "http://0x7f000001:{}/",
            "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/"]
    for number, url in enumerate(urls):
        body = {"functionId": f"f{number}", "type": "http", "provider": {"url": url.format(function.port)}}
        answer = gateway.config("POST", "/v1/spaces/default/functions", body)
        if answer.status_code == 400:
            assert message(answer)
            continue
        answer = gateway.send(data=b"{}", headers={"Event": "invoke", "Function-ID": f"f{number}", **JSON})
        assert answer.status_code == 500
        assert "127.0.0.1" not in answer.text and "169.254" not in answer.text, "callers do not learn the network"
    assert function.count() == 0


def test_memory_does_not_grow_with_refused_requests(gateway):
    def refuse(number):
        for name, headers, body, _word in MALFORMED:
            if "brackets" not in name:
                gateway.send(data=body, headers=headers)
        gateway.send(data=b"x" * 900_000, headers=STRUCTURED)
        gateway.send("GET", f"/none/{number}/" + "p" * 4000)

    for number in range(5):
        refuse(number)
    before = rss_kib(gateway)
    for number in range(20):
        refuse(number)
    grown = rss_kib(gateway) - before
    print(f"after 900 refused requests: {grown} KiB more")
    assert grown < 16 * 1024
