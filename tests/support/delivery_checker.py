"""Compares what was acknowledged, stored, delivered and given up, and names everything that must not be.

It knows nothing of how the gateway works: what a producer was told, what lies in the log, and what subscribers saw is
all it goes by. Times are seconds since 1970 of one clock.
"""

import bisect
import collections
import dataclasses

NOT_STORED = "acknowledged but not in the log"
LOST = "neither delivered nor a dead letter"
STRANGER = "delivered to whom it does not belong"
INVENTED = "delivered or given up but not in the log"
ORDER = "delivered before what lies before it under its key"
REASONLESS = "a dead letter without reason, attempts or status"
UNEXPLAINED = "a duplicate without a cause"

STORED_TWICE = "stored twice"


@dataclasses.dataclass(frozen=True)
class Stored:
    """An event in the log. kind is what subscriptions are matched with."""

    number: int
    partition: int
    offset: int
    key: str = None
    kind: object = None


@dataclasses.dataclass(frozen=True)
class Subscription:
    name: str
    matches: object  # kind -> bool
    ordered: bool = False


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One call that a subscriber got. status 0: it was never answered."""

    subscription: str
    number: int
    arrived: float
    answered: float
    status: int

    @property
    def succeeded(self):
        return 200 <= self.status < 300


@dataclasses.dataclass(frozen=True)
class DeadLetter:
    subscription: str
    number: int
    stored: float
    reason: str
    attempts: int
    status: int  # 0: no answer


@dataclasses.dataclass(frozen=True)
class Disturbance:
    """Something that was done to the system. subscription: whom alone it can have touched."""

    what: str
    began: float
    ended: float
    subscription: str = None


@dataclasses.dataclass(frozen=True)
class Violation:
    kind: str
    subscription: str
    number: int
    text: str = ""


@dataclasses.dataclass
class History:
    acknowledged: set
    stored: list
    subscriptions: list
    deliveries: list
    dead_letters: list
    disturbances: list


@dataclasses.dataclass
class Report:
    violations: list
    duplicates: collections.Counter  # cause -> how many
    deliveries: int
    dead_letters: int

    def kinds(self):
        return {violation.kind for violation in self.violations}

    def __str__(self):
        counts = dict(collections.Counter(violation.kind for violation in self.violations))
        return (f"deliveries {self.deliveries}, dead letters {self.dead_letters}, duplicates "
                f"{sum(self.duplicates.values())} {dict(self.duplicates.most_common())}, violations {counts}")


class _Endings:
    """What came of the events of one subscription: when each was delivered or given up."""

    def __init__(self):
        self.first_arrival = {}
        self.delivered = collections.defaultdict(list)  # number -> successful deliveries
        self.given_up = collections.defaultdict(list)  # number -> dead letters

    def add_delivery(self, delivery):
        number = delivery.number
        self.first_arrival[number] = min(delivery.arrived, self.first_arrival.get(number, delivery.arrived))
        if delivery.succeeded:
            self.delivered[number].append(delivery)

    def numbers(self):
        return set(self.first_arrival) | set(self.given_up)

    def is_finished(self, number):
        return number in self.delivered or number in self.given_up

    def finished_at(self, number):
        """The first time. None: never."""
        times = [delivery.answered for delivery in self.delivered.get(number, [])]
        times += [letter.stored for letter in self.given_up.get(number, [])]
        return min(times, default=None)

    def times(self, number):
        """(from, to) of each ending, in the order in which they came about."""
        times = [(delivery.arrived, delivery.answered) for delivery in self.delivered.get(number, [])]
        times += [(letter.stored, letter.stored) for letter in self.given_up.get(number, [])]
        return sorted(times)


def check(history, settle_s=10.0):
    """settle_s: how long after its end a disturbance may still be why something is delivered again."""
    by_number = {}
    copies = collections.Counter()
    for stored in history.stored:
        copies[stored.number] += 1
        first = by_number.setdefault(stored.number, stored)
        if (stored.partition, stored.offset) < (first.partition, first.offset):
            by_number[stored.number] = stored
    endings = collections.defaultdict(_Endings)
    for delivery in history.deliveries:
        endings[delivery.subscription].add_delivery(delivery)
    for letter in history.dead_letters:
        endings[letter.subscription].given_up[letter.number].append(letter)

    violations = [Violation(NOT_STORED, "", number) for number in sorted(history.acknowledged - set(by_number))]
    duplicates = collections.Counter()
    violations += _reasonless(history.dead_letters)
    violations += _of_nobody(history.subscriptions, endings)
    causes = _Causes(history.disturbances, settle_s)
    for subscription in history.subscriptions:
        own = endings[subscription.name]
        violations += _lost(subscription, by_number.values(), own)
        violations += _foreign(subscription, by_number, own)
        if subscription.ordered:
            violations += _out_of_order(subscription, by_number.values(), own)
        violations += _explain(subscription, own, copies, causes, duplicates)
    return Report(violations, duplicates, len(history.deliveries), len(history.dead_letters))


def _reasonless(dead_letters):
    return [Violation(REASONLESS, letter.subscription, letter.number, repr(letter)) for letter in dead_letters
            if not letter.reason or letter.attempts is None or letter.status is None]


def _of_nobody(subscriptions, endings):
    known = {subscription.name for subscription in subscriptions}
    return [Violation(STRANGER, name, number) for name in endings if name not in known
            for number in sorted(endings[name].numbers())]


def _lost(subscription, events, own):
    return [Violation(LOST, subscription.name, event.number, f"partition {event.partition}, offset {event.offset}")
            for event in events if subscription.matches(event.kind) and not own.is_finished(event.number)]


def _foreign(subscription, by_number, own):
    found = []
    for number in sorted(own.numbers()):
        event = by_number.get(number)
        if event is None:
            found.append(Violation(INVENTED, subscription.name, number))
        elif not subscription.matches(event.kind):
            found.append(Violation(STRANGER, subscription.name, number, repr(event.kind)))
    return found


def _out_of_order(subscription, events, own):
    """Of each key: when an event first arrives, each one that lies before it has been finished at least once."""
    found = []
    last = {}  # key -> (when all up to here were finished, by which event)
    for event in sorted(events, key=lambda event: (event.partition, event.offset)):
        if event.key is None or not subscription.matches(event.kind):
            continue
        finished_at = own.finished_at(event.number)
        arrived = own.first_arrival.get(event.number, finished_at)
        since, before = last.get(event.key, (0, None))
        if arrived is not None and arrived < since:
            found.append(Violation(ORDER, subscription.name, event.number, f"key {event.key}: {since - arrived:.6f} s "
                                   f"before {before} was finished"))
        if finished_at is not None and finished_at > since:
            last[event.key] = (finished_at, event.number)
    return found


class _Causes:
    """Finds the disturbance that a duplicate can have come from: the last one that began before it."""

    def __init__(self, disturbances, settle_s):
        self.disturbances = sorted(disturbances, key=lambda disturbance: disturbance.began)
        self.begins = [disturbance.began for disturbance in self.disturbances]
        self.settle_s = settle_s

    def find(self, subscription, first_answered, again):
        """What was delivered at first_answered and came again at `again`."""
        for index in range(bisect.bisect_right(self.begins, again) - 1, -1, -1):
            disturbance = self.disturbances[index]
            touched = disturbance.subscription in (None, subscription)
            if touched and disturbance.ended + self.settle_s >= first_answered:
                return disturbance.what
        return None


def _explain(subscription, own, copies, causes, duplicates):
    found = []
    for number in own.numbers():
        times = own.times(number)
        for index in range(1, len(times)):
            if index < copies[number]:
                duplicates[STORED_TWICE] += 1
                continue
            cause = causes.find(subscription.name, times[index - 1][1], times[index][0])
            duplicates[cause or UNEXPLAINED] += 1
            if cause is None:
                found.append(Violation(UNEXPLAINED, subscription.name, number,
                                       f"at {times[index - 1][1]:.3f} and {times[index][0]:.3f}"))
    return found
