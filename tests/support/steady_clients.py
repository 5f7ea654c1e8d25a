"""Clients that keep their connections and go to another node only when one takes no more: whatever else goes wrong is kept."""

import collections
import http.client
import itertools
import json
import threading
import urllib.parse

from support.senders import Senders


class SteadyClients(Senders):
    """ports: a callable that gives the Events API ports to try, in order. headers_of(number): what is sent with it."""

    def __init__(self, ports, headers_of, threads=8):
        self.ports = ports
        self.headers_of = headers_of
        self.acknowledged = []
        self.wrong = []
        self.by_port = collections.Counter()
        self.lock = threading.Lock()
        self.numbers = itertools.count()
        super().__init__([()] * threads)

    def _connect(self):
        """A connection that is refused is no event that is refused: the next node takes it."""
        while True:
            for port in self.ports():
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                try:
                    connection.connect()
                    return connection
                except ConnectionRefusedError:
                    pass

    def _run(self):
        connection = None
        while not self.stopping.is_set():
            if connection is None or connection.sock is None:
                connection = self._connect()
            number = next(self.numbers)
            try:
                connection.request("POST", "/", json.dumps({"number": number}), self.headers_of(number))
                answer = connection.getresponse()
                result = answer.status
                answer.read()
            except (OSError, http.client.HTTPException) as problem:
                result = repr(problem)
                connection.close()
            with self.lock:
                self.by_port[connection.port] += 1
                if result in (200, 202):
                    self.acknowledged.append(number)
                else:
                    self.wrong.append((number, result))


def port_of(url):
    return urllib.parse.urlsplit(url).port
