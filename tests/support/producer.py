"""Sends numbered events from several threads and remembers which of them were acknowledged."""

import itertools
import json
import threading
import time

import requests

from support.senders import Senders


class Producer(Senders):
    """targets: a callable that gives the Events API URLs that may be up. Anything but 202 promises nothing."""

    def __init__(self, targets, event_type, threads=4, pause_s=0.004):
        self.targets = targets
        self.event_type = event_type
        self.pause_s = pause_s
        self.acknowledged = set()
        self.refused = {}
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        super().__init__([(index,) for index in range(threads)])

    def _run(self, index):
        session = requests.Session()
        while not self.stopping.is_set():
            targets = self.targets()
            number = next(self.numbers)
            result = self._send(session, targets[(number + index) % len(targets)], number)
            with self.lock:
                if result == 202:
                    self.acknowledged.add(number)
                else:
                    self.refused[result] = self.refused.get(result, 0) + 1
            time.sleep(self.pause_s if result == 202 else 0.05)

    def _send(self, session, url, number):
        headers = {"ce-specversion": "1.0", "ce-type": self.event_type, "ce-source": "/crash",
                   "ce-id": str(number), "Content-Type": "application/json"}
        try:
            return session.post(url, data=json.dumps({"number": number}), headers=headers,
                                timeout=30).status_code
        except requests.RequestException as problem:
            return type(problem).__name__
