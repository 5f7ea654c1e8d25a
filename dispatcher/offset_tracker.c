#include "dispatcher/offset_tracker.h"

#include <assert.h>

void offset_tracker_init(struct offset_tracker *tracker, int64_t start_offset) {
    *tracker = (struct offset_tracker){.next_offset = start_offset};
}

bool offset_tracker_seen(struct offset_tracker *tracker, struct offset_tracker_entry *entry) {
    if (entry->offset < tracker->next_offset) {
        return false;
    }
    tracker->next_offset = entry->offset + 1;
    // Offsets come in ascending order, so the list is sorted without a search.
    entry->previous = tracker->last;
    entry->next = NULL;
    if (tracker->last) {
        tracker->last->next = entry;
    } else {
        tracker->first = entry;
    }
    tracker->last = entry;
    tracker->count++;
    return true;
}

void offset_tracker_pass(struct offset_tracker *tracker, int64_t offset) {
    if (offset > tracker->next_offset) {
        tracker->next_offset = offset;
    }
}

void offset_tracker_finish(struct offset_tracker *tracker, struct offset_tracker_entry *entry) {
    assert(tracker->count > 0);
    assert(entry->previous ? entry->previous->next == entry : tracker->first == entry);
    if (entry->previous) {
        entry->previous->next = entry->next;
    } else {
        tracker->first = entry->next;
    }
    if (entry->next) {
        entry->next->previous = entry->previous;
    } else {
        tracker->last = entry->previous;
    }
    entry->previous = NULL;
    entry->next = NULL;
    tracker->count--;
}

int64_t offset_tracker_position(const struct offset_tracker *tracker) {
    return tracker->first ? tracker->first->offset : tracker->next_offset;
}

void offset_tracker_finished(const struct offset_tracker *tracker,
                             const struct offset_ranges *earlier,
                             struct offset_ranges *ret_finished) {
    int64_t next = offset_tracker_position(tracker);
    *ret_finished = (struct offset_ranges){0};
    for (const struct offset_tracker_entry *entry = tracker->first; entry; entry = entry->next) {
        offset_ranges_add(ret_finished, next, entry->offset);
        next = entry->offset + 1;
    }
    offset_ranges_add(ret_finished, next, tracker->next_offset);
    for (size_t i = 0; i < earlier->count; i++) {
        const struct offset_range *range = &earlier->items[i];
        int64_t first = range->first > tracker->next_offset ? range->first : tracker->next_offset;
        offset_ranges_add(ret_finished, first, range->end);
    }
}
