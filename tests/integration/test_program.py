"""The program itself: flags, exit codes, ports, roles, shutdown, and what it does while a store is away."""

import concurrent.futures
import json
import os
import signal
import socket
import sqlite3
import subprocess
import time

import pytest
import requests

from conftest import cluster_arguments
from support.gateway import BINARY, clean_environment, wait_until
from support.producer import Producer
from support.running import running
from support.stack import Stack

TOKEN = "a-token-that-is-long-enough"


def run(*arguments, **environment):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={**clean_environment(), **environment})


def test_help_and_version():
    for arguments in (["--help"], ["help"], ["-h"], ["dev", "--help"], ["run", "--help"]):
        result = run(*arguments)
        assert result.returncode == 0 and "Usage" in result.stdout and not result.stderr
    assert "--kafka" in run("run", "--help").stdout and "--kafka" not in run("dev", "--help").stdout
    assert run("version").stdout.startswith("event-gateway ")


@pytest.mark.parametrize("arguments, words", [
    ([], ["Usage"]),
    (["jump"], ['no command "jump"', "dev, run, version"]),
    (["dev", "--nonsense"], ["--nonsense", "unknown"]),
    (["dev", "--event-port", "1"], ["did you mean --events-port?"]),
    (["dev", "--events-port"], ["--events-port"]),
    (["dev", "--events-port", "x"], ["--events-port", "x"]),
    (["dev", "--events-port", "65536"], ["--events-port"]),
    (["dev", "--drain-timeout", "fast"], ["--drain-timeout"]),
    (["dev", "--log-format", "xml"], ["--log-format", "json"]),
    (["dev", "--events-address", "example.com"], ["--events-address"]),
    (["dev", "--config-address", "0.0.0.0"], ["--admin-token-file"]),
    (["dev", "--admin-token-file", "/does/not/exist"], ["/does/not/exist"]),
    (["dev", "--config", "/does/not/exist"], ["/does/not/exist"]),
    (["dev", "--kafka", "x:1"], ["--kafka"]),
    (["dev", "--allow-target", "999.0.0.0/8"], ["--allow-target"]),
    (["run"], ["--kafka", "event-gateway dev"]),
    (["run", "--kafka", "127.0.0.1:1"], ["--zookeeper"]),
    (["run", "--kafka", "127.0.0.1:1", "--zookeeper", "127.0.0.1:1", "--role", "cook"], ["--role", "cook"]),
], ids=str)
def test_wrong_settings_end_with_2_and_one_clear_line(arguments, words, tmp_path):
    data = ["--data", str(tmp_path)] if arguments[:1] == ["dev"] else []
    result = run(*arguments, *data)
    assert result.returncode == 2
    assert all(word in result.stderr for word in words), result.stderr
    assert len(result.stderr.splitlines()) == 1 or "Usage" in result.stderr


def test_stores_that_cannot_be_reached_end_with_1_and_one_clear_line(stack):
    def start(kafka, zookeeper):
        return run("run", "--kafka", kafka, "--zookeeper", zookeeper, "--events-port=0", "--config-port=0")

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(start, (stack.kafka, "127.0.0.1:1"), ("127.0.0.1:1", stack.zookeeper)))
    for result, word in zip(results, ("ZooKeeper", "Kafka")):
        assert result.returncode == 1
        last = result.stderr.splitlines()[-1]
        assert last.startswith("event-gateway: ") and word.lower() in last.lower(), result.stderr


