"""What the parts of the bench share: processes, HTTP, the sink's and the gateway's figures."""

import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build/release"
BENCH = BUILD / "tests"
TYPE = "bench.event"


def call(method, url, document=None):
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        body = answer.read()
    return json.loads(body) if body.startswith((b"{", b"[")) else body.decode()


def run_json(*command):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600,
                            check=False)
    if not result.stdout:
        raise SystemExit(f"{command}: {result.stderr}")
    return json.loads(result.stdout.splitlines()[-1])


class Child:
    """A process of the bench with its output in a file; the port is read from what it prints."""

    def __init__(self, folder, name, command, pattern):
        self.path = pathlib.Path(folder) / f"{name}-{uuid.uuid4().hex[:6]}.out"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("EVENT_GATEWAY_")}
        with open(self.path, "wb") as output, open(self.path.with_suffix(".err"), "wb") as errors:
            self.started = time.monotonic()
            self.process = subprocess.Popen([str(part) for part in command], stdout=output, stderr=errors,
                                            env=environment)
        deadline = time.monotonic() + 60
        while pattern and not re.search(pattern, self.text(), re.M):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{command} did not start: {self.path.with_suffix('.err').read_text()}")
            time.sleep(0.002)
        self.ready_ms = (time.monotonic() - self.started) * 1000

    def text(self):
        return self.path.read_text()

    def port(self, pattern):
        return int(re.search(pattern, self.text(), re.M).group(1))

    def rss_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024

    def cpu_seconds(self):
        """Of this process, so far."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


def events_port(gateway):
    return gateway.port(r"^Events API +http://\S+:(\d+)")


def config_base(gateway, space="default"):
    port = gateway.port(r"^Configuration API +http://\S+:(\d+)")
    return f"http://127.0.0.1:{port}/v1/spaces/{space}"


def stats(port):
    return call("GET", f"http://127.0.0.1:{port}/stats")


def wait_for_count(port, wanted, timeout_s=300):
    deadline = time.monotonic() + timeout_s
    while stats(port)["count"] < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"the sink got {stats(port)['count']} of {wanted} events")
        time.sleep(0.2)
    return stats(port)


def metric(gateway, name):
    port = gateway.port(r"^(?:Configuration API|Status and metrics) +http://\S+:(\d+)")
    text = call("GET", f"http://127.0.0.1:{port}/v1/metrics")
    found = re.search(f"^{re.escape(name)} (\\S+)$", text, re.M)
    return float(found.group(1)) if found else 0
