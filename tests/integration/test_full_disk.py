"""A full disk: events are refused, nothing that was acknowledged is lost, and it goes on by itself when there is room."""

import json
import os
import subprocess
import time

import pytest

from support.gateway import wait_until
from support.records import read_file

FILLER = "x" * 50_000


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own; enlarge() makes room on it."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], capture_output=True, text=True,
                             check=False)
    if mounted.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def enlarge(folder):
    subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)


def emit(gateway, number):
    return gateway.emit("number", json.dumps({"number": number, "filler": FILLER}))


def fill(gateway):
    """Sends until one is refused; the numbers that were taken."""
    for number in range(10_000):
        answer = emit(gateway, number)
        if answer.status_code != 202:
            return list(range(number)), answer
    raise AssertionError("the disk is never full")


def numbers_of(function):
    return {call.json()["data"]["number"] for call in function.received()}


def test_on_a_full_disk_events_are_refused_and_none_is_lost(small_disk, make_gateway, function):
    gateway = make_gateway(["dev", "--data", small_disk / "data"])
    gateway.register_function("f", function.url)
    gateway.register_event_type("number")
    gateway.subscribe("f", "number")
    numbers, refusal = fill(gateway)
    assert numbers
    for _ in range(5):  # One after the other, so that each finds nobody at work.
        began = time.monotonic()
        answer = emit(gateway, -1)
        taken_s = time.monotonic() - began
        assert answer.status_code == 503 and taken_s < 4, f"{answer.text} after {taken_s} s"  # It takes milliseconds.
        assert int(answer.headers["Retry-After"]) >= 1
    assert refusal.status_code == 503 and "cannot be written" in refusal.text, refusal.text
    ready = gateway.config("GET", "/v1/health/ready")
    assert ready.status_code == 503 and "full" in ready.text, ready.text
    assert gateway.config("GET", "/v1/health/live").status_code == 200
    change = gateway.config("POST", "/v1/spaces/default/eventtypes", {"name": "another"})
    assert change.status_code == 503 and "full" in change.text, change.text
    wait_until(lambda: numbers_of(function) >= set(numbers), 60, "what was taken, although nothing can be written")

    enlarge(small_disk)
    wait_until(lambda: gateway.config("GET", "/v1/health/ready").status_code == 200, 60, "room to be found")
    assert emit(gateway, len(numbers)).status_code == 202
    wait_until(lambda: len(numbers) in numbers_of(function), 60, "deliveries to go on")
    gateway.kill()
    stored = [json.loads(record.value)["number"] for record in read_file(small_disk / "data/events.db", "events")]
    assert stored == [*numbers, len(numbers)]


def test_it_starts_on_a_full_disk(small_disk, make_gateway, function):
    gateway = make_gateway(["dev", "--data", small_disk / "data"])
    gateway.register_function("f", function.url)
    gateway.register_event_type("number")
    gateway.subscribe("f", "number")
    numbers, _refusal = fill(gateway)
    gateway.kill()
    function.clear()
    gateway.start(timeout_s=60)
    assert emit(gateway, -1).status_code == 503
    enlarge(small_disk)
    wait_until(lambda: emit(gateway, len(numbers)).status_code == 202, 60, "room to be found")
    wait_until(lambda: len(numbers) in numbers_of(function), 60, "deliveries to go on")
