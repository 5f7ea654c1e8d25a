"""Runs a workload while a plan of disturbances is carried out, and checks what came of it."""

import random
import time

from support import cursor_audit, delivery_checker, log_audit
from support.delivery_checker import Disturbance, History
from support.subscribers import Subscribers
from support.workload import Events, Sender, register, wanted_subscriptions


class Plan:
    """Disturbances drawn from a seed. Each victim comes once, in a random order, before any comes again; a share of the
    steps (`pairs`) takes two at a time. outage_s: how long they stay away."""

    def __init__(self, seed, verbs, pause_s, outage_s, pairs=0.2):
        self.random = random.Random(seed)
        self.verbs = verbs  # (verb, victim)
        self.pause_s = pause_s
        self.outage_s = outage_s
        self.pairs = pairs

    def __iter__(self):
        """(pause_s, [(verb, victim)], outage_s) without an end."""
        while True:
            for step in self.one_round():
                yield step

    def one_round(self):
        order = list(self.verbs)
        self.random.shuffle(order)
        while order:
            count = 2 if self.random.random() < self.pairs else 1
            step, order = order[:count], order[count:]
            step = list({victim: (verb, victim) for verb, victim in step}.values())
            yield self.random.uniform(*self.pause_s), step, self.random.uniform(*self.outage_s)


class Chaos:
    """system: has `entry` (a gateway with the Configuration API), `settle()`, `targets()`, STORES, `disturb(verb, victim)`,
    `restore(verb, victim)`, `may_repeat(victim)` (deliveries), `log()`, `stop()`."""

    def __init__(self, system, folder, seed, count, rate=None, host="127.0.0.1"):
        self.system = system
        self.wanted = wanted_subscriptions()
        self.subscribers = Subscribers({one.name: one.behaviour for one in self.wanted}, folder / "journal", seed, host)
        self.events = Events(seed)
        self.subscriptions, self.names = register(system.entry, self.subscribers, self.wanted)
        system.settle()
        self.sender = Sender(self.events, system.targets, count, rate)
        self.disturbances = []
        self.steps = 0
        self.cursors = None  # what lies in eg.cursor, after check

    def close(self):
        self.sender.stopping.set()
        self.system.stop()
        self.subscribers.close()

    def run(self, plan):
        """Each victim of the plan once, and then on until all events are sent."""
        self.sender.start()
        first_round = list(plan.one_round())
        subscribers_down = self._take_down()
        for number, step in enumerate(first_round):
            if number == len(first_round) // 2:
                self._bring_up(subscribers_down)
            self._carry_out(step)
        steps = iter(plan)
        while not self.sender.is_done():
            self._carry_out(next(steps))
        self.sender.stop()

    def _take_down(self):
        names = [one.name for one in self.wanted if one.name.startswith("down-")]
        for name in names:
            self.subscribers.down(name)
        return time.time(), names

    def _bring_up(self, down):
        began, names = down
        for name in names:
            self.subscribers.up(name)
            self.disturbances.append(Disturbance("subscriber down", began, time.time(), name))

    def _carry_out(self, step):
        pause_s, victims, outage_s = step
        time.sleep(pause_s)
        began = time.time()
        for verb, victim in victims:
            self.system.disturb(verb, victim)
        time.sleep(outage_s)
        # A node waits for its stores, so they come first.
        for verb, victim in sorted(victims, key=lambda both: both[1] not in self.system.STORES):
            self.system.restore(verb, victim)
        self.steps += 1
        # Nothing is delivered again for what happens to an ingest or to ZooKeeper.
        repeating = [f"{verb} {victim}" for verb, victim in sorted(victims) if self.system.may_repeat(victim)]
        if repeating:
            self.disturbances.append(Disturbance(" and ".join(repeating), began, time.time()))

    def check(self, timeout_s, settle_s=30.0):
        """Waits until everything that is stored has reached its end, and compares."""
        stored = self._await_the_end(timeout_s)
        history = History(self.sender.acknowledged, stored, self.subscriptions, self.subscribers.deliveries(),
                          self._dead_letters(), self.disturbances)
        self.cursors = cursor_audit.read(self.system.log().records("cursor"))
        return delivery_checker.check(history, settle_s)

    def _await_the_end(self, timeout_s):
        """What is stored, when nothing more is stored: a node that was cut off may have answered 503 and still store
        the event when the link is mended."""
        stored, before = log_audit.stored_events(self.system.log(), self.events.kind), None
        while stored != before:
            self._wait_for_all(stored, timeout_s)
            self.subscribers.wait_for_quiet()
            stored, before = log_audit.stored_events(self.system.log(), self.events.kind), stored
        return stored

    def _dead_letters(self):
        return log_audit.dead_letters(self.system.log(), self.names)

    def _missing(self, stored):
        """name -> the numbers that did not arrive. Whoever refuses finds what is missing in the dead letters."""
        delivered = self.subscribers.delivered()
        missing = {one.name: {event.number for event in stored if one.matches(event.kind)} - delivered[one.name]
                   for one in self.wanted}
        missing = {name: numbers for name, numbers in missing.items() if numbers}
        refusing = {one.name: one for one in self.wanted if one.behaviour.get("refuse")}
        if missing and all(name in refusing and all(map(refusing[name].refuses, numbers))
                           for name, numbers in missing.items()):
            for letter in self._dead_letters():
                missing.get(letter.subscription, set()).discard(letter.number)
        return {name: numbers for name, numbers in missing.items() if numbers}

    def _wait_for_all(self, stored, timeout_s):
        """The deadline moves as long as something arrives: a slow machine is not an event that is lost."""
        last, deadline = None, 0
        while missing := self._missing(stored):
            left = sum(map(len, missing.values()))
            if left != last:
                last, deadline = left, time.monotonic() + timeout_s
            if time.monotonic() > deadline:
                return
            time.sleep(0.3)

    def summary(self):
        return (f"steps {self.steps}, acknowledged {len(self.sender.acknowledged)}, refused "
                f"{dict(self.sender.refused)}, {self.cursors}")


def assert_clean(report, cursors):
    """With the first of each kind of violation in the message."""
    first = {}
    for violation in report.violations:
        first.setdefault(violation.kind, []).append(violation)
    assert not first, f"{report}\n" + "\n".join(str(found) for kind in first.values() for found in kind[:5])
    assert cursors.findings == []
