"""A seed repeats what is sent and what is disturbed."""

import itertools
import random

from support.chaos import Plan
from support.workload import TYPES, Events, wanted_subscriptions

VERBS = [("kill", f"part-{number}") for number in range(7)]


def steps(seed, count=30, pairs=0.2):
    return list(itertools.islice(Plan(seed, VERBS, pause_s=(0.5, 3.0), outage_s=(0.0, 2.0), pairs=pairs), count))


def test_a_seed_repeats_the_plan_and_another_one_does_not():
    assert steps(7) == steps(7)
    assert steps(7) != steps(8)


def test_every_victim_comes_once_in_a_round_alone_or_with_another():
    for seed in range(20):
        victims = [victim for _, step, _ in Plan(seed, VERBS, (0, 1), (0, 1), pairs=0.5).one_round() for victim in step]
        assert sorted(victims) == sorted(VERBS)
    assert all(len(step) == 1 for _, step, _ in steps(1, pairs=0.0))


def test_nothing_is_done_twice_to_one_victim_in_a_step():
    for verbs in ([("kill", "gateway")] * 9, [("kill", "gateway"), ("restart", "gateway")]):
        for _, step, _ in Plan(1, verbs, (0, 1), (0, 1), pairs=1.0).one_round():
            assert len(step) == 1


def test_events_follow_from_the_seed_and_the_number():
    numbers = random.Random(1).sample(range(1_000_000), 500)
    one, same, other = Events(1), Events(1), Events(2)
    assert [one.document(number) for number in numbers] == [same.document(number) for number in numbers]
    assert [one.document(number) for number in numbers] != [other.document(number) for number in numbers]


def test_every_subscription_gets_some_events_and_none_gets_all():
    kinds = [Events(1).kind(number) for number in range(20_000)]
    for wanted in wanted_subscriptions():
        share = sum(map(wanted.matches, kinds)) / len(kinds)
        assert 0 < share < 2 / TYPES, wanted.name


def test_there_are_as_many_subscriptions_of_each_sort_as_promised():
    wanted = wanted_subscriptions()
    assert len(wanted) == 20 and len({one.name for one in wanted}) == 20
    assert sum("slow_s" in one.behaviour for one in wanted) == 5
    assert sum(one.is_ordered for one in wanted) == 1
    refusing, = [one for one in wanted if one.behaviour.get("refuse") == 20]
    assert sum(map(refusing.refuses, range(10_000))) == 500
