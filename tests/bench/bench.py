"""What the parts of one run share: its options, its table, and the gateways, sinks and loads that they start."""

import contextlib
import pathlib
import re
import subprocess

from tools import BENCH, BUILD, TYPE, Child, call, config_base, run_json


class Bench:
    def __init__(self, options, folder):
        self.options = options
        self.folder = folder
        self.rows = []
        self.cleanup = contextlib.ExitStack()
        self.stack = None

    def row(self, what, figure, limit="", ratio="", wanted=""):
        self.rows.append((what, figure, limit, ratio, wanted))
        print(f"  {what:<52}{figure:>22}{limit:>26}{ratio:>8}  {wanted}", flush=True)

    def start_stack(self):
        if self.options.kafka:
            self.kafka, self.zookeeper = self.options.kafka, self.options.zookeeper
            return
        from support.stack import Stack
        # As much memory as Kafka's own start script gives it: with less it collects garbage so often that the pauses are
        # all that a p99 shows.
        stack = Stack(pathlib.Path(self.folder) / "stack", options=("--kafka-heap", "1024")).up()
        self.cleanup.callback(stack.wipe)
        self.kafka, self.zookeeper = stack.kafka, stack.zookeeper

    def program(self, *arguments):
        return Child(self.folder, "gateway",
                     [BUILD / "event-gateway", *arguments, "--events-port", 0, "--config-port", 0],
                     r"^(Configuration API|Status and metrics)")

    def cluster(self, name):
        """The arguments of a gateway on the stores of this run, under a name of its own in both."""
        return ("run", "--kafka", self.kafka, "--zookeeper", f"{self.zookeeper}/{name}", "--topic-prefix", name,
                "--allow-target", "127.0.0.0/8", "--partitions", 8)

    def gateway(self, name, role="ingest,dispatcher,admin", arguments=()):
        return self.program(*self.cluster(name), "--role", role, "--group", name, *arguments)

    def sink(self, delay_ms=0):
        child = Child(self.folder, "sink", [BENCH / "bench_sink", 0, "", delay_ms], r"listening on (\d+)")
        return child, child.port(r"listening on (\d+)")

    def subscribe(self, gateway, sink_port, path="", functions=("sink",), space="default", event_type=TYPE,
                  max_in_flight=256):
        base = config_base(gateway, space)
        call("POST", f"{base}/eventtypes", {"name": event_type})
        for function in functions:
            call("POST", f"{base}/functions", {"functionId": function, "type": "http",
                                               "provider": {"url": f"http://127.0.0.1:{sink_port}/{path}"}})
            call("POST", f"{base}/subscriptions", {"type": "async", "eventType": event_type, "functionId": function,
                                                   "delivery": {"maxInFlight": max_in_flight}})

    def load(self, port, connections, seconds=None, **more):
        extra = [text for name, value in {"type": TYPE, **more}.items() for text in (f"--{name}", value)]
        result = run_json(BENCH / "bench_load", "--port", port, "--connections", connections, "--seconds",
                          seconds or self.options.seconds, *extra)
        if result["sent"] != result["answered"] or result["accepted"] != result["answered"]:
            print(f"  !! {result}")
        return result

    def bare_producer(self, outstanding):
        result = subprocess.run(
            [BENCH / "bench_event_log", "--kafka", self.kafka, "--outstanding", str(outstanding), "--seconds",
             str(int(self.options.seconds)), "--rounds", "1", "--partitions", "8", "--headers", "6"],
            capture_output=True, text=True, timeout=600, check=True)
        return float(re.search(r"^bare +\d+ +(\d+)", result.stdout, re.M).group(1))
