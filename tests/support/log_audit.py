"""Reads the event log without the gateway: what is stored, what was given up, what positions were committed."""

import base64
import json
import threading

import confluent_kafka

from support.delivery_checker import DeadLetter, Stored
from support.records import read_file, read_topic


class KafkaLog:
    def __init__(self, bootstrap, prefix, group):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.group = group

    def records(self, stream):
        return read_topic(self.bootstrap, f"{self.prefix}.{stream}")


class SqliteLog:
    def __init__(self, path):
        self.path = path

    def records(self, stream):
        return read_file(self.path, stream)


class CommitWatch:
    """Looks again and again at the positions that a group has committed: they may never move back."""

    def __init__(self, log, stream="events", pause_s=0.1):
        self.moved_back = []  # (partition, from, to)
        self.positions = {}
        self.looks = 0
        self.pause_s = pause_s
        self.consumer = confluent_kafka.Consumer({"bootstrap.servers": log.bootstrap, "group.id": log.group,
                                                  "enable.auto.commit": False})
        topic = f"{log.prefix}.{stream}"
        self.partitions = [confluent_kafka.TopicPartition(topic, partition)
                           for partition in self.consumer.list_topics(topic, timeout=30).topics[topic].partitions]
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join(60)
            self.consumer.close()

    def _run(self):
        while not self.stopping.wait(self.pause_s):
            try:
                answer = self.consumer.committed(self.partitions, timeout=5)
            except confluent_kafka.KafkaException:
                continue  # Kafka is away; it is looked again
            self.looks += 1
            for found in answer:
                if found.error:
                    continue
                before = self.positions.get(found.partition)
                if before is not None and found.offset < before:
                    self.moved_back.append((found.partition, before, found.offset))
                self.positions[found.partition] = found.offset


def stored_events(log, kind_of):
    """kind_of(number): what the checker matches with."""
    return [Stored(number, record.partition, record.offset, record.key, kind_of(number))
            for record in log.records("events") for number in [json.loads(record.value)["number"]]]


def dead_letters(log, name_of):
    """name_of: subscription id -> the name that the checker knows."""
    found = []
    for record in log.records("deadletter"):
        header = record.headers
        base64.b64decode(header["ce_egdlanswer"], validate=True)
        found.append(DeadLetter(name_of.get(header["ce_egdlsubscription"], header["ce_egdlsubscription"]),
                                json.loads(record.value)["number"], record.timestamp_s, header.get("ce_egdlreason"),
                                _number(header.get("ce_egdlattempts")), _number(header.get("ce_egdlstatus"))))
    return found


def _number(text):
    return int(text) if text is not None and text.isdigit() else None
