"""What an operator, or time, does to a Kafka cluster behind the gateway's back."""

import socket
import struct

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from support.gateway import wait_until
from support.records import range_of

OFFSET_DELETE = 47  # Kafka's number of the request


class KafkaAdmin:
    """Of the topics and groups that begin with a prefix."""

    def __init__(self, bootstrap, prefix):
        self.bootstrap = bootstrap
        self.prefix = prefix
        self.client = AdminClient({"bootstrap.servers": bootstrap})

    def partitions(self, topic):
        return sorted(self.client.list_topics(topic, timeout=30).topics[topic].partitions)

    def delete_groups(self):
        """All groups of the prefix. Nobody is in them any more."""
        names = [group.group_id for group in self.client.list_consumer_groups().result(30).valid
                 if group.group_id.startswith(self.prefix)]
        assert names, "there is a group to delete"
        for future in self.client.delete_consumer_groups(names).values():
            future.result(30)

    def committed(self, group, topic):
        """partition -> committed offset"""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, number)
                                                     for number in self.partitions(topic)])
        future, = self.client.list_consumer_group_offsets([asked]).values()
        return {found.partition: found.offset for found in future.result(30).topic_partitions if found.offset >= 0}

    def expire_offsets(self, group, topic, partitions):
        """Removes committed offsets, as the broker does with old ones. The client has no call for it, so it goes over
        the wire: OffsetDelete, version 0."""
        def text(value):
            return struct.pack(">h", len(value)) + value.encode()

        request = struct.pack(">hhi", OFFSET_DELETE, 0, 1) + text("test") + text(group)
        request += struct.pack(">i", 1) + text(topic) + struct.pack(">i", len(partitions))
        request += b"".join(struct.pack(">i", number) for number in partitions)
        host, port = self.bootstrap.split(":")
        with socket.create_connection((host, int(port)), 30) as connection, connection.makefile("rb") as answers:
            connection.sendall(struct.pack(">i", len(request)) + request)
            size, = struct.unpack(">i", answers.read(4))
            error, = struct.unpack_from(">h", answers.read(size), 4)
        assert error == 0, f"Kafka's error {error}"
        assert not set(self.committed(group, topic)) & set(partitions)

    def add_partitions(self, topic, count):
        """The controller's answer comes before the broker tells clients of them."""
        future, = self.client.create_partitions([NewPartitions(topic, count)]).values()
        future.result(30)
        wait_until(lambda: len(self.partitions(topic)) == count, 60, "the broker to tell of the new partitions")

    def ends(self, topic):
        """partition -> the offset that its next record gets"""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "nobody"})
        try:
            return {number: range_of(consumer, topic, number)[1] for number in self.partitions(topic)}
        finally:
            consumer.close()

    def delete_records(self, topic, before):
        """before: partition -> the first offset that stays. As retention does, and at once."""
        asked = [TopicPartition(topic, number, offset) for number, offset in before.items()]
        for future in self.client.delete_records(asked).values():
            future.result(30)

    def produce(self, topic, partition, headers, values, timestamp=0):
        """Records in one partition, without the gateway. timestamp: milliseconds since 1970; 0 = now."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "topic.metadata.refresh.interval.ms": 200})
        failures = []
        for value in values:
            producer.produce(topic, value, partition=partition, headers=headers(value), timestamp=timestamp,
                             on_delivery=lambda error, _message: error and failures.append(error))
        if producer.flush(60) or failures:
            raise KafkaException(failures or "not delivered in time")
