"""Fixtures: a gateway on each store, functions, one Kafka and ZooKeeper for the whole session."""

import os
import pathlib
import sys
import time
import uuid

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support.functions import Function  # noqa: E402
from support.gateway import Gateway  # noqa: E402
from support.stack import Stack  # noqa: E402


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("stack") / "data").up()
    yield stack
    stack.wipe()


def cluster_arguments(stack, name=None, **options):
    """Arguments of a node in a cluster of its own: its topics and its registry are nobody else's."""
    name = name or f"t{uuid.uuid4().hex[:12]}"
    arguments = ["run", "--kafka", stack.kafka, "--zookeeper", f"{stack.zookeeper}/{name}",
                 "--topic-prefix", name, "--group", name, "--partitions", "4",
                 "--allow-target", "127.0.0.0/8"]
    for option, value in options.items():
        arguments += [f"--{option.replace('_', '-')}", str(value)]
    return arguments


@pytest.fixture
def make_gateway(tmp_path):
    """make_gateway(arguments) starts one; all are stopped at the end and must end well."""
    started = []

    def make(arguments, **options):
        gateway = Gateway(arguments, tmp_path / f"gateway-{len(started)}.log", **options)
        started.append(gateway)
        return gateway.start()

    yield make
    for gateway in started:
        code = gateway.stop()
        assert code in (0, -9) or not gateway.config_url, gateway.log_path.read_text()[-3000:]


@pytest.fixture(params=["sqlite", "kafka"])
def store(request):
    return request.param


@pytest.fixture
def store_arguments(store, request, tmp_path):
    """What a gateway on this store is started with: `dev` on SQLite, `run` on the real Kafka and ZooKeeper."""
    if store == "sqlite":
        return ["dev", "--data", str(tmp_path / "data")]
    return cluster_arguments(request.getfixturevalue("stack"))


@pytest.fixture
def gateway(make_gateway, store_arguments):
    return make_gateway(store_arguments)


@pytest.fixture
def make_function():
    made = []

    def make(answer=None):
        made.append(Function(answer))
        return made[-1]

    yield make
    for function in made:
        function.close()


@pytest.fixture
def function(make_function):
    return make_function()


@pytest.fixture
def seed(capsys):
    """Of what a test draws; printed, and taken from EG_TEST_SEED to repeat it."""
    seed = int(os.environ.get("EG_TEST_SEED", time.time_ns() % 1_000_000))
    with capsys.disabled():
        print(f"\nEG_TEST_SEED={seed}", end=" ")
    return seed
