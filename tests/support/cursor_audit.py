"""Reads eg.cursor by the rules of schemas/log-record.md, written anew from that text, and tells what no writer may do: move
a valid position back, or take an epoch that was taken.

A record or a removal of an epoch below the highest claim before it is void, so whoever lost a partition and wakes up later
can write what it likes. How many such records there were is counted: it shows that a test brought it about.
"""

import dataclasses
import json

MOVED_BACK = "a valid position moved back"
FROM_NOBODY = "a record of an epoch that nobody claimed"
UNREADABLE = "a record that is none"


@dataclasses.dataclass(frozen=True)
class Finding:
    kind: str
    offset: int
    text: str


@dataclasses.dataclass
class Cursors:
    findings: list = dataclasses.field(default_factory=list)
    epochs: dict = dataclasses.field(default_factory=dict)  # partition, or (stream, partition) -> the highest claimed
    owners: dict = dataclasses.field(default_factory=dict)  # (partition, epoch) -> the first claim's owner
    valid: dict = dataclasses.field(default_factory=dict)  # place -> {epoch: the record's value}
    void: int = 0
    lost_claims: int = 0
    records: int = 0

    def __str__(self):
        return (f"cursor records {self.records}, claims {len(self.owners)} and {self.lost_claims} too late, void "
                f"{self.void}, detached at the end {len(self.detached())}")

    def detached(self):
        return [place for place, records in self.valid.items()
                if any(value["kind"] == "catch-up" for value in records.values())]


def read(records):
    """records: of the stream, in its order, with offset, key and value."""
    cursors = Cursors()
    for record in records:
        cursors.records += 1
        try:
            partition, place, epoch = _parts(record.key)
            value = None if record.value is None else json.loads(record.value)
        except (AttributeError, ValueError):
            cursors.findings.append(Finding(UNREADABLE, record.offset, repr(record.key)))
            continue
        if place == ["owner"]:
            _claim(cursors, partition, epoch, value)
        else:
            _take(cursors, record, (partition, *place), epoch, value)
    return cursors


def _parts(key):
    """The partition, of the events as a number, else with its stream; what it is about; the epoch."""
    first, *rest = key.split("/")
    partition = (first, int(rest.pop(0))) if first.startswith("retry.") else int(first)
    *place, epoch = rest
    return partition, place, int(epoch)


def _claim(cursors, partition, epoch, value):
    if value is None:
        return
    if epoch <= cursors.epochs.get(partition, 0):
        cursors.lost_claims += 1
        return
    cursors.owners[partition, epoch] = value["owner"]
    cursors.epochs[partition] = epoch


def _take(cursors, record, place, epoch, value):
    highest = cursors.epochs.get(place[0], 0)
    if epoch < highest:
        if value is not None:
            cursors.void += 1
        return
    if epoch > highest:
        # Compaction takes what was removed and leaves the removals for a while, also of claims.
        if value is not None:
            cursors.findings.append(Finding(FROM_NOBODY, record.offset, record.key))
        return
    before = cursors.valid.setdefault(place, {})
    if value is None:
        before.pop(epoch, None)
    else:
        _compare(cursors, record, place, before, value)
        # What an older epoch said of this place counts no more once the owner has written of it.
        before.clear()
        before[epoch] = value
    if not before:
        del cursors.valid[place]


def _compare(cursors, record, place, before, value):
    for other in before.values():
        same = other.get("created") == value.get("created") and other["kind"] == value["kind"]
        if same and "position" in value and value["position"] < other["position"]:
            cursors.findings.append(Finding(MOVED_BACK, record.offset, f"{place}: {other['position']} to "
                                            f"{value['position']}"))
