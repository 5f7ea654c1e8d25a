"""What the crash tests disturb: a gateway on the embedded store, or a cluster of its parts with a stack of its own."""

import signal
import urllib.parse

from conftest import cluster_arguments
from support.chaos import start_again
from support.gateway import Gateway
from support.log_audit import KafkaLog, SqliteLog
from support.stack import Stack

SHORT_SESSIONS = ["--kafka-set", "session.timeout.ms=4000", "--kafka-set", "heartbeat.interval.ms=500"]


def address(gateway):
    parts = urllib.parse.urlsplit(gateway.events_url)
    return parts.hostname, parts.port


class Embedded:
    """One process; `kill` is all that can be done to it."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.entry = Gateway(["dev", "--data", self.data], folder / "gateway.log").start()

    def targets(self):
        return [address(self.entry)]

    def disturb(self, _verb, _victim):
        self.entry.kill()

    def restore(self, _verb, _victim):
        start_again(self.entry)

    def log(self):
        return SqliteLog(self.data / "events.db")

    def stop(self):
        self.entry.stop()


class Cluster:
    """Two ingests, three dispatchers and an admin, and the stack that they run on."""

    NAME = "chaos"
    ROLES = {"ingest-1": "ingest", "ingest-2": "ingest", "dispatcher-1": "dispatcher", "dispatcher-2": "dispatcher",
             "dispatcher-3": "dispatcher", "admin": "admin"}
    KILLED = ["ingest-1", "ingest-2", "dispatcher-1", "dispatcher-2", "dispatcher-3", "kafka", "zookeeper"]

    def __init__(self, folder):
        self.stack = Stack(folder / "stack").up()
        self.nodes = {}
        for name, role in self.ROLES.items():
            arguments = cluster_arguments(self.stack, self.NAME, role=role, data=folder / name, zookeeper_session="4s")
            self.nodes[name] = Gateway(arguments + SHORT_SESSIONS, folder / f"{name}.log")
        for node in self.nodes.values():
            start_again(node)
        self.entry = self.nodes["admin"]

    def targets(self):
        return [address(node) for name, node in self.nodes.items() if name.startswith("ingest")]

    def disturb(self, verb, victim):
        if verb == "kill" and victim in self.nodes:
            self.nodes[victim].kill()
        elif verb == "kill":
            self.stack.kill(victim)
        elif verb == "restart":
            self.nodes[victim].stop()
        elif verb == "freeze":
            self.nodes[victim].process.send_signal(signal.SIGSTOP)
        else:
            raise ValueError(verb)

    def restore(self, verb, victim):
        if verb == "freeze":
            self.nodes[victim].process.send_signal(signal.SIGCONT)
        elif victim in self.nodes:
            start_again(self.nodes[victim])
        else:
            self.stack.up(victim)

    def log(self):
        return KafkaLog(self.stack.kafka, f"{self.NAME}", self.NAME)

    def stop(self):
        try:
            for node in self.nodes.values():
                node.process.send_signal(signal.SIGCONT)
                node.stop()
        finally:
            self.stack.wipe()
