"""kill -9 under load while subscribers are down and refuse: what waits in the log is neither lost nor multiplied.

The seed is printed; EG_TEST_SEED repeats a plan. EG_TEST_FULL makes the runs long.
"""

import collections
import os
import random
import threading
import time

import pytest

from support.cluster import Cluster, start_again
from support.functions import Function
from support.gateway import Gateway, wait_until
from support.producer import Producer
from support.records import read_file, read_topic
from support.stack import Stack

FULL = bool(os.environ.get("EG_TEST_FULL"))
SECONDS = 200 if FULL else 20
EVENT_TYPE = "crash.event"
# Waits from 100 ms on are parked, in tiers of 200 ms, 1.2 s, 12 s and 72 s.
DIVISOR = 50


@pytest.fixture
def plan(seed):
    return random.Random(seed)


class Subscriber(Function):
    """Counts what it has taken. answers: (number) -> status."""

    def __init__(self, answers):
        self.taken = collections.Counter()
        self.attempts = collections.defaultdict(list)
        self.count_lock = threading.Lock()
        self.answers = answers
        super().__init__(self._answer)

    def _answer(self, call):
        number = call.json()["data"]["number"]
        status = self.answers(number)
        with self.count_lock:
            self.attempts[number].append(int(call.headers["Event-Gateway-Attempt"]))
            if status == 200:
                self.taken[number] += 1
        return status, {}, b"the answer"

    def duplicates(self):
        return sum(self.taken.values()) - len(self.taken)


class Subscribers:
    """One is well, one is down for whiles, one refuses 5 % of the events for ever, one wants other events."""

    def __init__(self):
        self.is_up = True
        self.well = Subscriber(lambda number: 200)
        self.down = Subscriber(lambda number: 200 if self.is_up else 503)
        self.refuses = Subscriber(lambda number: 500 if self.is_refused(number) else 200)
        self.other = Subscriber(lambda number: 200)
        self.all = {"well": self.well, "down": self.down, "refuses": self.refuses}

    @staticmethod
    def is_refused(number):
        return number % 20 == 7

    def register(self, gateway):
        gateway.register_event_type(EVENT_TYPE)
        gateway.register_event_type("other")
        retries = {"well": {"initialMs": 20, "maxMs": 500, "maxAttempts": 1000},
                   "down": {"initialMs": 50, "maxMs": 3000, "maxAttempts": 1000},
                   "refuses": {"initialMs": 200, "factor": 3, "maxAttempts": 5}}
        for name, subscriber in self.all.items():
            gateway.register_function(name, subscriber.url)
            gateway.subscribe(name, EVENT_TYPE, delivery={"retry": retries[name], "maxInFlight": 16})
        gateway.register_function("other", self.other.url)
        gateway.subscribe("other", "other")

    def close(self):
        for subscriber in [*self.all.values(), self.other]:
            subscriber.close()


@pytest.fixture
def subscribers():
    subscribers = Subscribers()
    yield subscribers
    subscribers.close()


def check(producer, subscribers, read_letters, kills, capsys):
    """Each acknowledged event was taken by each subscriber, or lies in its dead letters; nothing else was delivered."""
    wanted = producer.acknowledged
    refused = {number for number in wanted if subscribers.is_refused(number)}

    def lettered():
        return {int(record.headers["ce_id"]) for record in read_letters()
                if record.headers["ce_egdlfunction"] == "refuses"}

    wait_until(lambda: wanted <= set(subscribers.well.taken), 180, "all for the one that is well")
    wait_until(lambda: wanted <= set(subscribers.down.taken), 180, "all for the one that was down")
    wait_until(lambda: wanted - refused <= set(subscribers.refuses.taken), 180, "all that is not refused")
    wait_until(lambda: refused <= lettered(), 180, "the dead letters of what is refused")
    letters = list(read_letters())
    duplicates = {name: subscriber.duplicates() for name, subscriber in subscribers.all.items()}
    with capsys.disabled():
        print(f"kills {kills}, acknowledged {len(wanted)}, refused by the gateway {producer.refused}, "
              f"dead letters {len(letters)} of {len(refused)}, duplicates {duplicates}, most attempts "
              f"{max(max(attempts) for attempts in subscribers.down.attempts.values())}", end=" ")
    assert len(wanted) > 500
    assert subscribers.other.count() == 0
    sent = next(producer.numbers)
    assert all(number < sent for subscriber in subscribers.all.values() for number in subscriber.taken)
    assert {record.headers["ce_egdlfunction"] for record in letters} == {"refuses"}
    assert lettered() <= {number for number in range(sent) if subscribers.is_refused(number)}
    for record in letters:
        assert record.headers["ce_egdlattempts"] == "5"
        assert record.headers["ce_egdlreason"].startswith("attempts used up")
        assert record.headers["ce_egdlstatus"] == "500"
    # A refused event is tried five times; what a crash repeats begins anew or goes on where it was parked.
    assert all(max(attempts) <= 5 for attempts in subscribers.refuses.attempts.values())


def break_things(plan, subscribers, victims, kill, revive, pause_s):
    """Kills one after the other, while the one subscriber goes and comes. Returns who was killed."""
    kills = []
    until = time.monotonic() + SECONDS
    while time.monotonic() < until or len(kills) < len(victims):
        time.sleep(plan.uniform(0.3, pause_s))
        subscribers.is_up = not subscribers.is_up
        victim = victims[len(kills)] if len(kills) < len(victims) else plan.choice(victims)
        kill(victim)
        kills.append(victim)
        time.sleep(plan.uniform(0.0, 1.0))
        revive(victim)
    subscribers.is_up = True
    return kills


def test_what_waits_survives_when_the_embedded_gateway_is_killed(tmp_path, subscribers, plan, capsys):
    gateway = Gateway(["dev", "--data", tmp_path / "data", "--retry-time-divisor", DIVISOR], tmp_path / "gateway.log")
    gateway.start()
    subscribers.register(gateway)
    producer = Producer(lambda: [gateway.events_url], EVENT_TYPE, pause_s=0.01).start()
    try:
        kills = break_things(plan, subscribers, [gateway], lambda victim: victim.kill(), start_again, 3.0)
        producer.stop()
        check(producer, subscribers, lambda: list(read_file(tmp_path / "data/events.db", "deadletter")),
              len(kills), capsys)
    finally:
        gateway.stop()


def test_what_waits_survives_when_any_part_of_a_cluster_is_killed(tmp_path, subscribers, plan, capsys):
    stack = Stack(tmp_path / "stack").up()
    cluster = Cluster(stack, tmp_path, retry_time_divisor=DIVISOR)
    try:
        cluster.start()
        subscribers.register(cluster.nodes["admin"])
        producer = Producer(cluster.events_urls, EVENT_TYPE, pause_s=0.01).start()
        victims = ["dispatcher-1", "dispatcher-2", "kafka", "zookeeper", "ingest-1"]
        plan.shuffle(victims)
        kills = break_things(plan, subscribers, victims, cluster.kill, cluster.revive, 4.0)
        producer.stop()
        check(producer, subscribers, lambda: list(read_topic(stack.kafka, "crash.deadletter")), kills, capsys)
    finally:
        cluster.stop()
        stack.wipe()
