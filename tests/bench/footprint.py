"""Memory: of a gateway that idles, and of one with 10,000 subscriptions."""

import statistics
import time
import urllib.request

from tools import call, config_base, events_port, wait_for_count


def footprint(bench):
    """Idle dev mode."""
    times, sizes = [], []
    for number in range(5):
        child = bench.program("dev", "--data", f"{bench.folder}/dev{number}")
        times.append(child.ready_ms)
        time.sleep(1)
        sizes.append(child.rss_mb())
        child.stop()
    bench.row("dev mode, ready after", f"{statistics.median(times):.0f} ms", wanted="at most 150 ms")
    bench.row("dev mode, idle", f"{statistics.median(sizes):.1f} MB", wanted="at most 25 MB")


def crowd(bench):
    """10,000 subscriptions, of which 1,000 are down: what healthy ones get, and the memory that it costs."""
    types, functions, down, rounds = 100, 100, 10, 10
    sink, sink_port = bench.sink()
    gateway = bench.program("dev", "--data", f"{bench.folder}/crowd")
    base = config_base(gateway)
    for number in range(functions):
        # A port where nobody listens.
        url = f"http://127.0.0.1:{sink_port if number >= down else 9}/"
        call("POST", f"{base}/functions", {"functionId": f"f{number}", "type": "http", "provider": {"url": url}})
    for kind in range(types):
        call("POST", f"{base}/eventtypes", {"name": f"crowd.{kind}"})
        for number in range(functions):
            call("POST", f"{base}/subscriptions", {"type": "async", "eventType": f"crowd.{kind}",
                                                   "functionId": f"f{number}"})
    idle = gateway.rss_mb()
    started = time.monotonic()
    for _ in range(rounds):
        for kind in range(types):
            request = urllib.request.Request(f"http://127.0.0.1:{events_port(gateway)}/", b'{"sent_us":0}',
                                             {"Event": f"crowd.{kind}", "Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=60).read()
    wanted = rounds * types * (functions - down)
    wait_for_count(sink_port, wanted)
    seconds = time.monotonic() - started
    bench.row("10,000 subscriptions, 1,000 down: memory before", f"{idle:.0f} MB")
    bench.row(f"memory after {rounds * types:,} events for 100 each", f"{gateway.rss_mb():.0f} MB", wanted="bounded")
    bench.row("deliveries to the 9,000 that are up", f"{wanted / seconds:,.0f}/s")
    gateway.stop()
    sink.stop()
