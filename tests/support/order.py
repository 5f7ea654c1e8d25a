"""A function that proves the order of keys, and a producer that numbers the events of each key.

Delivery is at least once, so an event may come again, and after a crash delivery begins again at an earlier
one. What may never be: that an event comes while an earlier one of its key was neither delivered nor given up.
"""

import json
import random
import threading
import time

import requests

from support.functions import Function
from support.senders import Senders

BATCH = "application/cloudevents-batch+json"


class OrderChecker:
    """fails: how often a call is answered 500. poison: every so-manieth event of a key is always answered 400;
    it counts as given up when it was alone. Numbers of a key begin with 0 and have no gaps."""

    def __init__(self, seed, fails=0.1, poison=None, longest_s=0.004):
        self.random = random.Random(seed)
        self.fails = fails
        self.poison = poison
        self.longest_s = longest_s
        self.is_down = False  # every call is answered 503
        self.lock = threading.Lock()
        self.finished = {}  # key -> how many of its first ones are finished
        self.inside = {}  # key -> calls that run
        self.given_up = set()
        self.violations = []
        self.overlaps = 0
        self.duplicates = 0
        self.calls = 0
        self.largest_batch = 0
        self.function = Function(self.answer)

    @property
    def url(self):
        return self.function.url

    def close(self):
        self.function.close()

    def is_poisoned(self, number):
        return self.poison is not None and number % self.poison == self.poison - 1

    def answer(self, call):
        with self.function.lock:
            self.function.calls.clear()  # The checker remembers what matters.
        is_batch = call.headers["Content-Type"].startswith(BATCH)
        events = call.json() if is_batch else [call.json()]
        members = [(event["subject"], event["data"]["number"]) for event in events]
        keys = {key for key, _ in members}
        with self.lock:
            self.calls += 1
            self.largest_batch = max(self.largest_batch, len(members))
            self._check(members)
            for key in keys:
                self.inside[key] = self.inside.get(key, 0) + 1
                self.overlaps += self.inside[key] > 1
            pause_s = self.random.uniform(0, self.longest_s)
            fails = self.random.random() < self.fails
            is_down = self.is_down
        time.sleep(pause_s)
        with self.lock:
            for key in keys:
                self.inside[key] -= 1
            if is_down:
                return 503, {}, b""
            if any(self.is_poisoned(number) for _, number in members):
                if len(members) == 1:
                    self._finish(members)
                    self.given_up.update(members)
                return 400, {}, b""
            if fails:
                return 500, {}, b""
            self._finish(members)
        return 200, {}, b""

    def _check(self, members):
        expected = {}
        for key, number in members:
            next_number = expected.get(key, self.finished.get(key, 0))
            if number > next_number:
                self.violations.append((key, number, next_number))
            self.duplicates += number < next_number
            expected[key] = max(next_number, number + 1)

    def _finish(self, members):
        for key, number in members:
            self.finished[key] = max(self.finished.get(key, 0), number + 1)

    def has_all(self, counts):
        with self.lock:
            return all(self.finished.get(key, 0) >= count for key, count in counts.items())


class KeyedProducer(Senders):
    """One thread for each group of keys; a number is sent until it is acknowledged, then the next one."""

    def __init__(self, target, event_type, keys, threads=4, pause_s=0.0):
        self.target = target  # a callable that gives the URL
        self.event_type = event_type
        self.pause_s = pause_s
        self.counts = {key: 0 for key in keys}
        groups = [list(keys)[index::threads] for index in range(threads)]
        super().__init__([(group,) for group in groups if group])

    def total(self):
        return sum(self.counts.values())

    def _run(self, keys):
        session = requests.Session()
        while not self.stopping.is_set():
            for key in keys:
                while not self._send(session, key, self.counts[key]):
                    time.sleep(0.05)
                self.counts[key] += 1
                time.sleep(self.pause_s)

    def _send(self, session, key, number):
        headers = {"ce-specversion": "1.0", "ce-type": self.event_type, "ce-source": "/order",
                   "ce-id": f"{key}-{number}", "ce-subject": key, "Content-Type": "application/json"}
        try:
            return session.post(self.target(), data=json.dumps({"number": number}), headers=headers,
                                timeout=30).status_code == 202
        except requests.RequestException:
            return False
