"""A real Kafka and a real ZooKeeper of the test's own, by deploy/stack."""

import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Stack:
    """host and prefix (a command that starts deploy/stack): where it lives, if that is not this machine's loopback.
    options: more for its first start."""

    def __init__(self, data, host=None, prefix=(), options=()):
        self.data = pathlib.Path(data)
        self.host = host
        self.prefix = list(prefix)
        self.options = list(options)
        self.kafka = None
        self.zookeeper = None

    def _call(self, *arguments):
        result = subprocess.run([*self.prefix, ROOT / "deploy/stack", *arguments, "--data", self.data],
                                capture_output=True, text=True, timeout=300, check=False)
        assert result.returncode == 0, f"deploy/stack {arguments}: {result.stdout}{result.stderr}"
        return result.stdout

    def up(self, service=None):
        first = ["--kafka-port", "0", "--zookeeper-port", "0", *self.options] if self.kafka is None else []
        if self.kafka is None and self.host:
            first += ["--host", self.host]
        self._call("up", *([service] if service else []), *first)
        settings = dict(line.split("=", 1) for line in (self.data / "stack.env").read_text().splitlines()
                        if "=" in line and not line.startswith("#"))
        self.kafka = settings["EVENT_GATEWAY_KAFKA"].strip("'\"")
        self.zookeeper = settings["EVENT_GATEWAY_ZOOKEEPER"].strip("'\"")
        return self

    def kill(self, service):
        self._call("kill", service)

    def pid(self, service):
        return int((self.data / f"{service}.pid").read_text())

    def wipe(self):
        if self.data.exists():
            self._call("wipe")
        shutil.rmtree(self.data, ignore_errors=True)
