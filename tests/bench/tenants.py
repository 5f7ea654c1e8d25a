"""Many subscriptions and spaces on one log: what they cost, and what they cost each other."""

import statistics
import subprocess
import time
import uuid

from tools import BENCH, call, events_port, metric, wait_for_count


def cost(bench):
    """The log is read once for all subscriptions: reads for each event, deliveries with 1, 10 and 100 of them."""
    rates = {}
    for subscriptions, events in ((1, 100_000), (10, 20_000), (100, 2_000)):
        name = f"b{uuid.uuid4().hex[:8]}"
        sink, sink_port = bench.sink()
        ingester = bench.gateway(name, "ingest,admin")
        bench.subscribe(ingester, sink_port, functions=[f"sink-{number}" for number in range(subscriptions)], max_in_flight=64)
        sent = 0
        while sent < events:
            sent += bench.load(events_port(ingester), 64, 0.3)["events"]
        dispatcher = bench.gateway(name, "dispatcher")
        result = wait_for_count(sink_port, sent * subscriptions)
        rates[subscriptions] = result["count"] / ((result["last_us"] - result["first_us"]) / 1e6)
        reads = metric(dispatcher, 'eventgateway_log_records_read_total{stream="events"}')
        bench.row(f"deliveries with {subscriptions} subscriptions", f"{rates[subscriptions]:,.0f}/s",
                  f"{sent:,} events", f"{rates[subscriptions] / rates[1]:.2f}", "at least 1")
        bench.row(f"records read for each event, {subscriptions} subscriptions", f"{reads / sent:.3f}",
                  wanted="about 1")
        for child in (dispatcher, ingester, sink):
            child.stop()


def victim_latency(bench, gateway, sink_port, seconds):
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    loaded = bench.load(events_port(gateway), 8, seconds, rate=200, type="victim", space="victim")
    return wait_for_count(sink_port, loaded["events"])


def flooded_latency(bench, gateway, sink_port, seconds, flood_rate):
    flood = subprocess.Popen([str(part) for part in (
        BENCH / "bench_load", "--port", events_port(gateway), "--connections", 32, "--seconds", seconds + 2,
        "--rate", flood_rate, "--type", "flood", "--space", "flooded")], stdout=subprocess.DEVNULL)
    time.sleep(1)
    beside = victim_latency(bench, gateway, sink_port, seconds)
    flood.wait(60)
    return beside


def isolation(bench):
    """A space with 200 events a second beside one that is flooded: from the POST to the function. Rounds alternate; a
    ratio is the median of the ratios in the same round."""
    seconds, rounds = 5, 5
    victim_sink, victim_port = bench.sink()
    limited = ("--space-events-per-second", 1000)
    for what, delay_ms, flood_rate, arguments in (
            ("a flood of 2,000/s", 0, 2000, ()),
            ("2,000/s to a function of 100 ms", 100, 2000, ()),
            ("a flood of 3,000/s", 0, 3000, ()),
            ("3,000/s to a function that hangs", 600_000, 3000, ()),
            ("3,000/s with a limit of 1,000/s", 0, 3000, limited),
            ("10,000/s with a limit of 1,000/s", 0, 10_000, limited)):
        gateway = bench.gateway(f"b{uuid.uuid4().hex[:8]}", arguments=arguments)
        flood_sink, flood_port = bench.sink(delay_ms)
        bench.subscribe(gateway, victim_port, space="victim", event_type="victim")
        bench.subscribe(gateway, flood_port, space="flooded", event_type="flood")
        victim_latency(bench, gateway, victim_port, 3)  # Warm.
        alone, beside = [], []
        for _ in range(rounds):
            alone.append(victim_latency(bench, gateway, victim_port, seconds))
            beside.append(flooded_latency(bench, gateway, victim_port, seconds, flood_rate))
        for part, wanted in (("p50_us", ""), ("p99_us", "at most 2")):
            without, figure = [[max(result[part], 1) / 1000 for result in results] for results in (alone, beside)]
            ratio = statistics.median(there / here for there, here in zip(figure, without))
            bench.row(f"{what}: {part[:3]} of another space", f"{statistics.median(figure):.2f} ms",
                      f"without it {statistics.median(without):.2f} ms", f"{ratio:.2f}", wanted)
        gateway.stop()
        flood_sink.stop()
    victim_sink.stop()
