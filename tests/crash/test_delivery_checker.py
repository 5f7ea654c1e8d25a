"""The checker finds each kind of violation, and none where there is none."""

import dataclasses

import pytest

from support import delivery_checker as checker
from support.delivery_checker import DeadLetter, Delivery, Disturbance, History, Stored, Subscription


def everything(_kind):
    return True


def delivered(number, arrived, subscription="all", status=200):
    return Delivery(subscription, number, arrived, arrived + 0.5, status)


def given_up(number, stored, **fields):
    return dataclasses.replace(DeadLetter("all", number, stored, "no answer", 3, 0), **fields)


def history(**fields):
    """Three events of one key, delivered in order, and nothing else."""
    whole = History(acknowledged={0, 1, 2}, stored=[Stored(number, 0, 10 + number, "k", "a") for number in range(3)],
                    subscriptions=[Subscription("all", everything, ordered=True)],
                    deliveries=[delivered(number, 100 + number) for number in range(3)],
                    dead_letters=[], disturbances=[])
    return dataclasses.replace(whole, **fields)


def kinds(**fields):
    return checker.check(history(**fields)).kinds()


def test_a_faultless_history_has_no_violations():
    report = checker.check(history())
    assert report.violations == [] and not report.duplicates and report.deliveries == 3


def test_what_nobody_acknowledged_and_nobody_stored_need_not_arrive():
    assert kinds(acknowledged={0, 1}, stored=history().stored[:2], deliveries=history().deliveries[:2]) == set()


def test_an_acknowledged_event_that_is_not_in_the_log():
    assert kinds(acknowledged={0, 1, 2, 3}) == {checker.NOT_STORED}


@pytest.mark.parametrize("acknowledged", [{0, 1, 2}, {0, 1}], ids=["acknowledged", "stored alone"])
def test_a_stored_event_that_reached_nobody(acknowledged):
    report = checker.check(history(acknowledged=acknowledged, deliveries=history().deliveries[:2]))
    assert [(violation.kind, violation.number) for violation in report.violations] == [(checker.LOST, 2)]


@pytest.mark.parametrize("status", [0, 199, 300, 500])
def test_a_call_that_failed_is_no_delivery(status):
    assert kinds(deliveries=[*history().deliveries[:2], delivered(2, 102, status=status)]) == {checker.LOST}


def test_a_dead_letter_is_as_good_as_a_delivery():
    assert kinds(deliveries=history().deliveries[:2], dead_letters=[given_up(2, 103)]) == set()


@pytest.mark.parametrize("missing", [{"reason": ""}, {"reason": None}, {"attempts": None}, {"status": None}])
def test_a_dead_letter_without_its_reason(missing):
    letters = [given_up(2, 103, **missing)]
    assert kinds(deliveries=history().deliveries[:2], dead_letters=letters) == {checker.REASONLESS}


def test_a_dead_letter_of_another_subscription_does_not_count():
    letters = [given_up(2, 103, subscription="other")]
    subscriptions = [*history().subscriptions, Subscription("other", lambda kind: kind == "b")]
    assert kinds(deliveries=history().deliveries[:2], dead_letters=letters, subscriptions=subscriptions) == {
        checker.LOST, checker.STRANGER}


@pytest.mark.parametrize("status", [200, 500])
def test_an_event_that_a_subscriber_did_not_ask_for(status):
    subscriptions = [*history().subscriptions, Subscription("other", lambda kind: kind == "b")]
    deliveries = [*history().deliveries, delivered(1, 105, "other", status)]
    assert kinds(subscriptions=subscriptions, deliveries=deliveries) == {checker.STRANGER}


def test_an_event_for_nobody_that_is_known():
    assert kinds(deliveries=[*history().deliveries, delivered(1, 105, "gone")]) == {checker.STRANGER}


def test_an_event_that_was_never_stored():
    assert kinds(deliveries=[*history().deliveries, delivered(7, 105)]) == {checker.INVENTED}
    assert kinds(dead_letters=[given_up(7, 105)]) == {checker.INVENTED}


def test_a_later_event_before_an_earlier_one_of_its_key():
    deliveries = [delivered(0, 100), delivered(2, 101), delivered(1, 102)]
    report = checker.check(history(deliveries=deliveries))
    assert [(violation.kind, violation.number) for violation in report.violations] == [(checker.ORDER, 2)]


def test_a_later_event_while_an_earlier_one_is_not_answered_yet():
    assert kinds(deliveries=[delivered(0, 100), delivered(1, 101), delivered(2, 101.2)]) == {checker.ORDER}


