"""Reads the event log without the gateway: what is stored, what was given up, what positions were committed."""

import base64
import collections
import json
import sqlite3
import struct

import confluent_kafka

from support.delivery_checker import DeadLetter, Stored

Record = collections.namedtuple("Record", "partition offset timestamp_s key headers value")


def _text(value):
    return None if value is None else value.decode()


class KafkaLog:
    def __init__(self, bootstrap, prefix, group):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.group = group

    def _consumer(self, group):
        return confluent_kafka.Consumer({"bootstrap.servers": self.bootstrap, "group.id": group,
                                         "enable.auto.commit": False, "enable.partition.eof": True,
                                         "auto.offset.reset": "error", "fetch.queue.backoff.ms": 5})

    def partitions(self, stream):
        topic = f"{self.prefix}.{stream}"
        consumer = self._consumer("audit")
        try:
            metadata = consumer.list_topics(topic, timeout=30).topics[topic]
            return [confluent_kafka.TopicPartition(topic, partition) for partition in sorted(metadata.partitions)]
        finally:
            consumer.close()

    def records(self, stream):
        """Everything from the beginning to what is the end when it gets there."""
        partitions = self.partitions(stream)
        for partition in partitions:
            partition.offset = confluent_kafka.OFFSET_BEGINNING
        consumer = self._consumer("audit")
        consumer.assign(partitions)
        open_ones = len(partitions)
        try:
            while open_ones:
                message = consumer.poll(60)
                assert message is not None, f"{stream}: no answer from Kafka"
                if message.error() is None:
                    yield Record(message.partition(), message.offset(), message.timestamp()[1] / 1000,
                                 _text(message.key()), dict(message.headers() or []), message.value())
                elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                    open_ones -= 1
                else:
                    raise AssertionError(message.error())
        finally:
            consumer.close()

    def committed(self):
        """Partition of eg.events -> the group's position; -1001: none. None while Kafka does not answer."""
        consumer = self._consumer(self.group)
        try:
            answer = consumer.committed(self.partitions("events"), timeout=5)
            return {partition.partition: partition.offset for partition in answer}
        except confluent_kafka.KafkaException:
            return None
        finally:
            consumer.close()


class SqliteLog:
    """The embedded store; it can be read while a gateway has it open."""

    def __init__(self, path):
        self.path = path

    def records(self, stream):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=30) as connection:
            rows = connection.execute(f'SELECT offset, timestamp_ms, key, headers, value FROM "{stream}" '
                                      'ORDER BY offset').fetchall()
        connection.close()
        for offset, timestamp_ms, key, headers, value in rows:
            yield Record(0, offset, timestamp_ms / 1000, _text(key), dict(decode_headers(headers)), value)


def decode_headers(encoded):
    """As core/event_log/record_slice.h writes them: a count, then name and value, each with its size in front."""
    count, at = struct.unpack_from("<I", encoded)[0], 4
    for _ in range(count):
        pair = []
        for _ in range(2):
            size = struct.unpack_from("<I", encoded, at)[0]
            pair.append(encoded[at + 4:at + 4 + size])
            at += 4 + size
        yield pair[0].decode(), pair[1]


def stored_events(log, kind_of):
    """kind_of(number): what the checker matches with."""
    return [Stored(number, record.partition, record.offset, record.key, kind_of(number))
            for record in log.records("events") for number in [json.loads(record.value)["number"]]]


def dead_letters(log, name_of):
    """name_of: subscription id -> the name that the checker knows."""
    found = []
    for record in log.records("deadletter"):
        header = {name: value.decode() for name, value in record.headers.items() if name.startswith("ce_egdl")}
        base64.b64decode(header["ce_egdlanswer"], validate=True)
        found.append(DeadLetter(name_of.get(header["ce_egdlsubscription"], header["ce_egdlsubscription"]),
                                json.loads(record.value)["number"], record.timestamp_s, header.get("ce_egdlreason"),
                                _number(header.get("ce_egdlattempts")), _number(header.get("ce_egdlstatus"))))
    return found


def _number(text):
    return int(text) if text is not None and text.isdigit() else None
