"""Reads what lies in a stream of the event log, in either store, without the gateway."""

import dataclasses
import sqlite3
import struct
import time
import uuid

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

# A broker that has just come back leads its partitions a moment later.
LEADER_MOVES = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)


@dataclasses.dataclass(frozen=True)
class Record:
    partition: int
    offset: int
    timestamp_s: float  # since 1970
    key: str  # or None
    headers: dict  # name -> text
    value: bytes


def _text(value):
    return None if value is None else value.decode()


def range_of(consumer, topic, partition, timeout_s=60):
    """The partition's first offset, and the one that its next record gets."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        except KafkaException as failure:
            if failure.args[0].code() not in LEADER_MOVES or time.monotonic() > deadline:
                raise
            consumer.poll(0.1)


def read_topic(kafka, topic):
    """Everything that the topic holds now."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"t{uuid.uuid4().hex}", "enable.auto.commit": False})
    try:
        partitions = consumer.list_topics(topic, timeout=30).topics[topic].partitions
        ends = {number: range_of(consumer, topic, number) for number in partitions}
        consumer.assign([TopicPartition(topic, number, low) for number, (low, high) in ends.items() if high > low])
        waiting = {number for number, (low, high) in ends.items() if high > low}
        while waiting:
            message = consumer.poll(30)
            # A message without a value is false.
            assert message is not None and not message.error(), message and message.error()
            yield Record(message.partition(), message.offset(), message.timestamp()[1] / 1000, _text(message.key()),
                         {name: value.decode() for name, value in message.headers() or []}, message.value())
            if message.offset() >= ends[message.partition()][1] - 1:
                waiting.discard(message.partition())
    finally:
        consumer.close()


def _read_headers(data):
    """The count, then each name and value behind its size (core/event_log/record_slice.c)."""
    texts, position = [], 4
    for _ in range(2 * struct.unpack_from("<I", data)[0]):
        size, = struct.unpack_from("<I", data, position)
        texts.append(data[position + 4:position + 4 + size].decode())
        position += 4 + size
    return dict(zip(texts[::2], texts[1::2]))


def read_file(path, stream):
    """The same of the embedded store, also while a gateway has it open."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        rows = database.execute(f'SELECT offset, timestamp_ms, key, headers, value FROM "{stream}" ORDER BY offset')
        for offset, timestamp_ms, key, headers, value in rows:
            yield Record(0, offset, timestamp_ms / 1000, _text(key), _read_headers(headers), value)
    finally:
        database.close()
