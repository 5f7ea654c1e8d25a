"""How much passes and how fast: taking events, delivering a backlog, one that is refused in part, and single events."""

import statistics
import time
import uuid

from tools import BENCH, Child, call, events_port, run_json, stats, wait_for_count


def ingest(bench):
    """202 after Kafka's ack; nobody subscribes. Rounds alternate, each figure is the median of three. A gateway does what
    the bare producer and the bare HTTP echo do, on the same cores: more than both one after the other is out of reach, but
    where the cores have time to spare."""
    gateway = bench.gateway(f"b{uuid.uuid4().hex[:8]}", "ingest")
    echo = Child(bench.folder, "echo", [BENCH / "bench_echo"], r"listening on (\d+)")
    port, echo_port = events_port(gateway), echo.port(r"listening on (\d+)")
    for connections, wanted in ((16, 0.9), (64, 0.75), (256, 0.4)):
        ours, bare, echoes = [], [], []
        for _ in range(3):
            bare.append(bench.bare_producer(connections))
            ours.append(bench.load(port, connections)["per_second"])
            echoes.append(bench.load(echo_port, connections, 2)["per_second"])
        figure, limit = statistics.median(ours), statistics.median(bare)
        bench.row(f"ingest, {connections} connections", f"{figure:,.0f}/s", f"bare producer {limit:,.0f}/s",
                  f"{figure / limit:.2f}", f"at least {wanted}")
        echo_rate = statistics.median(echoes)
        bench.row("", "", f"bare HTTP echo {echo_rate:,.0f}/s", f"{figure / echo_rate:.2f}")
        in_turn = 1 / (1 / limit + 1 / echo_rate)
        bench.row("", "", f"one after the other {in_turn:,.0f}/s", f"{figure / in_turn:.2f}")
    ours, bare = [], []
    for _ in range(3):
        bare.append(bench.bare_producer(1600))
        ours.append(bench.load(port, 16, batch=100)["per_second"])
    figure, limit = statistics.median(ours), statistics.median(bare)
    bench.row("ingest, batches of 100, 16 connections", f"{figure:,.0f}/s",
              f"bare producer {limit:,.0f}/s", f"{figure / limit:.2f}", "at least 0.5")
    for connections in (16, 64, 128, 256, 1000):
        result = bench.load(port, connections, 2)
        bench.row(f"sent minus answered, {connections} connections", f"{result['sent'] - result['answered']}",
                  wanted="0")
    bench.row("memory after that", f"{gateway.rss_mb():.0f} MB")
    gateway.stop()
    echo.stop()


def dispatch(bench):
    """A backlog to one function, and events that are delivered while they come in as fast as they are taken."""
    name = f"b{uuid.uuid4().hex[:8]}"
    sink, sink_port = bench.sink()
    ingester = bench.gateway(name, "ingest,admin")
    bench.subscribe(ingester, sink_port)
    backlog = 0
    while backlog < 150_000:
        backlog += bench.load(events_port(ingester), 256, 3)["events"]
    bare = run_json(BENCH / "bench_curl", f"http://127.0.0.1:{sink_port}/", 100_000, 64)["per_second"]
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    dispatcher = bench.gateway(name, "dispatcher")
    result = wait_for_count(sink_port, backlog)
    rate = result["count"] / ((result["last_us"] - result["first_us"]) / 1e6)
    bare = (bare + run_json(BENCH / "bench_curl", f"http://127.0.0.1:{sink_port}/", 100_000, 64)["per_second"]) / 2
    bench.row(f"dispatch of a backlog of {backlog:,}", f"{rate:,.0f}/s", f"bare curl_multi {bare:,.0f}/s",
              f"{rate / bare:.2f}", "at least 0.4")
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    loaded = bench.load(events_port(ingester), 64, 10)
    during = stats(sink_port)
    bench.row("event to function, events come in meanwhile", f"{during['count'] / 10:,.0f}/s",
              f"taken {loaded['per_second']:,.0f}/s", wanted="at least 15,000/s")
    result = wait_for_count(sink_port, loaded["events"])
    rate = result["count"] / ((result["last_us"] - result["first_us"]) / 1e6)
    bench.row("event to function, until all are delivered", f"{rate:,.0f}/s")
    bench.row("duplicates", f"{result['count'] - loaded['events']}")
    bench.row("memory, dispatcher and ingest", f"{dispatcher.rss_mb():.0f} + {ingester.rss_mb():.0f} MB")
    for child in (dispatcher, ingester, sink):
        child.stop()


