"""--record-sync: how much the history of synchronous calls is waited for."""

import json

import pytest

from support.gateway import wait_until


def serve_calls(gateway, make_function):
    """A function that answers GET /calls/N, and one that gets the same requests from the log."""
    listener = make_function()
    answers = make_function(lambda call: (200, {}, json.dumps({"statusCode": 200, "body": "made"}).encode()))
    gateway.register_function("answers", answers.url)
    gateway.register_function("listener", listener.url)
    gateway.subscribe("answers", "http.request", kind="sync", method="GET", path="/calls/:number")
    gateway.subscribe("listener", "http.request", method="GET", path="/calls/:number")
    return listener


def numbers(listener):
    return {int(call.json()["data"]["params"]["number"]) for call in listener.received()}


def call(gateway, count):
    for number in range(count):
        answer = gateway.send("GET", f"/calls/{number}")
        assert (answer.status_code, answer.text) == (200, "made")


@pytest.mark.parametrize("mode", ["async", "durable"])
def test_calls_are_recorded_and_reach_the_other_subscribers(make_gateway, store_arguments, make_function, mode):
    gateway = make_gateway([*store_arguments, "--record-sync", mode])
    listener = serve_calls(gateway, make_function)
    call(gateway, 10)
    wait_until(lambda: numbers(listener) == set(range(10)), what="all ten from the log")
    wait_until(lambda: gateway.metrics()["eventgateway_events_processed_total"] == 10, what="ten events processed")
    assert listener.count() == 10
    assert gateway.metrics()['eventgateway_sync_calls_total{outcome="succeeded"}'] == 10


def test_what_was_answered_is_in_the_log_when_it_is_durable(make_gateway, store_arguments, make_function):
    gateway = make_gateway([*store_arguments, "--record-sync", "durable"])
    listener = serve_calls(gateway, make_function)
    call(gateway, 10)
    gateway.kill()
    make_gateway([*store_arguments, "--record-sync", "durable"])
    wait_until(lambda: numbers(listener) == set(range(10)), what="all ten from the log")


def test_what_was_answered_is_in_the_log_after_an_orderly_stop(make_gateway, store_arguments, make_function):
    gateway = make_gateway(store_arguments)
    listener = serve_calls(gateway, make_function)
    call(gateway, 10)
    gateway.stop()
    make_gateway(store_arguments)
    wait_until(lambda: numbers(listener) == set(range(10)), what="all ten from the log")


def test_without_recording_the_log_stays_as_it_is(make_gateway, store_arguments, make_function):
    gateway = make_gateway([*store_arguments, "--record-sync", "off"])
    listener = serve_calls(gateway, make_function)
    call(gateway, 10)
    assert gateway.send("GET", "/calls/last", headers={
        "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "other"}).status_code == 202
    wait_until(lambda: gateway.metrics()["eventgateway_events_processed_total"] == 1, what="the other event")
    assert listener.count() == 0
