"""egctl: every command, tables for people, JSON for scripts, clear errors and exit codes, the completion."""

import json
import select
import subprocess
import threading

import pytest

from support.gateway import EGCTL, clean_environment, wait_until
from support.running import on_a_terminal, read_terminal, running


@pytest.fixture
def egctl(gateway):
    def run(*arguments, stdin=None, expect=0, **environment):
        variables = {**clean_environment(), "EGCTL_URL": gateway.config_url, "EGCTL_EVENTS_URL": gateway.events_url,
                     **environment}
        result = subprocess.run([EGCTL, *arguments], input=stdin, capture_output=True, text=True, timeout=60,
                                env=variables, check=False)
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout if expect == 0 else result.stderr

    return run


def test_from_registration_to_delivery(egctl, function, tmp_path):
    assert egctl("functions", "put", "hello", "--function-url", function.url) == "Created hello.\n"
    assert egctl("functions", "put", "hello", "--function-url", function.url) == "Replaced hello.\n"
    assert egctl("event-types", "put", "user.created") == "Created user.created.\n"
    made = egctl("subscriptions", "put", "--event", "user.created", "--function", "hello")
    assert made.startswith("Created ")
    identity = made.split()[1].rstrip(".")
    again = egctl("subscriptions", "put", "--event", "user.created", "--function", "hello")
    assert again == f"Replaced {identity}.\n"

    stored = egctl("emit", "user.created", "--data", '{"name":"Ada"}', "--id", "e-1", "--subject", "Ä 1",
                   "--source", "/test", "--extension", "region=eu")
    assert stored == "Stored e-1.\n"
    data = tmp_path / "data.json"
    data.write_text('{"name":"File"}')
    assert json.loads(egctl("emit", "user.created", "--data", f"@{data}", "--json"))["id"]
    egctl("emit", "user.created", "--data", "-", "--content-type", "text/plain", stdin="Grüße")
    wait_until(lambda: function.count() == 3, what="three deliveries")
    events = [call.json() for call in function.received()]
    first = next(event for event in events if event["id"] == "e-1")
    assert (first["subject"], first["source"], first["region"]) == ("Ä 1", "/test", "eu")
    assert sorted(str(event["data"]) for event in events) == ["Grüße", "{'name': 'Ada'}", "{'name': 'File'}"]

    assert egctl("subscriptions", "delete", identity) == f"Deleted {identity}.\n"
    assert egctl("functions", "delete", "hello") == "Deleted hello.\n"
    assert egctl("event-types", "delete", "user.created") == "Deleted user.created.\n"
    assert egctl("event-types", "list") == "No event-types in space default.\n"


def test_tables_and_json(egctl):
    egctl("functions", "put", "-f", "-", stdin=json.dumps(
        {"functionId": "a-longer-name", "type": "http", "provider": {"url": "http://127.0.0.1:9/"},
         "metadata": {"team": "x"}}))
    egctl("functions", "put", "b", "--function-url", "http://127.0.0.1:10/")
    egctl("functions", "put", "-f", "-", stdin=json.dumps(
        {"functionId": "c", "type": "awslambda", "provider": {"region": "eu-west-1", "arn": "hello:7"}}))
    lines = egctl("functions").splitlines()
    assert lines[0].split() == ["FUNCTION", "TYPE", "TARGET", "METADATA"]
    assert lines[3].split() == ["c", "awslambda", "hello:7", "-"]
    assert lines[1].split()[:3] == ["a-longer-name", "http", "http://127.0.0.1:9/"]
    assert lines[0].index("TYPE") == lines[1].index("http"), "columns stand under their titles"
    assert len(egctl("functions", "list", "--metadata", "team=x").splitlines()) == 2
    listed = json.loads(egctl("functions", "list", "--json"))
    assert [one["functionId"] for one in listed["functions"]] == ["a-longer-name", "b", "c"]
    assert json.loads(egctl("functions", "get", "b"))["provider"]["url"] == "http://127.0.0.1:10/"
    assert json.loads(egctl("functions", "put", "b", "--function-url", "http://127.0.0.1:11/", "--json"))["functionId"] == "b"
    assert egctl("functions", "list", "--space", "other") == "No functions in space other.\n"


def test_how_a_subscription_is_delivered(egctl):
    egctl("functions", "put", "f", "--function-url", "http://127.0.0.1:9/")
    egctl("event-types", "put", "t")
    kept = json.loads(egctl("subscriptions", "put", "--event", "t", "--function", "f", "--ordering", "key",
                            "--max-in-flight", "3", "--rate", "0.5", "--batch", "10", "--json"))
    assert kept["delivery"] == {"ordering": "key", "maxInFlight": 3, "ratePerSecond": 0.5, "batch": {"maxEvents": 10}}
    wrong = egctl("subscriptions", "put", "--event", "t", "--function", "f", "--rate", "fast", expect=1)
    assert "delivery.ratePerSecond: must be a number" in wrong


