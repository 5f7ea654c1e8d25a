"""Somebody sets the wall clock back, or forward, while the gateway runs: nothing waits for it, nothing gets lost."""

import json
import mmap
import struct
import threading


import pytest

from support.gateway import BINARY, wait_until

HOUR_S = 3600
# Waits from 50 ms on are parked.
DIVISOR = 100


class Clock:
    """The wall clock of a process that is started with its environment."""

    def __init__(self, path):
        path.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(BINARY.parent / "tests/set_clock.so"), "SET_CLOCK_FILE": str(path)}
        with open(path, "r+b") as file:
            self.shift = mmap.mmap(file.fileno(), 8)

    def set(self, seconds):
        """So far from the real one."""
        self.shift[:8] = struct.pack("q", int(seconds * 1e6))


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path / "clock")


def emit(gateway, number):
    answer = gateway.send("POST", "/", json.dumps({"number": number}), {
        "ce-specversion": "1.0", "ce-type": "number", "ce-source": "/clock", "ce-id": str(number),
        "Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text


def await_number(function, number, what):
    wait_until(lambda: any(call.json()["data"]["number"] == number for call in function.received()), 60, what)


def statuses(gateway):
    """number -> status, of all events that are left: retention goes by the clock, too."""
    events = gateway.config("GET", "/v1/spaces/default/events").json()["events"]
    return {int(event["id"]): event["status"] for event in events if event["type"] == "number"}


class Failing:
    """A function that answers 503 until it is told otherwise; keeps what it has taken."""

    def __init__(self, make_function):
        self.is_back = threading.Event()
        self.taken = set()
        self.function = make_function(self._answer)

    def _answer(self, call):
        if not self.is_back.is_set():
            return 503, {}, b""
        self.taken.add(call.json()["data"]["number"])
        return 200, {}, b""


# Kafka refuses records from more than an hour ahead (message.timestamp.after.max.ms).
HOURS = {"an hour back": (-1, -1), "a month back": (-720, -720), "ahead": (0.5, 365 * 24)}


@pytest.mark.parametrize("to", HOURS)
def test_when_the_clock_is_set_everything_goes_on(to, clock, store, make_gateway, store_arguments, make_function):
    hours = HOURS[to][0 if store == "kafka" else 1]
    good, failing, late = make_function(), Failing(make_function), Failing(make_function)
    delivery = {"retry": {"initialMs": 3000, "maxMs": 5000, "maxAttempts": 100}}
    gateway = make_gateway([*store_arguments, "--retry-time-divisor", DIVISOR], environment=clock.environment)
    gateway.register_event_type("number")
    for name, function in (("good", good), ("failing", failing.function)):
        gateway.register_function(name, function.url)
        gateway.subscribe(name, "number", delivery=delivery)
    for number in range(2):
        emit(gateway, number)
    await_number(good, 1, "what is live")
    wait_until(lambda: gateway.metrics()["eventgateway_retries_waiting"] >= 2, 60, "retries that wait in tiers")

    clock.set(hours * HOUR_S)
    gateway.register_function("late", late.function.url)
    gateway.subscribe("late", "number", delivery=delivery)
    emit(gateway, 20)
    await_number(good, 20, "what is live afterwards")
    failing.is_back.set()
    wait_until(lambda: failing.taken >= {0, 1, 20}, 60, "all retries, of what was parked before as well")

    wait_until(lambda: late.function.received() and {number for number, status in statuses(gateway).items()
                                                     if status != "delivered"} == {20}, 60, "what is left to be done")
    clock.set(0)
    late.is_back.set()
    emit(gateway, 21)
    await_number(good, 21, "what is live after it was set again")
    wait_until(lambda: 21 in failing.taken, 60, "what is live after it was set again")
    wait_until(lambda: late.taken == {20, 21}, 60, "what failed while it was set")
    # An outcome of a time that has not come yet is not the last word.
    wait_until(lambda: set(statuses(gateway).values()) == {"delivered"}, 60, "the outcomes of all")
    assert gateway.config("GET", "/v1/health/ready").status_code == 200
    assert gateway.config("GET", "/v1/spaces/default/deadletters").json()["deadLetters"] == []
