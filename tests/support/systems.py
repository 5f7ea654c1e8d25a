"""What the crash tests disturb: a gateway on the embedded store, or a cluster of its parts with a stack of its own."""

import contextlib
import os
import signal
import urllib.parse

from conftest import cluster_arguments
from support.cluster import await_settled, start_again
from support.gateway import Gateway
from support.log_audit import KafkaLog, SqliteLog
from support.stack import Stack

SESSION_S = 3  # both with Kafka and with ZooKeeper
SHORT_SESSIONS = ["--kafka-set", f"session.timeout.ms={SESSION_S * 1000}", "--kafka-set", "heartbeat.interval.ms=500"]


def address(gateway):
    parts = urllib.parse.urlsplit(gateway.events_url)
    return parts.hostname, parts.port


class Embedded:
    """One process; `kill` is all that can be done to it."""

    STORES = []

    def __init__(self, folder):
        self.data = folder / "data"
        self.entry = Gateway(["dev", "--data", self.data], folder / "gateway.log").start()

    def settle(self):
        await_settled(self.entry, 1)

    def targets(self):
        return [address(self.entry)]

    def disturb(self, _verb, _victim):
        self.entry.kill()

    def restore(self, _verb, _victim):
        start_again(self.entry)

    def may_repeat(self, _victim):
        return True

    def log(self):
        return SqliteLog(self.data / "events.db")

    def stop(self):
        self.entry.stop()


class Cluster:
    """Two ingests, three dispatchers and an admin, and the stack that they run on."""

    NAME = "chaos"
    ROLES = {"ingest-1": "ingest", "ingest-2": "ingest", "dispatcher-1": "dispatcher", "dispatcher-2": "dispatcher",
             "dispatcher-3": "dispatcher", "admin": "admin"}
    STORES = ["kafka", "zookeeper"]

    def __init__(self, folder):
        self.folder = folder
        self.nodes = {}
        self.services = {}
        try:
            self.start_services()
            self.kafka = self.services["kafka"].kafka
            self.zookeeper = self.services["zookeeper"].zookeeper
            for name, role in self.ROLES.items():
                self.start_node(name, role)
        except BaseException:
            self.stop()
            raise
        self.entry = self.nodes["admin"]

    def start_services(self):
        stack = Stack(self.folder / "stack")
        self.services = {name: stack for name in self.STORES}
        stack.up()

    def start_node(self, name, role, prefix=(), **options):
        arguments = cluster_arguments(self, self.NAME, role=role, data=self.folder / name,
                                      zookeeper_session=f"{SESSION_S}s", **options)
        self.nodes[name] = Gateway(arguments + SHORT_SESSIONS, self.folder / f"{name}.log", prefix=prefix)
        start_again(self.nodes[name])

    def settle(self):
        await_settled(self.entry, len(self.nodes))

    def targets(self):
        return [address(node) for name, node in self.nodes.items() if name.startswith("ingest")]

    def disturb(self, verb, victim):
        if verb == "kill" and victim in self.nodes:
            self.nodes[victim].kill()
        elif verb == "kill":
            self.services[victim].kill(victim)
        elif verb == "restart":
            self.nodes[victim].stop()
        elif verb == "freeze":
            os.kill(self.pid(victim), signal.SIGSTOP)
        else:
            raise ValueError(verb)

    def restore(self, verb, victim):
        if verb == "freeze":
            os.kill(self.pid(victim), signal.SIGCONT)
        elif victim in self.nodes:
            start_again(self.nodes[victim])
        else:
            self.services[victim].up(victim)

    def may_repeat(self, victim):
        part, *link = victim.split()
        return part == "kafka" or (part.startswith("dispatcher") and link[:1] != ["zookeeper"])

    def pid(self, victim):
        return self.nodes[victim].pid if victim in self.nodes else self.services[victim].pid(victim)

    def log(self):
        return KafkaLog(self.kafka, self.NAME, self.NAME)

    def stop(self):
        try:
            with contextlib.ExitStack() as stopping:
                for node in self.nodes.values():
                    if node.process and node.process.poll() is None:
                        node.process.send_signal(signal.SIGCONT)
                        stopping.callback(node.stop)
        finally:
            for stack in set(self.services.values()):
                stack.wipe()


class NamespacedCluster(Cluster):
    """The same with each part but the admin in a network namespace of its own: links can be cut. A victim is then
    `PART SERVICE DIRECTION`."""

    def __init__(self, folder, network):
        self.network = network
        super().__init__(folder)

    def start_services(self):
        for name in self.STORES:
            host = self.network.add(name)
            self.services[name] = Stack(self.folder / name, host, self.network.prefix(name))
            self.services[name].up(name)

    def start_node(self, name, role, prefix=(), **options):
        if role != "admin":
            self.network.add(name)
            prefix = self.network.prefix(name)
        if role == "ingest":
            options["events_address"] = self.network.addresses[name]
        super().start_node(name, role, prefix, allow_target=self.network.cidr, **options)

    def targets(self):
        return [(self.network.addresses[name], node.events_port) for name, node in self.nodes.items()
                if name.startswith("ingest")]

    def disturb(self, verb, victim):
        if verb == "cut":
            self._cut(self.network.cut, *victim.split())
        else:
            super().disturb(verb, victim)

    def restore(self, verb, victim):
        if verb == "cut":
            self._cut(self.network.mend, *victim.split())
        else:
            super().restore(verb, victim)

    def _cut(self, what, part, service, direction):
        what(part, self.network.addresses[service], direction)