def test_cors_rules(egctl):
    assert egctl("cors", "put", "--method", "GET", "--path", "/a/b") == "Created GET%2Fa%2Fb.\n"
    assert egctl("cors", "put", "--method", "GET", "--path", "/a/b") == "Replaced GET%2Fa%2Fb.\n"
    assert "GET%2Fa%2Fb" in egctl("cors", "list")
    assert json.loads(egctl("cors", "get", "GET%2Fa%2Fb"))["path"] == "/a/b"
    assert egctl("cors", "delete", "GET%2Fa%2Fb") == "Deleted GET%2Fa%2Fb.\n"


def test_sync_subscriptions_are_replaced_too(egctl):
    egctl("functions", "put", "f", "--function-url", "http://127.0.0.1:9/")
    arguments = ["subscriptions", "put", "--type", "sync", "--event", "http.request", "--function", "f",
                 "--method", "GET", "--path", "/x/:id"]
    assert egctl(*arguments).startswith("Created ")
    assert egctl(*arguments).startswith("Replaced ")


def test_status_version_help_and_completion(egctl):
    assert "is ready." in egctl("status")
    assert json.loads(egctl("status", "--json"))["status"] == "ready"
    assert egctl("version").startswith("egctl ")
    assert egctl("--help") == egctl("help")
    completion = egctl("completion", "bash")
    assert subprocess.run(["bash", "-n"], input=completion, text=True, check=False).returncode == 0


def test_the_completion_knows_commands_and_ids(egctl, gateway):
    egctl("functions", "put", "hello", "--function-url", "http://127.0.0.1:9/")
    script = """source <(egctl completion bash)
        complete_words() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _egctl; echo "${COMPREPLY[@]}"; }
        complete_words egctl func; complete_words egctl functions l; complete_words egctl functions get he"""
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60, check=True,
                            env={**clean_environment(), "PATH": f"{EGCTL.parent}:/usr/bin:/bin",
                                 "EGCTL_URL": gateway.config_url})
    assert result.stdout.split("\n")[:3] == ["functions", "list", "hello"]


ERRORS = [
    (["functions", "get", "nobody"], 1, 'Function "nobody" not found. (404)'),
    (["functions", "delete", "nobody"], 1, "not found"),
    (["functions", "put"], 2, "an id is needed"),
    (["functions", "put", "f", "--type", "nope"], 1, "(400)"),
    (["functions", "get"], 2, "an id is needed"),
    (["functions", "jump"], 2, "there are list, get, put, delete"),
    (["functions", "list", "a", "b"], 2, 'what is "b"?'),
    (["subscriptions", "put", "--event", "t", "--function", "f"], 1, 'Event Type "t" not found. (400)'),
    (["nothing"], 2, 'no command "nothing"'),
    (["emit"], 2, "one event type is needed"),
    (["emit", "gateway.event.received"], 1, "(400)"),
    (["emit", "t", "--data", "@/does/not/exist"], 2, "/does/not/exist"),
    (["emit", "t", "--extension", "noequals"], 2, "not NAME=VALUE"),
    (["functions", "put", "f", "-f", "/does/not/exist"], 2, "/does/not/exist"),
    (["functions", "list", "--url", "http://127.0.0.1:1"], 1, "http://127.0.0.1:1"),
    (["functions", "--nope"], 2, "nope"),
    (["completion", "zsh"], 2, "only bash"),
]


def test_errors_say_what_is_wrong(egctl):
    for arguments, code, word in ERRORS:
        text = egctl(*arguments, expect=code)
        assert word in text
        assert len(text.splitlines()) <= 2
    assert "Usage" in egctl(expect=2)


def test_invoke_prints_what_the_function_answers(egctl, make_function, tmp_path):
    def answer(call):
        return (200, {"Content-Type": "text/plain"}, b"got " + call.body) if b'"no"' not in call.body else (500, {}, b"x")

    function = make_function(answer)
    egctl("functions", "put", "f", "--function-url", function.url)
    assert "got" in egctl("invoke", "f", "--data", '{"name":"Ada"}')
    data = tmp_path / "data.json"
    data.write_text('{"name":"File"}')
    assert "File" in egctl("invoke", "f", "--data", f"@{data}")
    assert "Function call failed" in egctl("invoke", "f", "--data", '"no"', expect=1)
    assert "unable to look up registered function" in egctl("invoke", "g", expect=1)
    assert "one function id is needed" in egctl("invoke", expect=2)
    assert "onnect" in egctl("invoke", "f", expect=1, EGCTL_EVENTS_URL="http://127.0.0.1:1")


def test_cluster_is_a_table_of_nodes(egctl):
    wait_until(lambda: json.loads(egctl("cluster", "--json"))["unownedPartitions"] == [], what="an owner of each")
    wait_until(lambda: "Each partition has its dispatcher" in egctl("cluster"), what="the words for it")
    head, node, total = egctl("cluster").splitlines()
    assert head.split("  ")[0].strip() == "NODE" and "PARTITIONS" in head
    seen = json.loads(egctl("cluster", "--json"))
    assert node.startswith(seen["nodes"][0]["nodeId"]) and node.rstrip().endswith("ok")
    assert "ingest,dispatcher,admin" in node
    assert total == "Each partition has its dispatcher ({0} of {0}).".format(seen["partitions"])
    assert "what is" in egctl("cluster", "list", expect=2)


