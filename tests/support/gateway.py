"""Starts the real binary on free ports and talks to it."""

import os
import pathlib
import re
import signal
import subprocess
import time

import requests

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("EG_TEST_BINARY", ROOT / "build/release/event-gateway"))
EGCTL = BINARY.with_name("egctl")


def clean_environment():
    """The caller's own settings must not reach a tested process."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("EVENT_GATEWAY_", "AWS_"))}


def wait_until(condition, timeout_s=30.0, what="condition"):
    """Polls until condition() is truthy and returns its value; fails the test when time is up."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(0.02)


def subscription_path(subscription):
    return f"/v1/spaces/{subscription['space']}/subscriptions/{subscription['subscriptionId']}"


class Gateway:
    """One process. arguments: what follows the binary's name, without ports. environment: further variables.
    prefix: a command that starts it."""

    def __init__(self, arguments, log_path, events_port=0, config_port=0, environment=None, prefix=()):
        self.prefix = list(prefix)
        self.arguments = [str(argument) for argument in arguments]
        self.log_path = pathlib.Path(log_path)
        self.events_port = events_port
        self.config_port = config_port
        self.environment = environment or {}
        self.process = None
        self.events_url = None
        self.config_url = None
        self.session = requests.Session()

    def start(self, timeout_s=30.0):
        """Ports that were free ones the first time are kept by later starts."""
        command = [*self.prefix, str(BINARY), *self.arguments, f"--events-port={self.events_port}",
                   f"--config-port={self.config_port}"]
        self.output_path = self.log_path.with_suffix(".out")
        with open(self.log_path, "ab") as log, open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=log,
                                            env={**clean_environment(), **self.environment})
        wait_until(lambda: self._read_ports() or self.process.poll() is not None, timeout_s,
                   f"{command} to be ready; log: {self.log_path.read_text()[-2000:]}")
        if self.process.poll() is not None:
            raise AssertionError(f"{command} ended with {self.process.returncode}: "
                                 f"{self.log_path.read_text()[-2000:]}")
        return self

    def _read_ports(self):
        text = self.output_path.read_text()
        config = re.search(r"^(?:Configuration API|Status and metrics) +(http://\S+:(\d+))$", text, re.M)
        if not config:
            return False
        self.config_url, self.config_port = config.group(1), int(config.group(2))
        events = re.search(r"^Events API +(http://\S+:(\d+))$", text, re.M)
        if events:
            self.events_url, self.events_port = events.group(1), int(events.group(2))
        return True

    @property
    def pid(self):
        return self.process.pid

    def kill(self):
        """As a crash: SIGKILL."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, timeout_s=60.0):
        """SIGTERM and its exit code."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"SIGTERM did not end it; log: {self.log_path.read_text()[-3000:]}")
        return self.process.returncode if self.process else None

    # The Configuration API.

    def config(self, method, path, json=None, **options):
        return self.session.request(method, self.config_url + path, json=json, timeout=30, **options)

    def register_function(self, function_id, url, space="default", **fields):
        return self.register(function_id, "http", {"url": url, **fields.pop("provider", {})}, space, **fields)

    def register(self, function_id, kind, provider, space="default", **fields):
        """A function of any provider."""
        answer = self.config("POST", f"/v1/spaces/{space}/functions",
                             {"functionId": function_id, "type": kind, "provider": provider, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def register_event_type(self, name, space="default", **fields):
        answer = self.config("POST", f"/v1/spaces/{space}/eventtypes", {"name": name, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def subscribe(self, function_id, event_type, space="default", kind="async", **fields):
        answer = self.config("POST", f"/v1/spaces/{space}/subscriptions",
                             {"type": kind, "eventType": event_type, "functionId": function_id, **fields})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def status_of(self, subscription):
        answer = self.config("GET", subscription_path(subscription) + "/status")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metrics(self):
        """Every sample by its text up to the value: 'name{label="x"}' -> float."""
        text = self.config("GET", "/v1/metrics").text
        samples = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        return samples

    # The Events API.

    def send(self, method="POST", path="/", data=None, headers=None, **options):
        return self.session.request(method, self.events_url + path, data=data, headers=headers,
                                    timeout=30, **options)

    def invoke(self, function_id, data=b"{}", content_type="application/json", **headers):
        """The classic synchronous call."""
        return self.send("POST", "/", data, {"Event": "invoke", "Function-ID": function_id,
                                             "Content-Type": content_type, **headers})

    def emit(self, event_type, data=b"{}", content_type="application/json", path="/", **headers):
        """The classic Event: header."""
        return self.send("POST", path, data, {"Event": event_type, "Content-Type": content_type, **headers})
