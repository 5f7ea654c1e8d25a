"""kill -9 of every part at random moments under load: every event that got a 202 reaches whoever subscribes to it, or
lies in the dead letters.

The seed is printed; EG_TEST_SEED repeats a plan. EG_TEST_FULL makes the runs long.
"""

import os

from support.chaos import Chaos, Plan, assert_clean
from support.systems import Cluster, Embedded

FULL = bool(os.environ.get("EG_TEST_FULL"))
COUNT = int(os.environ.get("EG_TEST_EVENTS", 200_000 if FULL else 4_000))
QUIET_S = 300 if FULL else 120


def run(system, plan, tmp_path, seed, rate, capsys):
    chaos = Chaos(system, tmp_path, seed, COUNT, rate)
    try:
        chaos.run(plan)
        report = chaos.check(QUIET_S)
        with capsys.disabled():
            print(f"{chaos.summary()}, {report}", end=" ")
        assert_clean(report, chaos.cursors)
    finally:
        chaos.close()


def test_nothing_is_lost_when_the_embedded_gateway_is_killed(tmp_path, seed, capsys):
    kills = [("kill", "gateway")] * 8
    plan = Plan(seed, kills, pause_s=(0.2, 2.0), outage_s=(0.0, 0.2))
    run(Embedded(tmp_path), plan, tmp_path, seed, None if FULL else 400, capsys)


def test_nothing_is_lost_when_any_part_of_a_cluster_is_killed(tmp_path, seed, capsys):
    verbs = [("kill", name) for name in [*Cluster.ROLES, *Cluster.STORES] if name != "admin"] + [("restart", "dispatcher-2")]
    plan = Plan(seed, verbs, pause_s=(0.3, 2.0), outage_s=(0.0, 2.0))
    run(Cluster(tmp_path), plan, tmp_path, seed, None if FULL else 200, capsys)
