"""Subscribers of a workload: each is slow, refuses some, goes down or hangs as it is told, and all that they get is kept."""

import json
import pathlib
import subprocess
import sys
import threading
import time

from support.delivery_checker import Delivery

PROGRAM = pathlib.Path(__file__).with_name("subscriber_server.py")


class Subscribers:
    """behaviours: name -> {"slow_s": (from, to), "refuse": one of so many}, both optional."""

    def __init__(self, behaviours, journal, seed, host="127.0.0.1"):
        self.host = host
        self.journal = pathlib.Path(journal)
        self.lock = threading.Lock()
        self.process = subprocess.Popen([sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        settings = {"host": host, "journal": str(journal), "seed": seed, "subscribers": behaviours}
        self.ports = json.loads(self._ask(json.dumps(settings)))
        self.read_to = 0
        self.endings = {name: set() for name in behaviours}

    def _ask(self, line):
        with self.lock:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        assert answer, f"the subscribers ended: {line}"
        return answer

    def url(self, name):
        return f"http://{self.host}:{self.ports[name]}/"

    def down(self, name):
        """From now on connections to it are refused."""
        self._ask(f"down {name}")

    def up(self, name):
        self._ask(f"up {name}")

    def hang(self, name):
        """Calls are taken and never answered."""
        self._ask(f"hang {name}")

    def close(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(60)
            self.process.stdout.close()

    def delivered(self):
        """name -> the numbers that were answered with 2xx so far."""
        with open(self.journal, encoding="ascii") as journal:
            journal.seek(self.read_to)
            text = journal.read()
        whole = text.rfind("\n") + 1
        self.read_to += whole
        for line in text[:whole].splitlines():
            name, number, _, _, _, status = line.split()
            if status.startswith("2"):
                self.endings[name].add(int(number))
        return self.endings

    def deliveries(self):
        """Every call, in the order in which they ended."""
        found = []
        for line in self.journal.read_text(encoding="ascii").splitlines():
            name, number, _, arrived, answered, status = line.split()
            found.append(Delivery(name, int(number), float(arrived), float(answered), int(status)))
        return found

    def wait_for_quiet(self, quiet_s=1.0, timeout_s=60.0):
        """Until nothing has come for so long."""
        deadline = time.monotonic() + timeout_s
        size, since = -1, time.monotonic()
        while time.monotonic() - since < quiet_s and time.monotonic() < deadline:
            time.sleep(0.05)
            now = self.journal.stat().st_size
            if now != size:
                size, since = now, time.monotonic()
