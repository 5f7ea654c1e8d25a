"""Parts of the bench with many subscriptions: what a hanging one costs the others, how fast a backlog is caught up with,
and what a mixed load for hours does to the memory."""

import contextlib
import pathlib
import socket
import statistics
import time
import uuid

from support.gateway import Gateway
from support.subscribers import Subscribers
from support.workload import Events, Sender, register, wanted_subscriptions
from tools import TYPE, call, config_base, events_port, stats, wait_for_count

SUBSCRIPTIONS = 20
BACKLOG = 100_000


def subscribe_many(gateway, urls, delivery, first=0):
    """One function and one subscription for each URL, numbered from first; returns the subscriptions."""
    base = config_base(gateway)
    if first == 0:
        call("POST", f"{base}/eventtypes", {"name": TYPE})
    made = []
    for number, url in enumerate(urls, first):
        function = f"sink-{number}"
        call("POST", f"{base}/functions", {"functionId": function, "type": "http", "provider": {"url": url}})
        made.append(call("POST", f"{base}/subscriptions", {"type": "async", "eventType": TYPE,
                                                           "functionId": function, "delivery": delivery}))
    return made


@contextlib.contextmanager
def hanging_function():
    """The system takes connections and what is sent on them; nobody ever reads it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(4096)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


def hanging_round(bench, sink_port, last_url, seconds, rate=150):
    """The p99 of the age of events at all subscribers that answer."""
    sink_url = f"http://127.0.0.1:{sink_port}/"
    answering = SUBSCRIPTIONS if last_url == sink_url else SUBSCRIPTIONS - 1
    gateway = bench.gateway(f"b{uuid.uuid4().hex[:8]}")
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    subscribe_many(gateway, [sink_url] * (SUBSCRIPTIONS - 1), {"maxInFlight": 64})
    warm = bench.load(events_port(gateway), 16, 3, rate=rate)
    wait_for_count(sink_port, warm["events"] * (SUBSCRIPTIONS - 1))
    subscribe_many(gateway, [last_url], {"maxInFlight": 64}, SUBSCRIPTIONS - 1)
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    loaded = bench.load(events_port(gateway), 16, seconds, rate=rate)
    result = wait_for_count(sink_port, loaded["events"] * answering)
    gateway.process.kill()  # what hangs is not waited for
    gateway.process.wait()
    return result["p99_us"] / 1000


def hanging(bench):
    """20 subscribers of the same events, and then the same with one of them hanging for ever, in turns. The time in which
    the one is noticed and set aside counts with the rest."""
    sink, sink_port = bench.sink()
    seconds = max(15, bench.options.seconds * 4)
    without, beside = [], []
    with hanging_function() as hanging_url:
        for _ in range(3):
            without.append(hanging_round(bench, sink_port, f"http://127.0.0.1:{sink_port}/", seconds))
            beside.append(hanging_round(bench, sink_port, hanging_url, seconds))
    figure, limit = statistics.median(beside), statistics.median(without)
    bench.row("POST to function, p99 of 19 beside one that hangs", f"{figure:.2f} ms", f"all answer: {limit:.2f} ms",
              f"{figure / limit:.2f}", "at most 1.5")
    sink.stop()


def rate_of(result):
    return result["count"] / ((result["last_us"] - result["first_us"]) / 1e6)


def catch_up(bench):
    """A backlog of 100,000 events, first by the live position to one subscriber, then from the log to one that was paused
    meanwhile."""
    name = f"b{uuid.uuid4().hex[:8]}"
    live_sink, live_port = bench.sink()
    late_sink, late_port = bench.sink()
    ingester = bench.gateway(name, "ingest,admin")
    urls = [f"http://127.0.0.1:{port}/" for port in (live_port, late_port)]
    late = subscribe_many(ingester, urls, {"maxInFlight": 256})[1]
    pausing = f"{config_base(ingester)}/subscriptions/{late['subscriptionId']}"
    call("POST", f"{pausing}/pause", {})
    sent = 0
    while sent < BACKLOG:
        sent += bench.load(events_port(ingester), 64, 2)["events"]
    dispatcher = bench.gateway(name, "dispatcher")
    live = rate_of(wait_for_count(live_port, sent))
    call("POST", f"{pausing}/resume", {})
    caught_up = rate_of(wait_for_count(late_port, sent))
    bench.row(f"catch-up with {sent:,} events", f"{caught_up:,.0f}/s", f"the same, live: {live:,.0f}/s",
              f"{caught_up / live:.2f}", "at least 0.5")
    bench.row("duplicates", f"{stats(late_port)['count'] - sent}")
    for child in (dispatcher, ingester, live_sink, late_sink):
        child.stop()


def rss_mb(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"{pid} is gone")


def soak(bench):
    """Memory under the mixed workload of the crash tests (slow, refusing, ordered subscribers, and two that are down every
    other tenth of the time), a figure for each tenth (--soak-seconds)."""
    name = f"b{uuid.uuid4().hex[:8]}"
    folder = pathlib.Path(bench.folder)
    wanted = wanted_subscriptions()
    subscribers = Subscribers({one.name: one.behaviour for one in wanted}, folder / f"{name}.journal", name)
    nodes = {role: Gateway(["run", "--role", role, "--kafka", bench.kafka, "--zookeeper", f"{bench.zookeeper}/{name}",
                            "--topic-prefix", name, "--group", name, "--partitions", "8", "--allow-target",
                            "127.0.0.0/8"], folder / f"{name}-{role}.log").start() for role in ("ingest,admin", "dispatcher")}
    ingest = nodes["ingest,admin"]
    register(ingest, subscribers, wanted)
    events = Events(name)
    sender = Sender(events, lambda: [("127.0.0.1", ingest.events_port)], rate=400).start()
    sizes = []
    for tenth in range(10):
        down = [one.name for one in wanted if one.name.startswith("down-")] if tenth % 2 else []
        for one in down:
            subscribers.down(one)
        time.sleep(bench.options.soak_seconds / 10)
        for one in down:
            subscribers.up(one)
        sizes.append([rss_mb(node.pid) for node in nodes.values()])
        bench.row(f"memory after {bench.options.soak_seconds * (tenth + 1) / 10:.0f} s and "
                  f"{len(sender.acknowledged):,} events", " + ".join(f"{size:.1f}" for size in sizes[-1]) + " MB")
    sender.stop()
    for index, role in enumerate(nodes):
        first, last = sizes[4][index], sizes[9][index]
        bench.row(f"memory of {role}, end beside half-time", f"{last:.1f} MB", f"{first:.1f} MB", f"{last / first:.2f}",
                  "at most 1.1")
    bench.row("not taken", f"{dict(sender.refused) or 'nothing'}")
    for node in nodes.values():
        node.stop()
    subscribers.close()