def test_top_shows_rates(egctl, gateway, function):
    egctl("functions", "put", "f", "--function-url", function.url)
    egctl("event-types", "put", "t")
    egctl("subscriptions", "put", "--event", "t", "--function", "f")
    stop = threading.Event()

    def load():
        while not stop.is_set():
            gateway.emit("t")

    thread = threading.Thread(target=load)
    thread.start()
    try:
        wait_until(lambda: function.count() > 0, what="a delivery")
        figures = json.loads(egctl("top", "--once", "--json", "--interval", "2"))
        text = egctl("top", "--once")
    finally:
        stop.set()
        thread.join()
    rates = figures["perSecond"]
    assert rates["eventsReceived"] > 0 and rates["requestsByCode"]["202"] > 0
    assert rates["deliveries"]["delivered"] > 0 and rates["attempts"]
    assert figures["meanMs"]["append"] > 0 and figures["now"]["eventLog"] and figures["now"]["registry"]
    for words in ("events in", "delivered", "lag", "in flight", "memory"):
        assert words in text
    assert "\033" not in text, "no terminal, no control sequences"
    assert "0.1" in egctl("top", "--interval", "soon", expect=2)
    assert "onnect" in egctl("top", "--once", expect=1, EGCTL_URL="http://127.0.0.1:1")


def test_top_refreshes_in_place_on_a_terminal(gateway):
    command = [EGCTL, "top", "--interval", "0.1", "--url", gateway.config_url]
    with on_a_terminal(command, env=clean_environment()) as (_process, reading):
        seen = read_terminal(reading, lambda text: text.count("\033[H\033[2J") >= 3)
    assert "events in" in seen


def test_events_dead_letters_and_redriving(egctl, gateway, make_function):
    is_broken = True
    function = make_function(lambda call: (500 if is_broken else 200, {}, b"out of order"))
    gateway.register_function("shaky", function.url)
    gateway.register_event_type("job")
    subscription = gateway.subscribe("shaky", "job", delivery={"retry": {"maxAttempts": 1}})["subscriptionId"]
    for number in range(3):
        egctl("emit", "job", "--id", f"j-{number}", "--subject", "Ada & Bob", "--data", '{"n":1}')
    wait_until(lambda: len(egctl("dead-letters").splitlines()) == 4, what="three dead letters")
    wait_until(lambda: len(egctl("events", "--status", "failed").splitlines()) == 4, what="the outcomes")

    assert egctl("events", "--type", "nothing") == "No events in space default.\n"
    lines = egctl("events", "--subject", "Ada & Bob", "--limit", "2").splitlines()
    assert lines[0].split() == ["RECEIVED", "STATUS", "TYPE", "SOURCE", "SUBJECT", "ID"]
    assert [line.split()[-1] for line in lines[1:]] == ["j-2", "j-1"]
    shown = egctl("event", "j-0")
    assert '"n": 1' in shown and "dead-lettered" in shown and "out of order" in shown
    assert json.loads(egctl("event", "j-0", "--json"))["status"] == "failed"
    assert "not found" in egctl("event", "nothing", expect=1)

    letters = json.loads(egctl("dead-letters", "list", "--subscription", subscription, "--json"))["deadLetters"]
    assert json.loads(egctl("dead-letters", "get", letters[0]["deadLetterId"]))["event"]["data"] == {"n": 1}
    assert egctl("dead-letters", "delete", letters[0]["deadLetterId"]) == f"Deleted {letters[0]['deadLetterId']}.\n"
    is_broken = False
    assert "1 of 1 redriven" in egctl("redrive", letters[1]["deadLetterId"])
    assert "1 of 1 redriven, 0 failed" in egctl("redrive", "--subscription", subscription)
    assert egctl("dead-letters") == "No dead letters in space default.\n"
    wait_until(lambda: function.count() == 5, what="both redriven letters")
    assert "which" in egctl("redrive", expect=2)
    assert "list, get" in egctl("dead-letters", "eat", expect=2)
    assert "id" in egctl("event", expect=2)


def test_tail(gateway):
    variables = {**clean_environment(), "EGCTL_URL": gateway.config_url}
    with running([EGCTL, "tail", "--type", "seen", "--json"], stdout=subprocess.PIPE, text=True, env=variables) as tail:
        wait_until(lambda: gateway.metrics().get("eventgateway_event_stream_viewers") == 1, what="the viewer")

        def emit_until_seen():
            gateway.emit("hidden")
            gateway.emit("seen")
            return select.select([tail.stdout], [], [], 0.2)[0]

        wait_until(emit_until_seen, what="a line")
        line = json.loads(tail.stdout.readline())
        assert line["type"] == "seen" and line["event"]["specversion"] == "1.0"