def drain(bench, sink_port, path, share):
    """A backlog to a function, until that share of it was taken. The rate of what is taken, the dispatcher's CPU for
    each of these in microseconds, and the refusals for each event."""
    name = f"b{uuid.uuid4().hex[:8]}"
    ingester = bench.gateway(name, "ingest,admin")
    bench.subscribe(ingester, sink_port, path)
    backlog = 0
    while backlog < 100_000:
        backlog += bench.load(events_port(ingester), 64, 3, batch=20)["events"]
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    dispatcher = bench.gateway(name, "dispatcher")
    result = wait_for_count(sink_port, backlog * share)
    cpu_us = dispatcher.cpu_seconds() / result["count"] * 1e6
    for child in (dispatcher, ingester):
        child.stop()
    return result["count"] / ((result["last_us"] - result["first_us"]) / 1e6), cpu_us, result["refused"] / backlog


def refusals(bench):
    """A function that refuses 5 % of the events for ever: what the others lose by that. On a machine that others use
    too, the CPU tells more than the rate."""
    sink, sink_port = bench.sink()
    without, beside = [], []
    for _ in range(2):
        without.append(drain(bench, sink_port, "", 1))
        beside.append(drain(bench, sink_port, "refuse/5", 0.94))
    (limit, limit_cpu, _), (figure, figure_cpu, refused) = ([statistics.mean(column) for column in zip(*results)]
                                                            for results in (without, beside))
    bench.row("dispatch of the others while 5 % are refused", f"{figure:,.0f}/s", f"without, x 0.95: {limit * 0.95:,.0f}/s",
              f"{figure / limit / 0.95:.2f}", "at least 0.9")
    bench.row("the dispatcher's CPU for each of them", f"{figure_cpu:.1f} us", f"without: {limit_cpu:.1f} us",
              f"{limit_cpu / figure_cpu:.2f}")
    bench.row("attempts of what is refused, meanwhile", f"{refused / 0.05:.1f}")
    sink.stop()


def latency(bench):
    """From the POST to the function, at 500 events a second."""
    sink, sink_port = bench.sink()
    gateway = bench.gateway(f"b{uuid.uuid4().hex[:8]}")
    bench.subscribe(gateway, sink_port)
    bench.load(events_port(gateway), 64, 2, rate=500)
    time.sleep(1)
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    loaded = bench.load(events_port(gateway), 64, 10, rate=500)
    ours = wait_for_count(sink_port, loaded["events"])
    gateway.stop()
    call("GET", f"http://127.0.0.1:{sink_port}/reset")
    topic = f"b{uuid.uuid4().hex[:8]}"
    helper = bench.gateway(topic, "admin")  # makes the topic
    run_json(BENCH / "bench_chain", bench.kafka, f"{topic}.events", f"http://127.0.0.1:{sink_port}/", 500, 10)
    bare = stats(sink_port)
    helper.stop()
    for part, wanted in (("p50_us", "at most 1 ms"), ("p99_us", "at most 10 ms")):
        bench.row(f"POST to function at 500/s, {part[:3]}", f"{ours[part] / 1000:.2f} ms",
                  f"bare chain {bare[part] / 1000:.2f} ms", f"{ours[part] / max(bare[part], 1):.2f}", wanted)
    bench.row("202 at 500/s, p50 and p99", f"{loaded['p50_us'] / 1000:.2f}, {loaded['p99_us'] / 1000:.2f} ms")
    sink.stop()
