"""The audit of eg.cursor follows the rules of the format and finds what breaks them."""

import collections
import json

import pytest

from support import cursor_audit

Record = collections.namedtuple("Record", "offset key value")


def claim(epoch, owner="x", partition=0):
    return (f"{partition}/owner/{epoch}", {"kind": "owner", "owner": owner})


def detached(epoch, position, created="1", kind="catch-up"):
    return (f"0/default/a/{epoch}", {"kind": kind, "position": position, "created": created})


def live(epoch, position):
    return (f"0/live/{epoch}", {"kind": "live", "position": position})


def removed(epoch):
    return (f"0/default/a/{epoch}", None)


def audit(*records):
    return cursor_audit.read(Record(offset, key, None if value is None else json.dumps(value).encode())
                             for offset, (key, value) in enumerate(records))


def kinds(*records):
    return [finding.kind for finding in audit(*records).findings]


def test_positions_that_go_on():
    cursors = audit(claim(1), live(1, 5), detached(1, 5), detached(1, 7), claim(2), live(2, 7), detached(2, 7), removed(1),
                    detached(2, 9), removed(2))
    assert cursors.findings == [] and cursors.detached() == [] and cursors.epochs == {0: 2}


def test_removals_outlast_the_claims_that_compaction_took():
    cursors = audit(removed(1), ("0/live/1", None), ("0/owner/1", None), claim(2), live(2, 7))
    assert cursors.findings == [] and cursors.epochs == {0: 2}
    assert kinds(removed(1), live(1, 7), claim(2)) == [cursor_audit.FROM_NOBODY]


@pytest.mark.parametrize("again", [detached(1, 4), detached(1, 6)], ids=["far", "by one"])
def test_a_position_that_moves_back(again):
    assert kinds(claim(1), detached(1, 7), again) == [cursor_audit.MOVED_BACK]


def test_a_new_owner_that_goes_back_behind_what_it_found():
    assert kinds(claim(1), detached(1, 7), claim(2), detached(2, 6)) == [cursor_audit.MOVED_BACK]
    assert kinds(claim(1), live(1, 7), claim(2), live(2, 6)) == [cursor_audit.MOVED_BACK]


def test_what_is_detached_anew_may_begin_anywhere():
    assert kinds(claim(1), detached(1, 7), removed(1), detached(1, 3)) == []
    assert kinds(claim(1), detached(1, 7, created="1"), detached(1, 3, created="2")) == []


def test_what_a_former_owner_writes_is_void_and_counted():
    cursors = audit(claim(1), detached(1, 7), claim(2), detached(1, 3), detached(2, 8))
    assert cursors.findings == [] and cursors.void == 1


def test_a_former_owner_cannot_remove():
    cursors = audit(claim(1), detached(1, 7), claim(2), removed(1))
    assert cursors.detached() == [(0, "default", "a")]


def test_of_two_claims_of_an_epoch_the_first_counts():
    cursors = audit(claim(1, "x"), claim(1, "y"))
    assert cursors.owners == {(0, 1): "x"} and cursors.lost_claims == 1


def test_a_record_of_an_epoch_that_nobody_claimed():
    assert kinds(detached(1, 7)) == [cursor_audit.FROM_NOBODY]
    assert kinds(claim(1), detached(2, 7)) == [cursor_audit.FROM_NOBODY]


def test_partitions_have_owners_of_their_own():
    assert kinds(claim(1), claim(7, partition=1), detached(1, 7)) == []


@pytest.mark.parametrize("key", ["", "x/owner/1", "0/owner/x", None])
def test_a_key_that_is_none(key):
    assert kinds((key, {"kind": "owner"})) == [cursor_audit.UNREADABLE]
