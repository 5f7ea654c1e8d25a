"""Network namespaces: parts that have an address of their own and links that can be cut, both ways or one way.

One bridge joins them, and this machine has the first address on it. Rules are made inside the namespaces only, and for
addresses of the same network only. Needs root, iproute2 and nftables.
"""

import collections
import json
import os
import random
import shutil
import subprocess

RULES = """
table inet cut {
    set to { type ipv4_addr; }
    set from { type ipv4_addr; }
    chain output { type filter hook output priority 0; ip daddr @to drop; }
    chain input { type filter hook input priority 0; ip saddr @from drop; }
}
"""


def run(*command, text=None):
    result = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise OSError(f"{command}: {result.stderr.strip()}")
    return result.stdout


def why_not():
    """What is missing to make namespaces here, or None."""
    if os.geteuid() != 0:
        return "namespaces need root"
    missing = [tool for tool in ("ip", "nft") if not shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")]
    if missing:
        return f"not installed: {', '.join(missing)}"
    network = Network()
    try:
        network.up()
        network.add("probe")
        network.cut("probe", network.address_of_test, "out")
    except OSError as problem:
        return str(problem)
    finally:
        network.down()
    return None


def free_subnet():
    """The first three numbers of a /24 that nothing here has a route into."""
    taken = {route["dst"].rsplit(".", 1)[0] for route in json.loads(run("ip", "-json", "route", "show") or "[]")}
    while (subnet := f"10.{random.randint(200, 250)}.{random.randint(0, 255)}") in taken:
        pass
    return subnet


class Network:
    def __init__(self):
        self.id = f"{random.randrange(16 ** 5):05x}"
        self.bridge = f"egb{self.id}"
        self.subnet = None
        self.addresses = {}
        self.cuts = collections.Counter()

    @property
    def cidr(self):
        return f"{self.subnet}.0/24"

    @property
    def address_of_test(self):
        return f"{self.subnet}.1"

    def up(self):
        self.subnet = free_subnet()
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "address", "add", f"{self.address_of_test}/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        return self

    def down(self):
        for name in self.addresses:
            subprocess.run(["ip", "netns", "delete", self._namespace(name)], capture_output=True, check=False)
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)

    def _namespace(self, name):
        return f"eg-{self.id}-{name}"

    def add(self, name):
        """A namespace with an address. Returns the address."""
        number = len(self.addresses) + 2
        self.addresses[name] = f"{self.subnet}.{number}"
        namespace, outside = self._namespace(name), f"egv{self.id}-{number}"
        run("ip", "netns", "add", namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", namespace)
        run("ip", "link", "set", outside, "master", self.bridge, "up")
        run("ip", "-n", namespace, "address", "add", f"{self.addresses[name]}/24", "dev", "eth0")
        run("ip", "-n", namespace, "link", "set", "eth0", "up")
        run(*self.prefix(name), "nft", "-f", "-", text=RULES)
        return self.addresses[name]

    def prefix(self, name):
        """The command that runs another one in there."""
        return ["ip", "netns", "exec", self._namespace(name)]

    def cut(self, name, address, direction):
        """direction: `out` drops what name sends there, `in` what comes from there, `both`. What is cut twice is whole
        again when it was mended twice."""
        for chain in self._sets(direction):
            self.cuts[name, address, chain] += 1
            if self.cuts[name, address, chain] == 1:
                self._change(name, "add", chain, address)

    def mend(self, name, address, direction):
        for chain in self._sets(direction):
            self.cuts[name, address, chain] -= 1
            if self.cuts[name, address, chain] == 0:
                self._change(name, "delete", chain, address)

    def _change(self, name, verb, chain, address):
        run(*self.prefix(name), "nft", verb, "element", "inet", "cut", chain, f"{{ {address} }}")

    @staticmethod
    def _sets(direction):
        return {"out": ["to"], "in": ["from"], "both": ["to", "from"]}[direction]