def test_a_port_that_is_taken(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", tmp_path / "one"])
    for flag, port in (("--events-port", gateway.events_port), ("--config-port", gateway.config_port)):
        ports = {"--events-port": 0, "--config-port": 0, flag: port}
        result = run("dev", "--data", str(tmp_path / "two"), *[f"{name}={value}" for name, value in ports.items()])
        assert result.returncode in (1, 2)
        assert str(port) in result.stderr.splitlines()[-1], result.stderr


def test_a_second_process_on_the_same_data_folder_is_refused(make_gateway, tmp_path):
    gateway = make_gateway(["dev", "--data", tmp_path / "data"])
    result = run("dev", "--data", str(tmp_path / "data"), "--events-port=0", "--config-port=0")
    assert result.returncode == 1
    assert str(tmp_path / "data") in result.stderr.splitlines()[-1], result.stderr
    assert gateway.emit("t").status_code == 202


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def set_version(path):
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


# What happened to a folder -> how, the exit code, and what is said.
DAMAGES = {
    "it cannot be read": (lambda data: data.chmod(0), 1, ["--data", "Permission denied"]),
    "it cannot be written": (lambda data: data.chmod(0o500), 1, ["--data", "Permission denied"]),
    "its events cannot be written": (lambda data: (data / "events.db").chmod(0o400), 1, ["events.db", "Permission denied"]),
    "the events' head is broken": (lambda data: overwrite(data / "events.db", 0, b"nothing that it knows"), 1,
                                   ["events.db", "not a database"]),
    "the events' pages are broken": (lambda data: overwrite(data / "events.db", 4096, bytes(range(256)) * 200), 1,
                                     ["events.db", "malformed"]),
    "the registry is broken": (lambda data: overwrite(data / "registry.db", 4096, bytes(range(256)) * 32), 1,
                               ["registry.db", "malformed"]),
    "the events are a newer program's": (lambda data: set_version(data / "events.db"), 2, ["events.db", "version 99"]),
    "the registry is a newer program's": (lambda data: set_version(data / "registry.db"), 2, ["registry.db", "newer"]),
    "the key is cut": (lambda data: overwrite(data / "secrets.key", 0, b"x"), 2, ["secrets.key"]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_data_that_it_cannot_use_ends_it_with_one_clear_line(damage, make_gateway, tmp_path):
    data = tmp_path / "data"
    gateway = make_gateway(["dev", "--data", data])
    assert gateway.emit("t").status_code == 202
    assert gateway.stop() == 0
    harm, code, words = DAMAGES[damage]
    harm(data)
    # root may do everything, else.
    prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    result = subprocess.run([*prefix, BINARY, "dev", "--data", data, "--events-port=0", "--config-port=0"],
                            capture_output=True, text=True, timeout=60, check=False, env=clean_environment())
    data.chmod(0o700)
    assert result.returncode == code, result.stderr
    line, = result.stderr.splitlines()
    assert line.startswith("event-gateway: ") and all(word in line for word in words), line


def test_what_is_made_anew_from_the_log_may_be_broken(make_gateway, tmp_path):
    data = tmp_path / "data"
    gateway = make_gateway(["dev", "--data", data])
    assert gateway.emit("t").status_code == 202
    assert gateway.stop() == 0
    index, = data.glob("*.index")
    overwrite(index, 0, bytes(range(256)) * 64)
    gateway.start()
    wait_until(lambda: len(gateway.config("GET", "/v1/spaces/default/events").json()["events"]) == 1, what="the index")


def test_settings_come_from_file_and_environment_and_flags_win(tmp_path):
    (tmp_path / "gateway.yaml").write_text(f"# settings\nevents-port: 0\nconfig-port: 0\nsource: /from-file\n"
                                           f"data: {tmp_path / 'data'}\nlog-format: json\n")
    with running([BINARY, "dev", "--config", tmp_path / "gateway.yaml", "--require-space"], stdout=subprocess.PIPE,
                 stderr=subprocess.PIPE, text=True,
                 env={**clean_environment(), "EVENT_GATEWAY_MAX_BODY": "2KiB"}) as process:
        lines = [process.stdout.readline() for _number in range(4)]
        url = lines[1].split()[-1]
        headers = {"Event": "t", "Content-Type": "text/plain", "Space": "team1"}
        assert requests.post(url, data=b"x" * 2048, headers=headers, timeout=30).status_code == 202
        assert requests.post(url, data=b"x" * 2049, headers=headers, timeout=30).status_code == 413
        del headers["Space"]
        assert requests.post(url, data=b"x", headers=headers, timeout=30).status_code == 400
        process.terminate()
        _out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "data").is_dir()
    records = [json.loads(line) for line in errors.splitlines()]
    assert records and all(isinstance(record, dict) for record in records), "one JSON object a line"


def test_the_admin_token_guards_the_configuration_and_not_the_events(make_gateway, store_arguments, tmp_path):
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    gateway = make_gateway([*store_arguments, "--admin-token-file", path])
    functions = "/v1/spaces/default/functions"
    for headers in ({}, {"Authorization": "bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        assert gateway.config("GET", functions, headers=headers).status_code == 401
        assert gateway.config("GET", "/v1/functions", headers=headers).status_code == 401
    for scheme in ("Bearer", "bearer", "BEARER"):
        assert gateway.config("GET", functions, headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200
    assert gateway.config("GET", "/v1/status").status_code == 200
    assert gateway.emit("t").status_code == 202
    assert TOKEN not in gateway.log_path.read_text()


def test_a_token_that_is_too_short_is_refused(tmp_path):
    path = tmp_path / "token"
    path.write_text("short")
    result = run("dev", "--data", str(tmp_path / "data"), "--admin-token-file", str(path))
    assert result.returncode == 2 and str(path) in result.stderr


def test_sigterm_under_load_loses_nothing_that_was_acknowledged(make_gateway, store_arguments, function):
    gateway = make_gateway(store_arguments)
    gateway.register_function("f", function.url)
    gateway.register_event_type("load")
    gateway.subscribe("f", "load")
    producer = Producer(lambda: [gateway.events_url], "load").start()
    wait_until(lambda: len(producer.acknowledged) > 200, what="a load")
    assert gateway.stop() == 0
    producer.stop()
    assert "ReadTimeout" not in producer.refused, "what was inside was answered"
    again = make_gateway(store_arguments)
    wait_until(lambda: {call.json()["data"]["number"] for call in function.received()} >= producer.acknowledged,
               what="all that was acknowledged")
    assert again.config("GET", "/v1/status").status_code == 200


def test_sigterm_answers_a_call_that_is_inside(make_gateway, store_arguments, make_function):
    called = []

    def answer(_call):
        called.append(True)
        wait_until(lambda: "shutting down" in gateway.log_path.read_text(), what="the shutdown")
        return 200, {"Content-Type": "text/plain"}, b"late but well"

    gateway = make_gateway(store_arguments)
    gateway.register_function("slow", make_function(answer).url)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(requests.post, gateway.events_url, data=b"{}", timeout=60,
                             headers={"Event": "invoke", "Function-ID": "slow", "Content-Type": "application/json"})
        wait_until(lambda: called, what="the call")
        assert gateway.stop() == 0
        assert (future.result().status_code, future.result().text) == (200, "late but well")


def test_nodes_with_one_role_each_deliver_together(make_gateway, stack, function):
    arguments = cluster_arguments(stack)
    admin = make_gateway([*arguments, "--role", "admin"])
    ingest = make_gateway([*arguments, "--role", "ingest"])
    dispatcher = make_gateway([*arguments, "--role", "dispatcher"])
    assert admin.events_url is None and dispatcher.events_url is None
    assert ingest.config("GET", "/v1/spaces/default/functions").status_code == 404
    assert dispatcher.config("GET", "/v1/metrics").status_code == 200
    admin.register_function("f", function.url)
    admin.register_event_type("t")
    admin.subscribe("f", "t")
    # Another node has the change some milliseconds later.
    wait_until(lambda: dispatcher.metrics().get('eventgateway_subscriptions_total{space="default"}') == 1,
               what="the dispatcher's configuration")
    assert ingest.emit("t", b'{"a":1}').status_code == 202
    wait_until(function.count, what="the delivery")


@pytest.fixture
def own_stack(tmp_path_factory):
    """For tests that kill it."""
    stack = Stack(tmp_path_factory.mktemp("own-stack") / "data").up()
    yield stack
    stack.wipe()


def test_while_a_store_is_away(make_gateway, own_stack, function, tmp_path):
    """One stack for all of it, because starting one takes seconds."""
    arguments = cluster_arguments(own_stack, data=tmp_path / "data", zookeeper_session="2s")
    gateway = make_gateway(arguments)
    gateway.register_function("f", function.url)
    gateway.register_event_type("t")
    gateway.subscribe("f", "t")

    # ZooKeeper: events flow, changes are refused, a node starts from what it knew last.
    own_stack.kill("zookeeper")
    assert gateway.emit("t", b"1").status_code == 202
    wait_until(lambda: function.count() == 1, what="a delivery without ZooKeeper")
    refused = gateway.config("POST", "/v1/spaces/default/eventtypes", {"name": "u"})
    assert refused.status_code == 503 and "Retry-After" in refused.headers, refused.text
    wait_until(lambda: gateway.config("GET", "/v1/health/ready").json()["status"] == "degraded", what="degraded")
    assert gateway.config("GET", "/v1/spaces/default/functions/f").status_code == 200
    assert gateway.stop() == 0
    gateway = make_gateway(arguments)
    assert gateway.emit("t", b"2").status_code == 202
    wait_until(lambda: {call.json()["data"] for call in function.received()} == {1, 2}, what="delivery from the cache")
    own_stack.up("zookeeper")
    wait_until(lambda: gateway.config("POST", "/v1/spaces/default/eventtypes",
                                      {"name": "u"}).status_code in (201, 409), 60, "changes again")

    # Kafka: nothing is promised, and the refusal comes within seconds.
    own_stack.kill("kafka")
    began = time.monotonic()
    answer = gateway.emit("t", b"3")
    taken = time.monotonic() - began
    assert answer.status_code == 503 and int(answer.headers["Retry-After"]) >= 1, answer.text
    print(f"without Kafka an event is refused after {taken:.1f} s")
    assert taken < 20
    wait_until(lambda: gateway.config("GET", "/v1/health/ready").status_code == 503, what="not ready")
    own_stack.up("kafka")
    wait_until(lambda: gateway.emit("t", b"4").status_code == 202, 60, "events again")
    wait_until(lambda: 4 in {call.json()["data"] for call in function.received()}, 60, "deliveries again")
    wait_until(lambda: gateway.config("GET", "/v1/health/ready").status_code == 200, what="ready again")


@pytest.mark.parametrize("silent", ["kafka", "zookeeper"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_it_still_waits_for_a_store(silent, number, stack):
    """It does not wait until the store's time is up, which would end it with 1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(60)
        stores = {"kafka": stack.kafka, "zookeeper": stack.zookeeper,
                  silent: f"127.0.0.1:{listener.getsockname()[1]}"}
        command = [BINARY, "run", "--kafka", stores["kafka"], "--zookeeper", stores["zookeeper"], "--events-port=0",
                   "--config-port=0"]
        with running(command, stderr=subprocess.PIPE, text=True, env=clean_environment()) as process:
            connection, _address = listener.accept()
            process.send_signal(number)
            _output, errors = process.communicate(timeout=60)
            connection.close()
    assert process.returncode == 0, errors
    assert "stopped while it waited for its stores" in errors.splitlines()[-1], errors