def test_a_later_event_that_is_tried_between_failures_of_an_earlier_one():
    deliveries = [delivered(0, 100), delivered(1, 101, status=500), delivered(2, 102, status=500), delivered(1, 103),
                  delivered(2, 104)]
    assert kinds(deliveries=deliveries) == {checker.ORDER}


def test_a_later_event_before_an_earlier_one_is_a_dead_letter():
    deliveries = [delivered(0, 100), delivered(1, 101, status=422), delivered(2, 102)]
    assert kinds(deliveries=deliveries, dead_letters=[given_up(1, 102.1)]) == {checker.ORDER}
    assert kinds(deliveries=deliveries, dead_letters=[given_up(1, 101.6)]) == set()


def test_a_later_event_that_is_given_up_before_an_earlier_one_is_finished():
    assert kinds(deliveries=[delivered(0, 100), delivered(1, 102)], dead_letters=[given_up(2, 101)]) == {checker.ORDER}


def test_the_order_is_that_of_the_log_and_not_of_the_numbers():
    stored = [Stored(0, 0, 12, "k"), Stored(1, 0, 11, "k"), Stored(2, 0, 10, "k")]
    assert kinds(stored=stored) == {checker.ORDER}
    assert kinds(stored=stored, deliveries=[delivered(2, 100), delivered(1, 101), delivered(0, 102)]) == set()


@pytest.mark.parametrize("stored", [[Stored(0, 0, 10, "x"), Stored(1, 0, 11, "y"), Stored(2, 0, 12, "z")],
                                    [Stored(0, 0, 10), Stored(1, 0, 11), Stored(2, 0, 12)]], ids=["keys", "no key"])
def test_keys_have_no_order_among_each_other(stored):
    assert kinds(stored=stored, deliveries=[delivered(2, 100), delivered(1, 101), delivered(0, 102)]) == set()


def test_who_did_not_ask_for_order_gets_none():
    deliveries = [delivered(2, 100), delivered(1, 101), delivered(0, 102)]
    assert kinds(subscriptions=[Subscription("all", everything)], deliveries=deliveries) == set()


def test_what_comes_again_in_a_run_from_an_earlier_position_keeps_the_order():
    deliveries = [*history().deliveries, delivered(0, 110), delivered(1, 111), delivered(2, 112)]
    disturbances = [Disturbance("kill dispatcher", 105, 106)]
    report = checker.check(history(deliveries=deliveries, disturbances=disturbances))
    assert report.violations == [] and report.duplicates == {"kill dispatcher": 3}


def test_a_duplicate_that_nothing_explains():
    deliveries = [*history().deliveries, delivered(2, 150)]
    assert kinds(deliveries=deliveries) == {checker.UNEXPLAINED}
    assert kinds(deliveries=deliveries, disturbances=[Disturbance("kill", 50, 60)]) == {checker.UNEXPLAINED}
    assert kinds(deliveries=deliveries, disturbances=[Disturbance("kill", 151, 152)]) == {checker.UNEXPLAINED}


def test_a_duplicate_is_explained_by_the_last_disturbance_before_it():
    deliveries = [*history().deliveries, delivered(2, 150)]
    disturbances = [Disturbance("third", 160, 161), Disturbance("first", 99, 104), Disturbance("second", 120, 121)]
    assert checker.check(history(deliveries=deliveries, disturbances=disturbances)).duplicates == {"second": 1}


def test_a_disturbance_of_one_subscription_explains_nothing_of_another():
    deliveries = [*history().deliveries, delivered(2, 150)]
    disturbances = [Disturbance("down", 120, 121, subscription="other")]
    assert kinds(deliveries=deliveries, disturbances=disturbances) == {checker.UNEXPLAINED}
    disturbances = [Disturbance("down", 120, 121, subscription="all")]
    assert kinds(deliveries=deliveries, disturbances=disturbances) == set()


def test_an_event_that_is_in_the_log_twice_may_come_twice_and_no_more():
    stored = [*history().stored, Stored(2, 0, 13, "k", "a")]
    deliveries = [*history().deliveries, delivered(2, 103)]
    assert checker.check(history(stored=stored, deliveries=deliveries)).duplicates == {checker.STORED_TWICE: 1}
    assert kinds(stored=stored, deliveries=[*deliveries, delivered(2, 104)]) == {checker.UNEXPLAINED}


def test_a_dead_letter_of_what_was_delivered_is_a_duplicate():
    assert kinds(dead_letters=[given_up(2, 110)]) == {checker.UNEXPLAINED}
