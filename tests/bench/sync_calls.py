"""A caller who waits for a function: beside nginx in front of the same function, and what rules and subscriptions cost."""

import base64
import contextlib
import json
import os
import pathlib
import shutil
import socket
import sqlite3
import statistics
import time
import urllib.parse
import uuid

from tools import BENCH, Child, call, config_base, events_port

ANSWER = '{"statusCode":200,"headers":{"Content-Type":"text/plain"},"body":"a short answer"}'
NGINX = """
worker_processes auto;
daemon off;
pid %(folder)s/nginx.pid;
error_log stderr notice;
events { worker_connections 4096; }
http {
    access_log off;
    client_body_temp_path %(folder)s/nginx-body;
    proxy_temp_path %(folder)s/nginx-proxy;
    fastcgi_temp_path %(folder)s/nginx-fastcgi;
    uwsgi_temp_path %(folder)s/nginx-uwsgi;
    scgi_temp_path %(folder)s/nginx-scgi;
    keepalive_requests 100000000;
    upstream sink { server 127.0.0.1:%(sink)d; keepalive 256; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:%(port)d reuseport;
        location / { proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
"""


def nginx(bench, sink_port):
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if not binary:
        raise SystemExit("sync: nginx is not installed (deploy/packages bench)")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    configuration = pathlib.Path(bench.folder) / "nginx.conf"
    configuration.write_text(NGINX % {"folder": bench.folder, "sink": sink_port, "port": port})
    child = Child(bench.folder, "nginx", [binary, "-c", configuration], None)
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return child, port
        if time.monotonic() > deadline:
            raise SystemExit(f"nginx did not start: {child.path.with_suffix('.err').read_text()}")
        time.sleep(0.05)


def sync_gateway(bench, sink_port, *arguments):
    """One that answers POST /sync synchronously by the sink."""
    child = bench.program(*arguments)
    base = config_base(child)
    call("POST", f"{base}/functions", {"functionId": "sink", "type": "http",
                                       "provider": {"url": f"http://127.0.0.1:{sink_port}/"}})
    sync_subscribe(base, "/sync")
    return child, base


def sync_subscribe(base, path):
    call("POST", f"{base}/subscriptions", {"type": "sync", "eventType": "http.request", "functionId": "sink",
                                           "path": path, "method": "POST"})


def compare(bench, contestants, connections, rounds=9):
    """Short rounds alternate; of each one the medians, and those of its ratios to the first one in the same round."""
    results = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, port in contestants.items():
            results[name].append(bench.load(port, connections, bench.options.seconds / 4, path="/sync", plain=1))
    first = results[next(iter(contestants))]
    return {name: {part: (statistics.median(result[part] for result in own),
                          statistics.median(result[part] / limit[part] for result, limit in zip(own, first)))
                   for part in ("per_second", "p99_us")} for name, own in results.items()}


def compare_row(bench, what, results, name, wanted, part="per_second"):
    first = next(iter(results))
    figure, ratio = results[name][part]
    limit = results[first][part][0]
    texts = [f"{value:,.0f}/s" if part == "per_second" else f"{value / 1000:.2f} ms" for value in (figure, limit)]
    bench.row(what, texts[0], f"{first} {texts[1]}", f"{ratio:.2f}", wanted)


def sync(bench):
    """A caller who waits for a function, beside nginx in front of the same function."""
    sink = Child(bench.folder, "sink", [BENCH / "bench_sink", 0, ANSWER], r"listening on (\d+)")
    sink_port = sink.port(r"listening on (\d+)")
    proxy, proxy_port = nginx(bench, sink_port)
    off, off_base = sync_gateway(bench, sink_port, "dev", "--data", f"{bench.folder}/sync", "--record-sync", "off")
    name = f"b{uuid.uuid4().hex[:8]}"
    # The index of the admin role would read along, and is not what is measured.
    sync_gateway(bench, sink_port, *bench.cluster(name), "--role", "admin")[0].stop()
    recording = bench.program(*bench.cluster(name), "--role", "ingest")
    contestants = {"nginx": proxy_port, "off": events_port(off), "recording": events_port(recording)}
    compare(bench, contestants, 64, rounds=3)  # Kafka's first seconds cost several times what the later ones do
    for connections in (16, 64, 256):
        results = compare(bench, contestants, connections)
        compare_row(bench, f"sync, not recorded, {connections} connections", results, "off", "at least 0.6")
        compare_row(bench, f"sync, recorded, {connections} connections", results, "recording", "at least 0.45")
        if connections == 64:
            compare_row(bench, "sync, not recorded, 64 connections, p99", results, "off", "at most 2", "p99_us")
            compare_row(bench, "sync, recorded, 64 connections, p99", results, "recording", "at most 2", "p99_us")
    recording.stop()
    proxy.stop()
    sync_costs(bench, sink_port, off, off_base)
    off.stop()
    sink.stop()


def add_subscriptions(path, count):
    """Copies of the one that is there, straight into the registry of a gateway that is stopped: that takes no minutes."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        document, revision = database.execute(
            "SELECT document, revision FROM documents WHERE kind = 'subscriptions'").fetchone()
        document = json.loads(document)
        for number in range(count):
            document["path"] = f"/many/{number % 100}/:name/{number}"
            plain = f"sync,http.request,{urllib.parse.quote(document['path'], safe='-_.~:@&=+$')},POST"
            document["subscriptionId"] = base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")
            database.execute("INSERT INTO documents VALUES ('subscriptions', 'default', ?, ?, ?)",
                             (document["subscriptionId"], json.dumps(document), revision))


def sync_costs(bench, sink_port, plain, base):
    """What a CORS rule on another path and many subscriptions cost."""
    many, many_base = sync_gateway(bench, sink_port, "dev", "--data", f"{bench.folder}/many", "--record-sync", "off")
    call("POST", f"{many_base}/cors", {"method": "POST", "path": "/elsewhere"})
    results = compare(bench, {"without": events_port(plain), "with": events_port(many)}, 64)
    compare_row(bench, "sync, a CORS rule on another path", results, "with", "1")
    many.stop()
    add_subscriptions(f"{bench.folder}/many/registry.db", 9_999)
    many = bench.program("dev", "--data", f"{bench.folder}/many", "--record-sync", "off")
    results = compare(bench, {"one": events_port(plain), "many": events_port(many)}, 64)
    compare_row(bench, "sync, 10,000 subscriptions", results, "many", "above 0.9")
    many.stop()
