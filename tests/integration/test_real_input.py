"""Real payloads: every example of a GitHub webhook goes in as an event and comes out at functions, equal as JSON."""

import json
import os
import pathlib
import socket
import sys

import pytest
import requests

from support.gateway import wait_until
from support.running import running

TESTS = pathlib.Path(__file__).resolve().parents[1]
EXAMPLES = TESTS / "node/node_modules/@octokit/webhooks-examples/api.github.com/index.json"


@pytest.fixture(scope="module")
def examples():
    """(type, payload) of each."""
    found = [(f"github.{group['name']}", payload)
             for group in json.loads(EXAMPLES.read_text()) for payload in group["examples"]]
    assert len(found) > 300
    return found


@pytest.fixture
def framework_function(tmp_path):
    """A real function of the Functions Framework; gives its URL and the file that it writes."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    taken = tmp_path / "taken.jsonl"
    taken.touch()
    program = pathlib.Path(sys.executable).with_name("functions-framework")
    command = [program, "--target", "take", "--source", TESTS / "support/framework_function.py", "--signature-type",
               "cloudevent", "--host", "127.0.0.1", "--port", port]
    with open(tmp_path / "function.log", "wb") as log, \
            running(command, stdout=log, stderr=log, env={**os.environ, "TAKEN": str(taken)}) as process:

        def is_up():
            assert process.poll() is None, (tmp_path / "function.log").read_text()
            try:
                return requests.get(f"http://127.0.0.1:{port}/", timeout=5).status_code
            except requests.RequestException:
                return None

        wait_until(is_up, 60, "the Functions Framework")
        yield f"http://127.0.0.1:{port}/", taken
        process.terminate()
        process.wait(30)


def test_every_github_payload_arrives_as_it_was(gateway, function, framework_function, examples):
    url, taken = framework_function
    gateway.register_function("plain", function.url)
    gateway.register_function("framework", url)
    for event_type in sorted({event_type for event_type, _payload in examples}):
        gateway.register_event_type(event_type)
        gateway.subscribe("plain", event_type)
        gateway.subscribe("framework", event_type)

    sent = {}
    for number, (event_type, payload) in enumerate(examples):
        body = json.dumps(payload).encode()
        if number % 2:
            answer = gateway.emit(event_type, body)
        else:
            answer = gateway.send(data=body, headers={
                "ce-specversion": "1.0", "ce-id": f"example-{number}", "ce-source": "https://api.github.com",
                "ce-type": event_type, "Content-Type": "application/json"})
        assert answer.status_code == 202, answer.text
        sent[answer.headers["Event-Id"]] = (event_type, payload)
    assert len(sent) == len(examples)

    def taken_lines():
        return [json.loads(line) for line in taken.read_text().splitlines()]

    wait_until(lambda: {call.json()["id"] for call in function.received()} == set(sent), 60, "all at the function")
    wait_until(lambda: {line["id"] for line in taken_lines()} == set(sent), 60, "all at the framework's function")
    for event in [call.json() for call in function.received()] + taken_lines():
        assert (event["type"], event["data"]) == sent[event["id"]]
    print(f"{len(sent)} payloads, {function.count()} and {len(taken_lines())} deliveries")
