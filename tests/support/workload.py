"""The workload of the crash tests: events of ten types in two spaces and on two paths, and twenty subscriptions, of which five
are slow, two go down, one refuses one event in twenty for ever, and one is ordered.

What an event is follows from the seed and its number alone, so that a seed repeats it.
"""

import collections
import dataclasses
import http.client
import itertools
import json
import threading
import time
import zlib

from support.delivery_checker import Subscription
from support.subscriber_server import refusal

TYPES = 10
KEYS = 50
BLOCK = 20  # events of one request, if they are sent as a batch
RETRY = {"initialMs": 20, "maxMs": 500, "maxAttempts": 1000}
FEW_ATTEMPTS = {"initialMs": 5, "maxMs": 100, "maxAttempts": 3}

Kind = collections.namedtuple("Kind", "space type path")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A subscription as it is made, and how its subscriber behaves."""

    name: str
    type: str
    space: str = "default"
    path: str = "/"
    behaviour: dict = dataclasses.field(default_factory=dict)
    delivery: dict = dataclasses.field(default_factory=lambda: {"retry": RETRY})

    def matches(self, kind):
        on_path = kind.path == "/" if self.path == "/" else kind.path.startswith("/deep/")
        return kind.space == self.space and kind.type == self.type and on_path

    @property
    def is_ordered(self):
        return self.delivery.get("ordering") == "key"

    def refuses(self, number):
        return refusal(number, self.behaviour.get("refuse")) is not None


def wanted_subscriptions():
    slow = {"slow_s": (0.05, 0.25)}
    made = [("ordered", {"behaviour": {"refuse": 50}, "delivery": {"ordering": "key", "retry": FEW_ATTEMPTS}}),
            ("refusing", {"behaviour": {"refuse": 20}, "delivery": {"retry": FEW_ATTEMPTS}}),
            ("down-0", {}), ("down-1", {})]
    made += [(f"slow-{number}", {"behaviour": slow, "delivery": {"retry": RETRY, "maxInFlight": 16}})
             for number in range(5)]
    made += [(f"fast-{number}", {}) for number in range(9)]
    made += [("elsewhere", {"space": "other"}), ("deep", {"path": "/deep/*rest"})]
    return [Wanted(name, f"chaos.{index % TYPES}", **more) for index, (name, more) in enumerate(made)]


class Events:
    """What each event is."""

    def __init__(self, seed):
        self.seed = seed

    def _draw(self, what, number, choices):
        return zlib.crc32(f"{self.seed} {what} {number}".encode()) % choices

    def kind(self, number):
        block = number // BLOCK
        return Kind("other" if self._draw("space", block, 10) == 0 else "default",
                    f"chaos.{self._draw('type', number, TYPES)}",
                    f"/deep/{block}" if self._draw("path", block, 10) == 0 else "/")

    def key(self, number):
        """Half of the events have none, but for those of the type that somebody wants in order."""
        if self.kind(number).type != "chaos.0" and self._draw("keyed", number, 2):
            return None
        return f"key-{self._draw('key', number, KEYS)}"

    def is_batch(self, block):
        return self._draw("batch", block, 10) < 4

    def document(self, number):
        event = {"specversion": "1.0", "id": str(number), "source": "/chaos", "type": self.kind(number).type,
                 "datacontenttype": "application/json", "data": {"number": number}}
        key = self.key(number)
        return event if key is None else {**event, "subject": key}


def register(gateway, subscribers, wanted=None):
    """The spaces' types, functions and subscriptions. Returns the checker's subscriptions, and id -> name."""
    wanted = wanted or wanted_subscriptions()
    for space in {one.space for one in wanted}:
        for kind in sorted({one.type for one in wanted if one.space == space}):
            gateway.register_event_type(kind, space=space)
    names = {}
    for one in wanted:
        gateway.register_function(one.name, subscribers.url(one.name), space=one.space)
        made = gateway.subscribe(one.name, one.type, space=one.space, path=one.path, delivery=one.delivery)
        names[made["subscriptionId"]] = one.name
    return [Subscription(one.name, one.matches, one.is_ordered) for one in wanted], names


class Sender:
    """Sends events from several threads at most at `rate` a second, until so many were acknowledged or it is stopped.
    Anything but 202 promises nothing, and what it was is counted; no event is sent twice."""

    def __init__(self, events, targets, count=None, rate=None, threads=8, timeout_s=30):
        self.events = events
        self.targets = targets  # a callable: (host, port) of each that may be up
        self.count = count
        self.timeout_s = timeout_s
        self.pause_s = BLOCK * threads / rate if rate else 0
        self.acknowledged = set()
        self.refused = collections.Counter()
        self.last_refusal = {}
        self.blocks = itertools.count()
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(index,), daemon=True) for index in range(threads)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def is_done(self):
        return self.stopping.is_set() or (self.count is not None and len(self.acknowledged) >= self.count)

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(self.timeout_s * 2)
            assert not thread.is_alive(), "a request was never answered"

    def _run(self, index):
        connection = _Connection(self.timeout_s)
        while not self.is_done():
            until = time.monotonic() + self.pause_s
            block = next(self.blocks)
            numbers = range(block * BLOCK, (block + 1) * BLOCK)
            if self.events.is_batch(block):
                self._send(connection, index + block, list(numbers))
            else:
                for number in numbers:
                    if self.is_done():
                        break
                    self._send(connection, index + block, [number])
                    time.sleep(self.pause_s / BLOCK)
            time.sleep(max(0.0, until - time.monotonic()))

    def _send(self, connection, turn, numbers):
        targets = self.targets()
        kind = self.events.kind(numbers[0])
        documents = [self.events.document(number) for number in numbers]
        is_batch = len(numbers) > 1
        media = "application/cloudevents-batch+json" if is_batch else "application/cloudevents+json"
        result = connection.post(targets[turn % len(targets)], kind.path, documents if is_batch else documents[0],
                                 {"Content-Type": media, "Space": kind.space})
        with self.lock:
            if result == 202:
                self.acknowledged.update(numbers)
            else:
                self.refused[result] += len(numbers)
                self.last_refusal[result] = time.time()
        if result != 202:
            time.sleep(0.05)


class _Connection:
    """One that is kept as long as the same target is asked."""

    def __init__(self, timeout_s):
        self.timeout_s = timeout_s
        self.target = None
        self.connection = None

    def post(self, target, path, document, headers):
        """The status, or the name of what went wrong."""
        try:
            if target != self.target or self.connection.sock is None:
                self.close()
                self.connection = http.client.HTTPConnection(*target, timeout=self.timeout_s)
                self.connection.connect()
                self.target = target
            self.connection.request("POST", path, json.dumps(document), headers)
            answer = self.connection.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException) as problem:
            self.close()
            return type(problem).__name__

    def close(self):
        if self.connection:
            self.connection.close()
        self.target = None
